//! The functions through which the untyped part of the runtime reaches a task's typed part.

use super::core::{Cell, Header};
use super::{Schedule, run};
use std::future::Future;
use std::ptr::NonNull;

/// Each function's pointer must come from `Cell::<F, S>::allocate` with the same `F` and `S`, and the
/// task must be alive; what else is asked stands at the function.
pub(super) struct Vtable {
    /// Takes the `Notified`'s reference: claims the task and polls or cancels it.
    pub(super) run: unsafe fn(NonNull<Header>),
    /// Takes a reference, which becomes the `Notified`'s; the caller holds another one meanwhile.
    pub(super) schedule: unsafe fn(NonNull<Header>),
    /// Takes a reference: cancels the task unless somebody else runs it.
    pub(super) shutdown: unsafe fn(NonNull<Header>),
    /// Moves the output to the address, a `*mut Poll<Result<F::Output, JoinError>>`, which is
    /// overwritten without being dropped. The caller owns the stage (rule 3).
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops what the stage holds. The caller owns the stage (rules 1 and 3).
    pub(super) drop_stage: unsafe fn(NonNull<Header>),
    /// Frees the task. The caller was told to by a verb of the state.
    pub(super) free: unsafe fn(NonNull<Header>),
}

struct Of<F, S>(std::marker::PhantomData<(F, S)>);

impl<F: Future, S: Schedule> Of<F, S> {
    const VTABLE: Vtable = Vtable {
        run: run::run::<F, S>,
        schedule: run::schedule::<F, S>,
        shutdown: run::shutdown::<F, S>,
        take_output: run::take_output::<F, S>,
        drop_stage: run::drop_stage::<F, S>,
        free: run::free::<F, S>,
    };
}

pub(super) fn vtable<F: Future, S: Schedule>() -> &'static Vtable {
    &Of::<F, S>::VTABLE
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
