//! Which worker the calling thread is.
#![forbid(unsafe_code)]

use super::scheduler;

/// The number of the worker that runs the calling code, from zero, below
/// [`num_workers`](super::RuntimeMetrics::num_workers).
///
/// `None` on threads that are no workers: outside a runtime, in blocking jobs and in
/// [`block_in_place`](crate::task::block_in_place), and in the future given to `block_on` of a
/// multi-thread runtime. Of the threads in `block_on` of a current-thread runtime, the one that
/// runs the tasks is worker 0.
///
/// A task may find itself on another worker after each `.await`.
///
/// # Examples
///
/// ```
/// use yamanote::runtime::{self, Builder};
///
/// let rt = Builder::new_multi_thread().worker_threads(2).build().unwrap();
/// let index = rt.block_on(rt.spawn(async { runtime::worker_index() })).unwrap();
/// assert!(index.unwrap() < 2);
/// assert_eq!(runtime::worker_index(), None);
/// ```
pub fn worker_index() -> Option<usize> {
    crate::util::entered::is_entered()
        .then(scheduler::worker_index)
        .flatten()
}
