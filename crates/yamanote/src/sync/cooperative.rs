//! A future made of others as one leaf: a unit of the task's budget for the whole.
#![forbid(unsafe_code)]

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::util::coop;

pin_project! {
    /// A type rather than an async function: that would keep room for `future` twice, and copy it
    /// from one to the other at its first poll.
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Cooperative<F> {
        #[pin]
        future: F,
    }
}

/// Awaits `future`; when it is ready it has spent one unit.
pub(super) fn cooperative<F: Future>(future: F) -> Cooperative<F> {
    Cooperative { future }
}

impl<F: Future> Future for Cooperative<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        let output = ready!(self.project().future.poll(cx));
        unit.made_progress();
        Poll::Ready(output)
    }
}
