//! Polling without a budget.
#![forbid(unsafe_code)]

use crate::util::coop;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The future made by [`unconstrained`].
    #[must_use = "Unconstrained does nothing unless polled"]
    pub struct Unconstrained<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let future = self.project().future;
        coop::with_unconstrained(|| future.poll(cx))
    }
}

/// Polls `future` without a budget: it is never made to yield.
///
/// A future that is always ready then keeps its worker to itself.
///
/// # Cancel safety
///
/// That of `future`.
///
/// # Examples
///
/// ```
/// use yamanote::task::coop::unconstrained;
///
/// async fn compute(step: impl AsyncFn() -> bool) {
///     unconstrained(async { while step().await {} }).await;
/// }
/// ```
pub fn unconstrained<F>(future: F) -> Unconstrained<F> {
    Unconstrained { future }
}
