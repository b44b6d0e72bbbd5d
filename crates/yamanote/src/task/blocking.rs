//! Work that blocks its thread.
#![forbid(unsafe_code)]

use super::JoinHandle;
use crate::runtime::{Handle, context};

/// Runs `f` on a thread where it may block, and returns a handle to wait for it.
///
/// For calls that wait in the kernel and for computations that take long: in a task they would keep
/// its worker from all other tasks. The runtime starts threads as they are needed, up to
/// [`max_blocking_threads`](crate::runtime::Builder::max_blocking_threads); beyond that, jobs
/// queue. The limit is high, for threads that wait; computations should bring their own, lower
/// limit, or their own threads. Work that never ends belongs on a [`std::thread`] of its own.
///
/// A job cannot be cancelled once it runs: [`abort`](JoinHandle::abort) only takes it out of the
/// queue. The shutdown of the runtime waits for the jobs that run and for those in the queue,
/// unless told not to by [`shutdown_timeout`](crate::runtime::Runtime::shutdown_timeout); then they
/// go on without it. A job spawned after the shutdown began is cancelled.
///
/// # Panics
///
/// Outside a runtime's context, and if the system refuses a thread while the runtime has none for
/// blocking work.
///
/// # Examples
///
/// ```
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let sorted = yamanote::task::spawn_blocking(|| {
///     let mut words = vec!["pear", "apple", "plum"];
///     words.sort();
///     words
/// });
/// assert_eq!(sorted.await.unwrap(), ["apple", "pear", "plum"]);
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

/// Runs `f`, which may block, here and now; the worker's other tasks move to another thread first.
///
/// Other futures of the *same* task (in a `join!`, say) wait until `f` is done;
/// [`spawn_blocking`] spares them that. `f` may borrow, may call
/// [`Handle::block_on`], and cannot be cancelled.
///
/// Outside a runtime it just calls `f`.
///
/// # Panics
///
/// In a current-thread runtime, which has no other thread for its tasks.
///
/// # Examples
///
/// ```
/// use yamanote::runtime::Handle;
///
/// # #[yamanote::main]
/// # async fn main() {
/// let answer = yamanote::task::block_in_place(|| {
///     // Blocking code that needs something asynchronous after all.
///     Handle::current().block_on(async { 42 })
/// });
/// assert_eq!(answer, 42);
/// # }
/// ```
#[track_caller]
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    context::block_in_place(f)
}
