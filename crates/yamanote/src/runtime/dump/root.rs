//! A future at which traces end.
#![forbid(unsafe_code)]

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::util::trace::poll_root;

pin_project! {
    /// A future at which the stacks of traces end; see [`Trace::root`](super::Trace::root).
    #[derive(Debug, Clone)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Root<T> {
        #[pin]
        future: T,
    }
}

impl<T> Root<T> {
    pub(super) fn new(future: T) -> Self {
        Root { future }
    }
}

impl<T: Future> Future for Root<T> {
    type Output = T::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        poll_root(self.project().future, cx)
    }
}
