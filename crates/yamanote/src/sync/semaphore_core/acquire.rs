//! Waiting for permits.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use crate::loom::sync::atomic::Ordering;
use crate::sync::waiter_list::{Stage, Waiter};
use crate::util::coop;
use crate::util::spans::{self, AsyncOp, begin_async_op, op_update, poll_op};
use crate::util::trace::trace_leaf;

use super::error::{AcquireError, TryAcquireError};
use super::{CLOSED, GRANTED, REFUSED, SHIFT, SemaphoreCore, WAITING, Waiting};

/// See [`SemaphoreCore::acquire`]. After its end it can be polled again and acquires anew.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Acquire<'a> {
    core: &'a SemaphoreCore,
    needed: usize,
    waiter: Waiter<Waiting>,
    op: AsyncOp,
}

impl<'a> Acquire<'a> {
    pub(super) fn new(core: &'a SemaphoreCore, needed: usize) -> Self {
        Acquire {
            core,
            needed,
            waiter: Waiter::new(Waiting {
                missing: 0,
                op: AsyncOp::NONE,
            }),
            op: begin_async_op!(
                "tokio::sync::batch_semaphore",
                &core.resource,
                "Acquire::new",
                op_update!(permits_requested = needed, permits.op = "override"),
                op_update!(permits_obtained = 0usize, permits.op = "override"),
            ),
        }
    }

    /// Permits this future has. The stage is not `Queued`.
    fn held(&self) -> usize {
        match self.waiter.stage() {
            Stage::Idle => 0,
            Stage::Notified(GRANTED) => self.needed,
            // SAFETY: the owner asks, and the waiter is out of the queue.
            Stage::Notified(_) => self.needed - unsafe { self.missing() },
            Stage::Queued => unreachable!("a queued waiter's permits are counted by the queue"),
        }
    }

    /// The first poll, if there were not enough permits: takes what there is and gets in line. The
    /// second value says how many were taken.
    #[cold]
    fn enqueue(&self, waker: Waker) -> (Stage, usize) {
        let Acquire { core, needed, .. } = *self;
        let mut queue = core.lock_queue();
        let mut word = core.word.load(Ordering::Acquire);
        loop {
            if word & CLOSED != 0 {
                return (Stage::Notified(REFUSED), 0);
            }
            if word == WAITING {
                // Nothing is free, which stays so while somebody waits (rule 1) and by the lock.
                // SAFETY: as below.
                unsafe { queue.push(&self.waiter, Some(waker), self.waiting(needed)) };
                return (Stage::Queued, 0);
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
                Ok(_) if free >= needed => return (Stage::Notified(GRANTED), needed),
                Ok(_) => {
                    // SAFETY: this is the owner's poll and the stage was `Idle`. The future is
                    // pinned and its drop takes the waiter out of the queue.
                    unsafe { queue.push(&self.waiter, Some(waker), self.waiting(needed - free)) };
                    return (Stage::Queued, free);
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
        self.needed - unsafe { self.missing() }
    }

    /// # Safety
    ///
    /// The caller is the owner, and the waiter is out of the queue.
    unsafe fn missing(&self) -> usize {
        // SAFETY: the entry is the owner's then.
        unsafe { self.waiter.with_value(|waiting| waiting.missing) }
    }

    fn waiting(&self, missing: usize) -> Waiting {
        Waiting {
            missing,
            op: self.op.clone(),
        }
    }

    /// Tells what the first poll has taken.
    #[cold]
    fn tell_taken(&self, permits: usize) {
        self.core.tell_permits(permits, "sub");
        op_update!(permits_obtained = permits, permits.op = "add");
    }
}

impl Future for Acquire<'_> {
    type Output = Result<(), AcquireError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(trace_leaf(cx));
        let this = self.into_ref().get_ref();
        let _entered = this.op.enter(&this.core.resource);
        let earlier = this.waiter.stage();
        let (stage, taken) = match earlier {
            Stage::Idle => match this.core.try_acquire(this.needed) {
                Ok(()) => (Stage::Notified(GRANTED), this.needed),
                Err(TryAcquireError::Closed) => (Stage::Notified(REFUSED), 0),
                Err(TryAcquireError::NoPermits) => this.enqueue(cx.waker().clone()),
            },
            Stage::Queued => (this.stay_queued(cx.waker()), 0),
            // Closing goes before permits that came and were not looked at.
            Stage::Notified(GRANTED) if this.core.is_closed() => (Stage::Notified(REFUSED), 0),
            notified => (notified, 0),
        };
        if stage == Stage::Notified(GRANTED) {
            this.waiter.set_stage(stage);
        }
        // What was taken is this future's by now, if the subscriber should panic.
        if spans::is_on() && earlier == Stage::Idle && stage != Stage::Notified(REFUSED) {
            this.tell_taken(taken);
        }
        match stage {
            Stage::Queued => {
                poll_op("poll_acquire", false);
                return Poll::Pending;
            }
            Stage::Notified(GRANTED) => {}
            Stage::Notified(_) | Stage::Idle => {
                let held = this.held();
                this.waiter.set_stage(Stage::Idle);
                this.core.add_permits(held);
                return Poll::Ready(Err(AcquireError::closed()));
            }
        }
        // The budget comes last: a task that spent it keeps its place in line, and here its
        // permits.
        let proceeds = coop::poll_proceed(cx);
        poll_op("poll_acquire", proceeds.is_ready());
        ready!(proceeds).made_progress();
        poll_op("poll_acquire", true);
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
