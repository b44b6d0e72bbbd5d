//! Waiting for permits.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use crate::loom::sync::atomic::Ordering;
use crate::util::coop;
use crate::util::trace::trace_leaf;

use super::error::{AcquireError, TryAcquireError};
use super::queue::{Stage, Waiter};
use super::{CLOSED, SHIFT, SemaphoreCore, WAITING};

/// See [`SemaphoreCore::acquire`]. After its end it can be polled again and acquires anew.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Acquire<'a> {
    core: &'a SemaphoreCore,
    needed: usize,
    waiter: Waiter,
}

impl<'a> Acquire<'a> {
    pub(super) fn new(core: &'a SemaphoreCore, needed: usize) -> Self {
        Acquire {
            core,
            needed,
            waiter: Waiter::new(),
        }
    }

    /// Permits this future has. The stage is not `Queued`.
    fn held(&self) -> usize {
        match self.waiter.stage() {
            Stage::Idle => 0,
            Stage::Granted => self.needed,
            // SAFETY: the owner asks, and the waiter is out of the queue.
            Stage::Closed => self.needed - unsafe { self.waiter.missing() },
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
                return Stage::Closed;
            }
            if word == WAITING {
                // Nothing is free, and who waits keeps it so (rule 1), as does the lock.
                // SAFETY: as below.
                unsafe { queue.push_back(&self.waiter, needed, waker) };
                return Stage::Queued;
            }
            let free = word >> SHIFT;
            let next = match free.checked_sub(needed) {
                Some(left) => word & WAITING | left << SHIFT,
                None => WAITING,
            };
            // Pairs with the Release in `add_permits`.
            match core
                .word
                .compare_exchange(word, next, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) if free >= needed => return Stage::Granted,
                Ok(_) => {
                    // SAFETY: this is the owner's poll and the stage was `Idle`. The future is pinned
                    // and its drop takes the waiter out of the queue.
                    unsafe { queue.push_back(&self.waiter, needed - free, waker) };
                    return Stage::Queued;
                }
                Err(actual) => word = actual,
            }
        }
    }

    /// A later poll: if it is still in line, `waker` is the one to be called.
    #[cold]
    fn stay_queued(&self, waker: &Waker) -> Stage {
        {
            let queue = self.core.lock_queue();
            let stage = self.waiter.stage();
            // SAFETY: queued is queued in the core's own queue, whose lock is held.
            if stage != Stage::Queued || unsafe { queue.will_wake(&self.waiter, waker) } {
                return stage;
            }
        }
        let waker = waker.clone();
        let mut queue = self.core.lock_queue();
        let stage = self.waiter.stage();
        if stage == Stage::Queued {
            // SAFETY: as above.
            let old = unsafe { queue.replace_waker(&self.waiter, waker) };
            drop(queue);
            drop(old);
        } else {
            drop(queue); // before the waker
        }
        stage
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
        self.needed - unsafe { self.waiter.missing() }
    }
}

impl Future for Acquire<'_> {
    type Output = Result<(), AcquireError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(trace_leaf(cx));
        let this = self.into_ref().get_ref();
        let stage = match this.waiter.stage() {
            Stage::Idle => match this.core.try_acquire(this.needed) {
                Ok(()) => Stage::Granted,
                Err(TryAcquireError::Closed) => Stage::Closed,
                Err(TryAcquireError::NoPermits) => this.enqueue(cx.waker().clone()),
            },
            Stage::Queued => this.stay_queued(cx.waker()),
            // Closing goes before permits that came and were not looked at.
            Stage::Granted if this.core.is_closed() => Stage::Closed,
            came @ (Stage::Granted | Stage::Closed) => came,
        };
        match stage {
            Stage::Queued => return Poll::Pending,
            Stage::Granted => this.waiter.set_stage(Stage::Granted),
            Stage::Closed | Stage::Idle => {
                let held = this.held();
                this.waiter.set_stage(Stage::Idle);
                this.core.add_permits(held);
                return Poll::Ready(Err(AcquireError::closed()));
            }
        }
        // The budget comes last: a task that spent it keeps its place in line, and here its permits.
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
            Stage::Granted | Stage::Closed => self.held(),
        };
        self.core.add_permits(held);
    }
}
