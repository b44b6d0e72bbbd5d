//! Who waits for permits, in the order of arrival: a list through the waiting futures themselves.
//!
//! A [`Waiter`] is in one of four stages:
//!
//! ```text
//!          push_back             hand_out
//!   Idle ------------> Queued ------------> Granted
//!     ^                  |  \    close
//!     |      remove      |   `------------> Closed
//!     +------------------+
//!     +------ the owner, when it gave the permits away or back ------ (Granted, Closed)
//! ```
//!
//! 1. While it is `Queued` its turn (waker, missing permits) and its links belong to whoever holds the
//!    queue's lock. In every other stage it belongs to the owner, the future around it.
//! 2. Only the holder of the lock takes a waiter into `Queued` and out of it. Its last touch is the
//!    store of the new stage, Release; the owner that reads it, Acquire, may free the waiter.

use std::ptr::NonNull;
use std::task::Waker;

use crate::loom::cell::UnsafeCell;
use crate::loom::sync::atomic::{AtomicU8, Ordering};
use crate::sync::wake_batch::WakeBatch;
use crate::util::linked_list::{Links, List, Node};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Stage {
    /// Not waiting, and without permits.
    Idle,
    /// In the queue, perhaps with a part of its permits.
    Queued,
    /// Has all its permits.
    Granted,
    /// Taken out of the queue by `close`, perhaps with a part of its permits.
    Closed,
}

pub(super) struct Waiter {
    stage: AtomicU8,
    links: Links<Waiter>,
    turn: UnsafeCell<Turn>,
}

struct Turn {
    /// Permits still to come.
    missing: usize,
    waker: Option<Waker>,
}

// SAFETY: links and turn are touched by whoever rule 1 names; the waker is Send and Sync. The rest is
// atomic.
unsafe impl Send for Waiter {}
// SAFETY: as above.
unsafe impl Sync for Waiter {}

// SAFETY: a field.
unsafe impl Node for Waiter {
    fn links(&self) -> &Links<Waiter> {
        &self.links
    }
}

impl Waiter {
    pub(super) fn new() -> Self {
        Waiter {
            stage: AtomicU8::new(Stage::Idle as u8),
            links: Links::new(),
            turn: UnsafeCell::new(Turn {
                missing: 0,
                waker: None,
            }),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        // Pairs with the Release in `set_stage`: with the stage its turn comes back to the owner.
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Idle,
            1 => Stage::Queued,
            2 => Stage::Granted,
            3 => Stage::Closed,
            other => unreachable!("no stage has the number {other}"),
        }
    }

    /// By the owner, or by the holder of the lock as its last touch (rule 2).
    pub(super) fn set_stage(&self, stage: Stage) {
        // Pairs with the Acquire in `stage`.
        self.stage.store(stage as u8, Ordering::Release);
    }

    /// Permits that had not come when it left the queue.
    ///
    /// # Safety
    ///
    /// The caller is the owner and the stage is not `Queued`.
    pub(super) unsafe fn missing(&self) -> usize {
        // SAFETY: outside the queue the turn is the owner's (rule 1), and the owner is here.
        self.turn.with(|turn| unsafe { (*turn).missing })
    }
}

/// Lives under the semaphore's lock, so that `&mut Queue` is the right to every queued turn.
pub(super) struct Queue {
    waiters: List<Waiter>,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Queue {
            waiters: List::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// # Safety
    ///
    /// - The caller is the owner of `waiter`, whose stage is not `Queued`.
    /// - `waiter` stays where it is until its stage is not `Queued`.
    pub(super) unsafe fn push_back(&mut self, waiter: &Waiter, missing: usize, waker: Waker) {
        waiter.turn.with_mut(|turn| {
            // SAFETY: the turn is still the owner's, who lends it.
            let turn = unsafe { &mut *turn };
            // What an earlier wait left is `None`: `take_out` takes the waker.
            *turn = Turn {
                missing,
                waker: Some(waker),
            };
        });
        // SAFETY: the caller says that it stays where it is.
        unsafe { self.waiters.push_back(NonNull::from(waiter)) };
        waiter.set_stage(Stage::Queued);
    }

    /// Gives `permits` to the first in the queue and, when it has all, to the next, until one of the
    /// three is used up: permits, waiters, room in `wakers`.
    pub(super) fn hand_out(&mut self, permits: &mut usize, wakers: &mut WakeBatch) {
        while *permits > 0 && !wakers.is_full() {
            let Some(first) = self.waiters.first() else {
                return;
            };
            // SAFETY: who is in the queue stays alive (contract of `push_back`).
            let first = unsafe { first.as_ref() };
            let complete = first.turn.with_mut(|turn| {
                // SAFETY: queued, so the turn is the lock's, which the caller holds (rule 1).
                let turn = unsafe { &mut *turn };
                let given = turn.missing.min(*permits);
                turn.missing -= given;
                *permits -= given;
                turn.missing == 0
            });
            if complete {
                // SAFETY: `first` is in this queue.
                let waker = unsafe { self.take_out(first) };
                first.set_stage(Stage::Granted);
                wakers.push(waker);
            }
        }
    }

    /// Sends the waiters away, as many as there is room in `wakers`.
    pub(super) fn close(&mut self, wakers: &mut WakeBatch) {
        while !wakers.is_full() {
            let Some(first) = self.waiters.first() else {
                return;
            };
            // SAFETY: who is in the queue stays alive (contract of `push_back`).
            let first = unsafe { first.as_ref() };
            // SAFETY: `first` is in this queue.
            let waker = unsafe { self.take_out(first) };
            first.set_stage(Stage::Closed);
            wakers.push(waker);
        }
    }

    /// The owner gives up. Its waker comes back, to be dropped outside the lock.
    ///
    /// # Safety
    ///
    /// `waiter` is in this queue.
    pub(super) unsafe fn remove(&mut self, waiter: &Waiter) -> Waker {
        // SAFETY: the caller says so.
        let waker = unsafe { self.take_out(waiter) };
        waiter.set_stage(Stage::Idle);
        waker
    }

    /// Whether `waiter` would call `waker`.
    ///
    /// # Safety
    ///
    /// `waiter` is in this queue.
    pub(super) unsafe fn will_wake(&self, waiter: &Waiter, waker: &Waker) -> bool {
        // SAFETY: queued, so the turn is the lock's, which the caller holds (rule 1).
        waiter.turn.with(|turn| unsafe {
            (*turn)
                .waker
                .as_ref()
                .is_some_and(|own| own.will_wake(waker))
        })
    }

    /// Gives `waiter` another waker. The old one comes back, to be dropped outside the lock.
    ///
    /// # Safety
    ///
    /// `waiter` is in this queue.
    pub(super) unsafe fn replace_waker(&mut self, waiter: &Waiter, waker: Waker) -> Option<Waker> {
        // SAFETY: queued, so the turn is the lock's, which the caller holds (rule 1).
        waiter
            .turn
            .with_mut(|turn| unsafe { (*turn).waker.replace(waker) })
    }

    /// Unlinks `waiter`. Its stage is still `Queued`: the caller sets it, as its last touch.
    ///
    /// # Safety
    ///
    /// `waiter` is in this queue.
    unsafe fn take_out(&mut self, waiter: &Waiter) -> Waker {
        // SAFETY: the caller says so.
        let was_in_queue = unsafe { self.waiters.remove(NonNull::from(waiter)) };
        assert!(was_in_queue, "who is queued stands in the queue");
        // SAFETY: queued until the caller says otherwise, so the turn is the lock's (rule 1).
        let waker = waiter.turn.with_mut(|turn| unsafe { (*turn).waker.take() });
        waker.expect("who is in the queue has a waker")
    }
}
