//! Tasks that wait: a list of wakers behind a lock, without an allocation, shared by `Notify` and
//! `broadcast`.
//!
//! A [`Wait`] is the part of a future that can stand in the list of [`Waiters`]; the list, a
//! [`WaiterList`], runs through the futures themselves. The door here is safe: a `Wait` is pinned
//! when it gets into the list, and leaves it before its memory goes.
//!
//! # Notifying all
//!
//! The lock is released every few wakers, so that they run outside it; meanwhile others may come to
//! wait, who are not meant. Those who are meant stand in a second list, *leaving*: notifying all
//! begins with a new epoch and moves the queue there in one step. In which of the two lists a
//! waiter stands follows from the epoch in which it came.

use std::ops::Deref;
use std::pin::Pin;
use std::task::Waker;

use crate::loom::sync::{Mutex, MutexGuard};
use crate::sync::waiter_list::{Message, Stage, Waiter, WaiterList};
use crate::sync::wake_batch::WakeBatch;
use crate::util::first_panic::FirstPanic;
use crate::util::poison::unpoisoned;

/// A list of waiters, behind its lock.
pub(super) struct Waiters {
    locked: Mutex<Locked>,
}

/// The value of a waiter is the epoch in which it came.
struct Locked {
    epoch: u64,
    /// Those that came in this epoch.
    queue: WaiterList<u64>,
    /// Those that came before it.
    leaving: WaiterList<u64>,
}

impl Waiters {
    #[cfg(not(all(test, loom)))]
    pub(super) const fn new() -> Self {
        Waiters {
            locked: Mutex::new(Locked::new()),
        }
    }

    #[cfg(all(test, loom))]
    pub(super) fn new() -> Self {
        Waiters {
            locked: Mutex::new(Locked::new()),
        }
    }

    pub(super) fn lock(&self) -> Guard<'_> {
        Guard {
            waiters: self,
            locked: unpoisoned(self.locked.lock()),
        }
    }
}

impl Locked {
    const fn new() -> Self {
        Locked {
            epoch: 0,
            queue: WaiterList::new(),
            leaving: WaiterList::new(),
        }
    }

    /// Takes a waiter out; its waker comes back.
    ///
    /// # Safety
    ///
    /// - `waiter` is in a list of this very lock.
    unsafe fn remove(&mut self, waiter: &Waiter<u64>) -> Option<Waker> {
        // SAFETY: it is queued and the lock is held, so its entry is the caller's. `notify_all`
        // keeps epoch and list in step.
        unsafe {
            match waiter.with_value(|value| *value) == self.epoch {
                true => self.queue.remove(waiter),
                false => self.leaving.remove(waiter),
            }
        }
    }
}

/// The list's lock, held.
pub(super) struct Guard<'a> {
    waiters: &'a Waiters,
    locked: MutexGuard<'a, Locked>,
}

impl Guard<'_> {
    /// Whether a waiter stands in the queue, not counting those already being notified.
    pub(super) fn has_waiters(&self) -> bool {
        !self.locked.queue.is_empty()
    }

    /// Notifies the one that has waited longest. The waker is for the caller to wake, the lock
    /// released.
    ///
    /// # Panics
    ///
    /// If nobody waits.
    #[must_use = "the waker is not woken yet"]
    pub(super) fn notify_first(&mut self, message: Message) -> Option<Waker> {
        self.locked.queue.take_first(message)
    }

    /// As [`notify_first`](Self::notify_first), the one that came last.
    #[must_use = "the waker is not woken yet"]
    pub(super) fn notify_last(&mut self, message: Message) -> Option<Waker> {
        self.locked.queue.take_last(message)
    }

    /// Notifies all that wait now, and wakes them in the order in which they came, the lock
    /// released.
    pub(super) fn notify_all(mut self, message: Message) {
        let locked = &mut *self.locked;
        if locked.queue.is_empty() {
            // Those leaving are notified by whoever moved them there.
            return;
        }
        locked.epoch += 1;
        let before = locked.epoch;
        // SAFETY: both are behind this lock. Their epoch has passed, so they belong to `leaving`.
        unsafe { locked.leaving.append(&mut locked.queue) };
        let waiters = self.waiters;
        let mut guard = self;
        let mut panics = FirstPanic::default();
        loop {
            let mut batch = WakeBatch::new();
            let mut done = false;
            while !done && !batch.is_full() {
                match guard.locked.leaving.first() {
                    Some(epoch) if *epoch < before => {
                        if let Some(waker) = guard.locked.leaving.take_first(message) {
                            batch.push(waker);
                        }
                    }
                    _ => done = true,
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

    fn assert_of(&self, waiters: &Waiters) {
        assert!(
            std::ptr::eq(self.waiters, waiters),
            "the lock is another list's"
        );
    }
}

/// What has waiters.
///
/// # Safety
///
/// - [`waiters`](Owner::waiters) returns the same list each time for one `self`.
pub(super) unsafe trait Owner {
    fn waiters(&self) -> &Waiters;
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
    waiter: Waiter<u64>,
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
            waiter: Waiter::new(0),
        }
    }

    pub(super) fn owner(&self) -> &C::Target {
        &self.carrier
    }

    /// Unless the lock is held, a waiter that is queued may be notified at any moment: ask once.
    pub(super) fn stage(&self) -> Stage {
        self.waiter.stage()
    }

    /// Stands in the list, at its end if it did not before, and will be woken by `waker`. The
    /// message that it had before is forgotten.
    ///
    /// `clone`, if there is one, is a clone of `waker`; a waker that is not needed any more stays
    /// there, to be dropped when the lock is released. Without `waker` the waiter stands in the
    /// list and nobody is woken.
    ///
    /// # Panics
    ///
    /// If `guard` is another list's.
    pub(super) fn queue(
        self: Pin<&Self>,
        guard: &mut Guard<'_>,
        waker: Option<&Waker>,
        clone: &mut Option<Waker>,
    ) -> Queue {
        let Wait { carrier, waiter } = self.get_ref();
        guard.assert_of(carrier.waiters());
        if waiter.stage() == Stage::Queued {
            // SAFETY: it stands in one of the two lists of this lock.
            let own = unsafe { guard.locked.queue.waker(waiter) };
            let suits = match (waker, &*own) {
                (None, _) => true,
                (Some(new), Some(old)) => old.will_wake(new),
                (Some(_), None) => false,
            };
            match (suits, &*clone) {
                (true, _) => {}
                (false, None) => return Queue::WantsWaker,
                (false, Some(_)) => std::mem::swap(own, clone),
            }
        } else {
            if waker.is_some() && clone.is_none() {
                return Queue::WantsWaker;
            }
            let epoch = guard.locked.epoch;
            // SAFETY: this is the owner, and the waiter is not queued; it is pinned, and `drop`
            // takes it out before its memory goes: the carrier leads to this list until then.
            unsafe { guard.locked.queue.push(waiter, clone.take(), epoch) };
        }
        Queue::Stands
    }

    /// Leaves the list; it is idle now. Returns the message it got before it could leave.
    ///
    /// The waker goes to `waker`, which must be empty, to be dropped when the lock is released.
    ///
    /// # Panics
    ///
    /// If `guard` is another list's.
    pub(super) fn leave(
        &self,
        guard: &mut Guard<'_>,
        waker: &mut Option<Waker>,
    ) -> Option<Message> {
        let Wait { carrier, waiter } = self;
        guard.assert_of(carrier.waiters());
        assert!(
            waker.is_none(),
            "a waker would be dropped with the lock held"
        );
        match waiter.stage() {
            Stage::Idle => None,
            Stage::Queued => {
                // SAFETY: it is queued in a list of this lock.
                *waker = unsafe { guard.locked.remove(waiter) };
                None
            }
            Stage::Notified(message) => {
                waiter.set_stage(Stage::Idle);
                Some(message)
            }
        }
    }
}

impl<C: Carrier> Drop for Wait<C> {
    fn drop(&mut self) {
        // Once it is notified nobody touches this memory any more, so no lock is needed.
        if self.stage() == Stage::Queued {
            let mut waker = None;
            let mut guard = self.carrier.waiters().lock();
            self.leave(&mut guard, &mut waker);
            drop(guard);
            drop(waker);
        }
    }
}
