//! Letting the other tasks run.
#![forbid(unsafe_code)]

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::unstable::TASK_DUMPS;
use crate::util::defer::{self, YieldOnce};
use crate::util::trace;

/// Lets the other tasks run.
///
/// Tasks of the same worker that are runnable when this is called run before the caller does again.
/// On a current-thread runtime these include the tasks that they spawn and wake, up to
/// [`event_interval`](crate::runtime::Builder::event_interval) polls in all; of several tasks that
/// have yielded, the last one goes on first. If only this task runs, a multi-thread runtime looks
/// at sockets, completions and timers at every 8th yield. A current-thread runtime looks at timers
/// and completions, and if it has sockets at these, at every yield.
///
/// A combinator that polls several futures in one task may swallow the yield: if another branch of
/// a `select!` is ready in the same poll, the task does not go back to the scheduler.
///
/// # Cancel safety
///
/// Cancel safe.
///
/// # Examples
///
/// ```
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// yamanote::spawn(async { println!("first") });
/// yamanote::task::yield_now().await;
/// println!("second, on a current_thread runtime");
/// # }
/// ```
pub async fn yield_now() {
    YieldNow(defer::yield_once()).await;
}

struct YieldNow(YieldOnce);

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if TASK_DUMPS {
            ready!(trace_yield(cx));
        }
        Pin::new(&mut self.0).poll(cx)
    }
}

/// `Pending` while the task is only being looked at. For whoever gives [`yield_now`] another name:
/// a dump then begins with that. Not inlined, so that it is on the stack.
#[inline(never)]
pub fn trace_yield(cx: &mut Context<'_>) -> Poll<()> {
    trace::trace_leaf_in(cx, Location::caller(), trace_yield as *const ())
}
