//! Letting the other tasks run.
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Lets the other tasks run: the calling task goes to the back of the run queue.
///
/// Tasks that are runnable when this is called run before the caller does again, on the worker that
/// polls it. Readiness of sockets, completions and timers are looked at from time to time, not at
/// every yield: if nothing but this task runs, at every 8th.
///
/// A combinator that polls several futures in one task may swallow the yield: if another branch of a
/// `select!` is ready in the same poll, the task does not go back to the scheduler.
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
    YieldNow { yielded: false }.await;
}

struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        // Waking a task during its own poll is what yielding is: the runner puts it behind the others
        // when the poll is over (`Schedule::yield_now`).
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
