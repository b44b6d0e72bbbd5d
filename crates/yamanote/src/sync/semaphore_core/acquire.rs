//! Waiting for permits.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use crate::loom::sync::atomic::Ordering;
use crate::sync::waiter_list::{Stage, Waiter};
use crate::util::coop;
use crate::util::trace::trace_leaf;

use super::error::{AcquireError, TryAcquireError};
use super::{CLOSED, GRANTED, REFUSED, SHIFT, SemaphoreCore, WAITING};

/// See [`SemaphoreCore::acquire`]. After its end it can be polled again and acquires anew.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Acquire<'a> {
    core: &'a SemaphoreCore,
    needed: usize,
    /// Its value is the number of permits that are still to come.
    waiter: Waiter<usize>,
}

impl<'a> Acquire<'a> {
    pub(super) fn new(core: &'a SemaphoreCore, needed: usize) -> Self {
        Acquire {
            core,
            needed,
            waiter: Waiter::new(0),
        }
    }

    /// Permits this future has. The stage is not `Queued`.
    fn held(&self) -> usize {
        match self.waiter.stage() {
            Stage::Idle => 0,
            Stage::Notified(GRANTED) => self.needed,
            // SAFETY: the owner asks, and the waiter is out of the queue.
            Stage::Notified(_) => self.needed - unsafe { self.waiter.value() },
            Stage::Queued => unreachable!("a queued waiter's permits are counted by the queue"),
        }
    }

    /// The first poll, if there were not enough permits: takes what there is and gets in line.
    #[cold]
    fn enqueue(&self, waker: Waker) -> Stage {
        let Acquire { core, needed, .. } = *self;
        let mut queue = core.lock_queue();
        let mut word = core.word.load(Ordering::Acquire);
        loop {
            if word & CLOSED != 0 {
                return Stage::Notified(REFUSED);
            }
            if word == WAITING {
                // Nothing is free, which stays so while somebody waits (rule 1) and by the lock.
                // SAFETY: as below.
                unsafe { queue.push(&self.waiter, Some(waker), needed) };
                return Stage::Queued;
            }
            let free = word >> SHIFT;
            let next = match free.checked_sub(needed) {
                Some(left) => word & WAITING | left << SHIFT,
                None => WAITING,
            };
            // Pairs with the Release in `SemaphoreCore::add_permits`.
            match core
                .word
                .compare_exchange(word, next, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) if free >= needed => return Stage::Notified(GRANTED),
                Ok(_) => {
                    // SAFETY: this is the owner's poll and the stage was `Idle`. The future is
                    // pinned and its drop takes the waiter out of the queue.
                    unsafe { queue.push(&self.waiter, Some(waker), needed - free) };
                    return Stage::Queued;
                }
                Err(actual) => word = actual,
            }
        }
    }

    /// A later poll: if it is still in line, `waker` is the one to be called.
    #[cold]
    fn stay_queued(&self, waker: &Waker) -> Stage {
        // What this holds in the end is dropped after the lock's release.
        let mut clone = None;
        loop {
            let mut queue = self.core.lock_queue();
            let stage = self.waiter.stage();
            if stage != Stage::Queued {
                return stage;
            }
            // SAFETY: queued is queued in the core's own queue, whose lock is held.
            let own = unsafe { queue.waker(&self.waiter) };
            if own.as_ref().is_some_and(|own| own.will_wake(waker)) {
                return stage;
            }
            if clone.is_some() {
                std::mem::swap(own, &mut clone);
                return stage;
            }
            drop(queue);
            clone = Some(waker.clone());
        }
    }

    /// Leaves the line; says how many permits it had already.
    #[cold]
    fn leave_queue(&self) -> usize {
        let mut queue = self.core.lock_queue();
        if self.waiter.stage() != Stage::Queued {
            drop(queue);
            return self.held();
        }
        // SAFETY: queued is queued in the core's own queue, whose lock is held.
        let waker = unsafe { queue.remove(&self.waiter) };
        if queue.is_empty() {
            self.core.end_of_queue(0);
        }
        drop(queue);
        drop(waker);
        // SAFETY: the owner asks, and the waiter is out of the queue.
        self.needed - unsafe { self.waiter.value() }
    }
}

impl Future for Acquire<'_> {
    type Output = Result<(), AcquireError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(trace_leaf(cx));
        let this = self.into_ref().get_ref();
        let stage = match this.waiter.stage() {
            Stage::Idle => match this.core.try_acquire(this.needed) {
                Ok(()) => Stage::Notified(GRANTED),
                Err(TryAcquireError::Closed) => Stage::Notified(REFUSED),
                Err(TryAcquireError::NoPermits) => this.enqueue(cx.waker().clone()),
            },
            Stage::Queued => this.stay_queued(cx.waker()),
            // Closing goes before permits that came and were not looked at.
            Stage::Notified(GRANTED) if this.core.is_closed() => Stage::Notified(REFUSED),
            notified => notified,
        };
        match stage {
            Stage::Queued => return Poll::Pending,
            Stage::Notified(GRANTED) => this.waiter.set_stage(stage),
            Stage::Notified(_) | Stage::Idle => {
                let held = this.held();
                this.waiter.set_stage(Stage::Idle);
                this.core.add_permits(held);
                return Poll::Ready(Err(AcquireError::closed()));
            }
        }
        // The budget comes last: a task that spent it keeps its place in line, and here its
        // permits.
        let unit = ready!(coop::poll_proceed(cx));
        unit.made_progress();
        this.waiter.set_stage(Stage::Idle);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let held = match self.waiter.stage() {
            Stage::Idle => return,
            Stage::Queued => self.leave_queue(),
            Stage::Notified(_) => self.held(),
        };
        self.core.add_permits(held);
    }
}
