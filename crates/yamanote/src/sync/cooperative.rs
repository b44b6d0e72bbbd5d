//! A future made of others as one leaf: a unit of the task's budget for the whole.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, ready};

use crate::util::coop;
use crate::util::trace::trace_leaf;

/// Awaits `future`; when it is ready it has spent one unit.
pub(super) async fn cooperative<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        ready!(trace_leaf(cx));
        let unit = ready!(coop::poll_proceed(cx));
        let output = ready!(future.as_mut().poll(cx));
        unit.made_progress();
        Poll::Ready(output)
    })
    .await
}
