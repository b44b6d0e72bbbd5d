//! Who waits: a list of wakers behind a lock, without an allocation, shared by `Notify` and
//! `broadcast`.
//!
//! A [`Wait`] is the part of a future that can stand in the list of [`Waiters`]; the list's links run
//! through the futures themselves. Everything unsafe about that is in this file, and its door is
//! safe: who waits is pinned, and a `Wait` leaves the list before its memory goes.
//!
//! # States of a `Wait`
//!
//! ```text
//!              queue                          tell
//!   IDLE ─────────────────▶ QUEUED ───────────────────────▶ told a word
//!     ▲        leave         │ ▲              queue             │   │
//!     ├──────────────────────┘ └────────────────────────────────┘   │
//!     └─────────────────────────────────────────────────────────────┘ leave
//! ```
//!
//! 1. Every step is made with the list's lock held; all but `tell` by the waiter's owner.
//! 2. The links, the waker and the epoch are touched with the lock held, by others than the owner only while
//!    QUEUED.
//! 3. The step to told is the teller's last touch: from then on the memory is the owner's alone.
//!
//! # Telling all
//!
//! The lock is released every few wakers, so that they run outside it; meanwhile new ones may come
//! to wait, who are not meant. Who was meant is in a second list, *leaving*: telling all begins with
//! a new epoch and moves the queue there in one step. Which of the two lists somebody stands in is
//! told by the epoch in which they came.

use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Waker;

use crate::loom::cell::UnsafeCell;
use crate::loom::sync::atomic::{AtomicU8, Ordering};
use crate::loom::sync::{Mutex, MutexGuard};
use crate::sync::wake_batch::WakeBatch;
use crate::util::first_panic::FirstPanic;
use crate::util::linked_list::{self, Links, List};
use crate::util::poison::unpoisoned;

/// What a waiter is told when it is taken from the list; its meaning is the user's.
pub(super) type Word = u8;

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
/// The state of who was told `word` is `TOLD + word`.
const TOLD: u8 = 2;

/// A list of waiters and `S`, what else its lock guards.
pub(super) struct Waiters<S> {
    locked: Mutex<Locked<S>>,
}

struct Locked<S> {
    kept: S,
    /// Who came in this epoch stands in `queue`, who came before in `leaving`.
    epoch: u64,
    queue: List<Node>,
    leaving: List<Node>,
}

impl<S> Waiters<S> {
    #[cfg(not(all(test, loom)))]
    pub(super) const fn new(kept: S) -> Self {
        Waiters {
            locked: Mutex::new(Locked::new(kept)),
        }
    }

    #[cfg(all(test, loom))]
    pub(super) fn new(kept: S) -> Self {
        Waiters {
            locked: Mutex::new(Locked::new(kept)),
        }
    }

    pub(super) fn lock(&self) -> Guard<'_, S> {
        Guard {
            waiters: self,
            // No user code runs under the lock but drops of `S`, and no step can stop half-way.
            locked: unpoisoned(self.locked.lock()),
        }
    }
}

impl<S> Locked<S> {
    const fn new(kept: S) -> Self {
        Locked {
            kept,
            epoch: 0,
            queue: List::new(),
            leaving: List::new(),
        }
    }

    /// Takes a queued node out of the list that its epoch names, and its waker from it.
    ///
    /// # Safety
    ///
    /// - The node is queued in a list of this very lock.
    unsafe fn unlink(&mut self, node: NonNull<Node>) -> Option<Waker> {
        // SAFETY: in a list it is alive, and by rule 2 nobody else touches its place.
        let (epoch, waker) = unsafe {
            node.as_ref()
                .place
                .with_mut(|place| ((*place).epoch, (*place).waker.take()))
        };
        let list = match epoch == self.epoch {
            true => &mut self.queue,
            false => &mut self.leaving,
        };
        // SAFETY: `tell_all` keeps epoch and list in step.
        let was_in_list = unsafe { list.remove(node) };
        assert!(was_in_list, "who is queued stands in a list");
        waker
    }

    /// Takes a queued node out and tells it.
    ///
    /// # Safety
    ///
    /// - As [`unlink`](Self::unlink).
    unsafe fn tell(&mut self, node: NonNull<Node>, word: Word) -> Option<Waker> {
        // SAFETY: handed on. The node is alive until its state says told, which is the last touch.
        unsafe {
            let waker = self.unlink(node);
            // Pairs with the Acquire in `Wait::stage` and `Wait::drop`.
            node.as_ref().state.store(TOLD + word, Ordering::Release);
            waker
        }
    }

    /// Tells the first of `leaving`, if it came before `epoch`.
    fn tell_before(&mut self, epoch: u64, word: Word) -> Option<Option<Waker>> {
        let node = self.leaving.first()?;
        // SAFETY: it stands in a list of this lock, which is held.
        unsafe {
            let came = node.as_ref().place.with(|place| (*place).epoch);
            (came < epoch).then(|| self.tell(node, word))
        }
    }
}

/// The list's lock, held.
pub(super) struct Guard<'a, S> {
    waiters: &'a Waiters<S>,
    locked: MutexGuard<'a, Locked<S>>,
}

impl<S> Deref for Guard<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.locked.kept
    }
}

impl<S> DerefMut for Guard<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.locked.kept
    }
}

impl<S> Guard<'_, S> {
    /// Whether somebody waits who is not already being told.
    pub(super) fn has_waiters(&self) -> bool {
        !self.locked.queue.is_empty()
    }

    /// Tells who has waited longest. The waker is for the caller to wake, the lock released.
    ///
    /// # Panics
    ///
    /// If nobody waits.
    #[must_use = "the waker is not woken yet"]
    pub(super) fn tell_first(&mut self, word: Word) -> Option<Waker> {
        let node = self.locked.queue.first().expect("somebody waits");
        // SAFETY: the node stands in a list of this lock.
        unsafe { self.locked.tell(node, word) }
    }

    /// Tells who came last. The waker is for the caller to wake, the lock released.
    ///
    /// # Panics
    ///
    /// If nobody waits.
    #[must_use = "the waker is not woken yet"]
    pub(super) fn tell_last(&mut self, word: Word) -> Option<Waker> {
        let node = self.locked.queue.last().expect("somebody waits");
        // SAFETY: the node stands in a list of this lock.
        unsafe { self.locked.tell(node, word) }
    }

    /// Tells all who wait now, and wakes them in the order in which they came, the lock released.
    pub(super) fn tell_all(mut self, word: Word) {
        let locked = &mut *self.locked;
        if locked.queue.is_empty() {
            // Who is leaving is told by who moved them there.
            return;
        }
        locked.epoch += 1;
        let before = locked.epoch;
        // SAFETY: of this lock both. The epoch has passed, so those moved belong to `leaving`.
        unsafe { locked.leaving.append(&mut locked.queue) };
        let waiters = self.waiters;
        let mut guard = self;
        let mut panics = FirstPanic::default();
        loop {
            let mut batch = WakeBatch::new();
            let mut done = false;
            while !done && !batch.is_full() {
                match guard.locked.tell_before(before, word) {
                    Some(waker) => waker.map_or((), |waker| batch.push(waker)),
                    None => done = true,
                }
            }
            drop(guard);
            batch.wake_all(&mut panics);
            if done {
                break;
            }
            guard = waiters.lock();
        }
        panics.resume();
    }
}

/// Who has waiters.
///
/// # Safety
///
/// - [`waiters`](Owner::waiters) returns the same list each time for one `self`.
pub(super) unsafe trait Owner {
    type Kept;

    fn waiters(&self) -> &Waiters<Self::Kept>;
}

/// How a [`Wait`] reaches the owner of its list.
///
/// # Safety
///
/// - Dereferencing returns the same place each time, and the owner there stays alive and is not
///   replaced as long as the carrier lives.
pub(super) unsafe trait Carrier: Deref<Target: Owner> {}

// SAFETY: a shared borrow points to one place, which nobody moves or drops while it lasts.
unsafe impl<T: Owner> Carrier for &T {}

// SAFETY: an Arc never changes what it points to, and keeps it alive; `get_mut` needs `&mut Arc`,
// which nobody has while the Wait owns it.
unsafe impl<T: Owner> Carrier for std::sync::Arc<T> {}

/// One waiter: part of a future, and while it waits a member of its owner's list.
pub(super) struct Wait<C: Carrier> {
    carrier: C,
    node: Node,
}

/// Where a [`Wait`] is; see the states above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Idle,
    Queued,
    Told(Word),
}

/// What [`Wait::queue`] did.
#[must_use]
pub(super) enum Queue {
    /// The waiter stands in the list and its waker is right.
    Stands,
    /// A clone of the waker is needed, to be made without the lock: nothing was done.
    WantsWaker,
}

impl<C: Carrier> Wait<C> {
    pub(super) fn new(carrier: C) -> Self {
        Wait {
            carrier,
            node: Node {
                state: AtomicU8::new(IDLE),
                links: Links::new(),
                place: UnsafeCell::new(Place {
                    waker: None,
                    epoch: 0,
                }),
            },
        }
    }

    pub(super) fn owner(&self) -> &C::Target {
        &self.carrier
    }

    /// Where it is. Unless the lock is held, who is queued may be told at any moment: ask once.
    pub(super) fn stage(&self) -> Stage {
        // Pairs with the Release in `tell`: what was done before telling is seen by the told.
        match self.node.state.load(Ordering::Acquire) {
            IDLE => Stage::Idle,
            QUEUED => Stage::Queued,
            told => Stage::Told(told - TOLD),
        }
    }

    /// Stands in the list, at its end if it did not before, and will be woken by `waker`. What it was
    /// told before is forgotten.
    ///
    /// `clone`, if there is one, is a clone of `waker`; a waker that is not needed any more stays
    /// there, to be dropped when the lock is released. Without `waker` the waiter stands in the list
    /// and nobody is woken.
    ///
    /// # Panics
    ///
    /// If `guard` is another list's.
    pub(super) fn queue(
        self: Pin<&Self>,
        guard: &mut Guard<'_, <C::Target as Owner>::Kept>,
        waker: Option<&Waker>,
        clone: &mut Option<Waker>,
    ) -> Queue {
        let this = self.get_ref();
        this.assert_own(guard);
        let queued = this.node.state.load(Ordering::Relaxed) == QUEUED; // changes under the lock only
        // SAFETY: the lock is held, so by rule 2 nobody else touches the place.
        let suits = this.node.place.with(|place| unsafe {
            match (waker, &(*place).waker) {
                (None, _) => true,
                (Some(new), Some(old)) => old.will_wake(new),
                (Some(_), None) => false,
            }
        });
        if !suits {
            if clone.is_none() {
                return Queue::WantsWaker;
            }
            // SAFETY: as above.
            this.node
                .place
                .with_mut(|place| unsafe { std::mem::swap(&mut (*place).waker, clone) });
        }
        if !queued {
            let locked = &mut *guard.locked;
            // SAFETY: as above.
            this.node
                .place
                .with_mut(|place| unsafe { (*place).epoch = locked.epoch });
            // SAFETY: the node is in no list; it is pinned, and `Wait::drop` takes it out before its
            // memory goes, for the carrier leads to this list until then.
            unsafe { locked.queue.push_back(NonNull::from(&this.node)) };
            this.node.state.store(QUEUED, Ordering::Relaxed); // read by others under the lock only
        }
        Queue::Stands
    }

    /// Leaves the list; it is idle now. Returns what it was told before it could leave.
    ///
    /// The waker goes to `waker`, which must be empty, to be dropped when the lock is released.
    ///
    /// # Panics
    ///
    /// If `guard` is another list's.
    pub(super) fn leave(
        self: Pin<&Self>,
        guard: &mut Guard<'_, <C::Target as Owner>::Kept>,
        waker: &mut Option<Waker>,
    ) -> Option<Word> {
        let this = self.get_ref();
        this.assert_own(guard);
        assert!(
            waker.is_none(),
            "a waker would be dropped with the lock held"
        );
        // With the lock held nobody tells; the Acquire is the lock's.
        let state = this.node.state.load(Ordering::Relaxed);
        if state == QUEUED {
            // SAFETY: the lock is held, and the node is queued in its list.
            *waker = unsafe { guard.locked.unlink(NonNull::from(&this.node)) };
        }
        this.node.state.store(IDLE, Ordering::Relaxed); // unlinked: the owner's alone
        state.checked_sub(TOLD)
    }

    fn assert_own(&self, guard: &Guard<'_, <C::Target as Owner>::Kept>) {
        assert!(
            std::ptr::eq(guard.waiters, self.carrier.waiters()),
            "the lock is another list's"
        );
    }
}

impl<C: Carrier> Drop for Wait<C> {
    fn drop(&mut self) {
        // Acquire pairs with the Release in `tell`, after which nobody touches this memory.
        if self.node.state.load(Ordering::Acquire) == QUEUED {
            let mut waker = None;
            let Wait { carrier, node } = &*self;
            let mut guard = carrier.waiters().lock();
            if node.state.load(Ordering::Relaxed) == QUEUED {
                // SAFETY: the lock is held, and the node is queued in its carrier's list.
                waker = unsafe { guard.locked.unlink(NonNull::from(node)) };
            }
            drop(guard);
            drop(waker);
        }
    }
}

struct Node {
    state: AtomicU8,
    links: Links<Node>,
    place: UnsafeCell<Place>,
}

/// Guarded by the list's lock.
struct Place {
    waker: Option<Waker>,
    /// In which it was queued.
    epoch: u64,
}

// SAFETY: `links` and `place` are touched with the list's lock held, by whichever thread (rule 2); the
// waker is Send and Sync. The rest is atomic.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

// SAFETY: a field.
unsafe impl linked_list::Node for Node {
    fn links(&self) -> &Links<Node> {
        &self.links
    }
}
