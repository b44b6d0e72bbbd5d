//! The yield under the name by which a program has called it, so that its dumps show that. All else
//! in a dump has Yamanote's names.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::ready;

/// Lets the other tasks run, as `yamanote::task::yield_now`.
pub async fn yield_now() {
    let mut yielding = pin!(yamanote::task::yield_now());
    poll_fn(|cx| {
        ready!(yamanote::task::trace_yield(cx));
        yielding.as_mut().poll(cx)
    })
    .await
}
