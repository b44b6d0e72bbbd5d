//! What a task is made of, in one allocation.
//!
//! ```text
//!   Header       the same for every task: words, vtable, id and origin, links, join waker
//!   scheduler    where to go when woken
//!   stage        the future, then its output, then nothing
//! ```
//!
//! All pointers to a task are pointers to its header with the provenance of the whole allocation,
//! so that the [`Vtable`]'s functions, which know the types, may cast them back.

use super::error::JoinError;
use super::meta::Meta;
use super::near_word::NearWord;
use super::stamp::Stamp;
use super::state::State;
use crate::loom::cell::UnsafeCell;
use crate::util::linked_list::{Links, Node};
use std::future::Future;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::task::Waker;

/// The part of a task that is the same for all.
pub(super) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static Vtable,
    pub(super) meta: Meta,
    /// The `OwnedTasks` the task was bound to; 0 for none.
    pub(super) owner: u64,
    /// Belongs to the lock of the owner's shard.
    pub(super) links: Links<Header>,
    /// Rule 4 says who may touch it.
    pub(super) join_waker: UnsafeCell<MaybeUninit<Waker>>,
    /// Rule 7 says who may touch it.
    pub(super) near: NearWord,
    pub(super) stamp: Stamp,
}

#[cfg(all(not(all(test, loom)), target_pointer_width = "64"))]
const _: () = assert!(
    size_of::<Header>() == 88 + size_of::<Stamp>(),
    "the header has grown"
);

// SAFETY: a field.
unsafe impl Node for Header {
    fn links(&self) -> &Links<Header> {
        &self.links
    }
}

/// The functions through which the untyped part of the runtime reaches a task's typed part.
///
/// Each function's pointer must come from `Cell::<F, S>::allocate` with the same `F` and `S`, and
/// the task must be alive; what else is asked stands at the function.
pub(super) struct Vtable {
    /// Takes the `Notified`'s reference: claims the task and polls or cancels it.
    pub(super) run: unsafe fn(NonNull<Header>),
    /// Takes a reference, which becomes the `Notified`'s; the caller holds another one meanwhile.
    pub(super) schedule: unsafe fn(NonNull<Header>),
    /// The same for the local queue. Called near.
    pub(super) schedule_near: unsafe fn(NonNull<Header>),
    /// Takes a reference: cancels the task unless somebody else runs it.
    pub(super) shutdown: unsafe fn(NonNull<Header>),
    /// Moves the output to the address, a `*mut Poll<Result<F::Output, JoinError>>`, which is
    /// overwritten without being dropped. The caller owns the stage (rule 3).
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops what the stage holds. The caller owns the stage (rules 1 and 3).
    pub(super) drop_stage: unsafe fn(NonNull<Header>),
    /// Frees the task. Called when a verb of the state says so.
    pub(super) free: unsafe fn(NonNull<Header>),
    /// Whether the task has a near word.
    pub(super) is_biased: bool,
}

/// A task. `repr(C)` puts the header at the allocation's address.
#[repr(C)]
pub(super) struct Cell<F: Future, S> {
    pub(super) header: Header,
    pub(super) scheduler: S,
    /// Rules 1 and 3 say who may touch it.
    pub(super) stage: UnsafeCell<Stage<F>>,
}

/// Where the task is in its life.
pub(super) enum Stage<F: Future> {
    /// Spawned, perhaps polled. Never moved again: it is pinned.
    Future(F),
    /// Complete, and the output not taken yet.
    Output(Result<F::Output, JoinError>),
    /// Neither.
    Empty,
}

impl<F: Future, S> Cell<F, S> {
    /// Allocates the task and returns the pointer by which it is known from then on.
    pub(super) fn allocate(
        (state, near): (State, NearWord),
        vtable: &'static Vtable,
        meta: Meta,
        owner: u64,
        future: F,
        scheduler: S,
    ) -> NonNull<Header> {
        let mut cell = Box::<Cell<F, S>>::new_uninit();
        // Field by field into the allocation: an unoptimised build then has the future, which may
        // be large, on the stack once and not once more as part of a whole `Cell`.
        let address = cell.as_mut_ptr();
        // SAFETY: `address` points into a live allocation of the right layout that nobody else has;
        // the three writes initialise every field.
        unsafe {
            (&raw mut (*address).header).write(Header {
                state,
                vtable,
                meta,
                owner,
                links: Links::new(),
                join_waker: UnsafeCell::new(MaybeUninit::uninit()),
                near,
                stamp: Stamp::new(),
            });
            (&raw mut (*address).scheduler).write(scheduler);
            (&raw mut (*address).stage).write(UnsafeCell::new(Stage::Future(future)));
        }
        // A `Box<MaybeUninit<_>>` has the address and provenance of the whole allocation.
        let address = Box::into_raw(cell).cast::<Header>();
        NonNull::new(address).expect("a Box is never null")
    }
}

/// The typed view of a task.
///
/// # Safety
///
/// - `task` comes from `Cell::<F, S>::allocate` with the same types;
/// - it stays alive for `'a`, which the caller chooses.
pub(super) unsafe fn cell<'a, F: Future, S>(task: NonNull<Header>) -> &'a Cell<F, S> {
    // SAFETY: the contract above, and `repr(C)` with the header first. A shared reference is right:
    // all that changes is in atomics and `UnsafeCell`s.
    unsafe { task.cast::<Cell<F, S>>().as_ref() }
}

/// Gives one reference up.
///
/// # Safety
///
/// The caller has it, and does not use the task any more.
pub(super) unsafe fn drop_reference(task: NonNull<Header>) {
    // SAFETY: the reference. Nothing is read after the verb unless it was the last one.
    unsafe {
        if (*task.as_ptr()).state.drop_reference() {
            ((*task.as_ptr()).vtable.free)(task);
        }
    }
}
