//! A limit on the time another future may take.
#![forbid(unsafe_code)]

use pin_project_lite::pin_project;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::error::Elapsed;
use super::{Instant, Sleep};
use crate::util::coop;

/// Gives `future` until `duration` has passed.
///
/// Resolves to the future's output, or to [`Elapsed`] at the limit; the future is dropped with the
/// `Timeout`. If both are ready in the same poll, the output wins, so a future that never yields
/// never times out. To go on with the future after the limit, pass a pinned reference.
///
/// # Cancel safety
///
/// A timeout is as cancel safe as its future, and so is what happens to the future at the limit.
///
/// # Panics
///
/// If there is no current runtime, or its timers are not enabled
/// ([`Builder::enable_time`](crate::runtime::Builder::enable_time)); when called, not when polled.
///
/// # Examples
///
/// ```
/// use yamanote::time::{Duration, sleep, timeout};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(timeout(Duration::from_secs(1), async { 7 }).await, Ok(7));
///
/// let slow = sleep(Duration::from_secs(10));
/// assert!(timeout(Duration::from_millis(1), slow).await.is_err());
/// # }
/// ```
#[track_caller]
pub fn timeout<F>(duration: Duration, future: F) -> Timeout<F::IntoFuture>
where
    F: IntoFuture,
{
    #[allow(clippy::manual_map, reason = "a closure would hide who called")]
    Timeout {
        future: future.into_future(),
        limit: match Instant::now().checked_add(duration) {
            Some(deadline) => Some(Sleep::new(deadline)),
            None => None,
        },
    }
}

/// Gives `future` until `deadline`.
///
/// Otherwise as [`timeout`]. A deadline that has passed still polls the future once.
///
/// # Cancel safety
///
/// Dropping the timeout drops the future in it; what that means is up to the future.
///
/// # Panics
///
/// If there is no current runtime, or its timers are not enabled
/// ([`Builder::enable_time`](crate::runtime::Builder::enable_time)); when called, not when polled.
///
/// # Examples
///
/// ```
/// use yamanote::time::{Duration, Instant, timeout_at};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let deadline = Instant::now() + Duration::from_millis(1);
/// let late = timeout_at(deadline, std::future::pending::<()>()).await;
/// assert_eq!(late.unwrap_err().to_string(), "deadline has elapsed");
/// # }
/// ```
#[track_caller]
pub fn timeout_at<F>(deadline: Instant, future: F) -> Timeout<F::IntoFuture>
where
    F: IntoFuture,
{
    Timeout {
        future: future.into_future(),
        limit: Some(Sleep::new(deadline)),
    }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[derive(Debug)]
    pub struct Timeout<T> {
        #[pin]
        future: T,
        // `None`: the limit is beyond what the clock can show.
        #[pin]
        limit: Option<Sleep>,
    }
}

impl<T> Timeout<T> {
    /// The future inside.
    pub fn get_ref(&self) -> &T {
        &self.future
    }

    /// The future inside, to change it.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.future
    }

    /// The future, without its limit.
    pub fn into_inner(self) -> T {
        self.future
    }
}

impl<T: Future> Future for Timeout<T> {
    type Output = Result<T::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = coop::has_budget_remaining();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        match this.limit.as_pin_mut() {
            Some(limit) => poll_limit(had_budget, limit, cx).map(Err),
            None => Poll::Pending,
        }
    }
}

/// Apart from [`Timeout::poll`] so that it is compiled once for all futures.
fn poll_limit(had_budget: bool, limit: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<Elapsed> {
    let polled = if had_budget && !coop::has_budget_remaining() {
        // The future has spent all of the budget, and might do so every time: the limit is looked
        // at without any.
        coop::with_unconstrained(|| limit.poll(cx))
    } else {
        limit.poll(cx)
    };
    polled.map(|()| Elapsed::new())
}
