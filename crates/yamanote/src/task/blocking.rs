//! Work that blocks its thread, kept away from the threads that run tasks.
#![forbid(unsafe_code)]

use super::JoinHandle;
use crate::runtime::{Handle, context};

/// Runs `f` on a thread where blocking is acceptable.
///
/// The runtime keeps a pool of such threads and starts more when all are busy, up to
/// [`max_blocking_threads`](crate::runtime::Builder::max_blocking_threads) (512 unless set); jobs
/// beyond that wait. For work that keeps a processor busy, bound how many run at once yourself, or
/// use a pool made for it.
///
/// A job that has started cannot be aborted: [`abort`](JoinHandle::abort) only keeps one from
/// starting. Dropping the runtime waits for jobs that have started; use
/// [`shutdown_timeout`](crate::runtime::Runtime::shutdown_timeout) to wait no longer than so.
///
/// # Panics
///
/// Outside a runtime's context, or if the system refuses a thread and the pool has none. A panic
/// in `f` is returned through the handle.
///
/// # Examples
///
/// ```
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let digest = yamanote::task::spawn_blocking(|| {
///     (0..1_000_000u64).fold(7, |hash: u64, n| hash.wrapping_mul(31) ^ n)
/// });
/// assert_ne!(digest.await.unwrap(), 0);
/// # }
/// ```
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    Handle::current().spawn_blocking(f)
}

/// Runs blocking `f` here, after the other tasks of this thread have been handed to another one.
///
/// For multi-thread runtimes. Unlike [`spawn_blocking`], `f` may borrow, and it runs in the same
/// task: whatever else that task does, such as the other branches of a
/// [`join!`](crate::join), waits for it. Inside `f` it is allowed to block, and so to call
/// [`Handle::block_on`]. On a thread that runs no tasks, `f` is just called.
///
/// `f` cannot be cancelled; a runtime that shuts down waits for it.
///
/// # Panics
///
/// On a thread that runs a current-thread runtime, whose tasks cannot move.
///
/// # Examples
///
/// ```
/// use yamanote::{runtime::Handle, task};
///
/// # #[yamanote::main]
/// # async fn main() {
/// let words = String::from("so many");
/// let count = task::block_in_place(|| {
///     let length = words.len();
///     Handle::current().block_on(async { length + 1 })
/// });
/// assert_eq!(count, 8);
/// # }
/// ```
#[track_caller]
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    context::block_in_place(f)
}
