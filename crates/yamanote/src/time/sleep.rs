//! Waiting for a time: `sleep`, `sleep_until` and the future they return.
#![forbid(unsafe_code)]

use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Instant;
use super::timer::Timer;
use crate::util::coop;
use crate::util::spans::{
    self, AsyncOp, Resource, begin_async_op, child_async_op, poll_op, resource, state_update,
};

/// Waits until `deadline`.
///
/// Completes at once if the deadline has passed. Dropping the future cancels it; nothing else needs
/// cleaning up. There is no minimum resolution: see the [module](super) on how late it may be.
///
/// # Panics
///
/// If there is no current runtime, or its timers are not enabled
/// ([`Builder::enable_time`](crate::runtime::Builder::enable_time)); when called, not when polled.
///
/// # Cancel safety
///
/// Cancel safe: a sleep that is dropped and made anew with the same deadline ends at the same time.
///
/// # Examples
///
/// ```
/// use yamanote::time::{Duration, Instant, sleep_until};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// sleep_until(Instant::now() + Duration::from_millis(1)).await;
/// # }
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(deadline)
}

/// Waits until `duration` has passed.
///
/// As [`sleep_until`] with a deadline that far from now. Durations of more than 30 years wait for
/// 30 years.
///
/// # Cancel safety
///
/// Dropping the future ends the wait and does nothing else.
///
/// # Panics
///
/// If there is no current runtime, or its timers are not enabled
/// ([`Builder::enable_time`](crate::runtime::Builder::enable_time)); when called, not when polled.
///
/// # Examples
///
/// ```
/// use yamanote::time::{Duration, sleep};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// sleep(Duration::from_millis(1)).await;
/// # }
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(Instant::after(duration))
}

pin_project! {
    /// The future of [`sleep`] and [`sleep_until`].
    ///
    /// Making one is cheap: it is registered with the runtime when it is first polled.
    ///
    /// It is not [`Unpin`]. To use it in more than one round of [`select!`](crate::select), or to
    /// [`reset`](Self::reset) it, pin it on the stack with [`pin!`](crate::pin) or put it into
    /// [`Box::pin`].
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::time::{Duration, Instant, sleep};
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let sleep = sleep(Duration::from_secs(10));
    /// yamanote::pin!(sleep);
    /// sleep.as_mut().reset(Instant::now() + Duration::from_millis(1));
    /// sleep.as_mut().await;
    /// assert!(sleep.is_elapsed());
    /// # }
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Sleep {
        timer: Timer,
        op: AsyncOp,
        resource: Resource,
        // Today it may be moved; callers pin it so that this can change.
        #[pin]
        _pinned: PhantomPinned,
    }
}

impl Sleep {
    #[track_caller]
    pub(super) fn new(deadline: Instant) -> Sleep {
        let timer = Timer::new(deadline);
        let resource = resource!(
            "tokio::time::sleep",
            Location::caller(),
            concrete_type = "Sleep",
            kind = "timer",
        );
        let op = child_async_op!("tokio::time::sleep", resource, "Sleep::new_timeout");
        Sleep {
            timer,
            op,
            resource,
            _pinned: PhantomPinned,
        }
    }

    /// When it completes.
    pub fn deadline(&self) -> Instant {
        self.timer.deadline()
    }

    /// Whether the deadline was reached while it was waited for. False until the first poll.
    pub fn is_elapsed(&self) -> bool {
        self.timer.is_elapsed()
    }

    /// Moves the deadline, whether it has completed or not.
    ///
    /// The task that polled it last is woken at the new deadline without polling it again, unless
    /// it had completed: then it waits again once it is polled.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        this.timer.reset(deadline);
        if spans::is_on() {
            *this.op = begin_async_op!(
                "tokio::time::sleep",
                this.resource,
                "Sleep::reset",
                tell_duration(deadline),
            );
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let _entered = this.op.enter(this.resource);
        if !spans::is_on() {
            return Pin::new(this.timer).poll(cx);
        }
        let has_budget = coop::has_budget_remaining();
        poll_op("poll_elapsed", has_budget);
        if this.timer.is_idle() {
            tell_duration(this.timer.deadline());
        }
        let polled = Pin::new(this.timer).poll(cx);
        if has_budget {
            poll_op("poll_elapsed", polled.is_ready());
        }
        polled
    }
}

#[cold]
fn tell_duration(deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now());
    let milliseconds = left.as_nanos().div_ceil(1_000_000) as u64;
    state_update!(
        Resource::NONE,
        duration = milliseconds,
        duration.unit = "ms",
        duration.op = "override",
    );
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline())
            .field("is_elapsed", &self.is_elapsed())
            .finish()
    }
}
