//! Budget for futures that know nothing of it.
#![forbid(unsafe_code)]

use super::poll_proceed;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The future made by [`cooperative`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Coop<F: Future> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let unit = ready!(poll_proceed(cx));
        let output = ready!(self.project().future.poll(cx));
        unit.made_progress();
        Poll::Ready(output)
    }
}

/// Lets `future` spend one unit of the task's budget when it is ready, and makes it wait when none
/// is left.
///
/// # Cancel safety
///
/// That of `future`.
///
/// # Examples
///
/// ```
/// use futures::channel::mpsc::UnboundedReceiver;
/// use futures::stream::StreamExt;
/// use yamanote::task::coop::cooperative;
///
/// async fn receive<T>(receiver: &mut UnboundedReceiver<T>) -> Option<T> {
///     cooperative(receiver.next()).await
/// }
/// ```
#[inline]
pub fn cooperative<F: Future>(future: F) -> Coop<F> {
    Coop { future }
}
