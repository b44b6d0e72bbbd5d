//! Letting the other tasks run.
#![forbid(unsafe_code)]

use crate::util::defer;

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
    defer::yield_once().await;
}
