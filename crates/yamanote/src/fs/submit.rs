//! One operation of the driver, done by the ring or by the blocking pool.
#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex, PoisonError};

use super::pool::background_task_failed;
use crate::runtime::Handle;
use crate::runtime::driver::op::{CqeResult, Op, Operation};

/// Whether operations can go to a ring here and now.
pub(super) fn has_ring(runtime: &Handle) -> bool {
    runtime.driver_handle().ring_ready()
}

/// Runs `operation` on the ring, which [`has_ring`] said there is.
pub(super) fn to_ring<T: Operation>(runtime: &Handle, operation: T) -> Op<T> {
    Op::new(runtime.driver_handle().clone(), operation)
}

/// Runs `first` and the plain system call of `operation` on the blocking pool, also when a shutdown
/// finds it waiting for a thread. If the pool takes no more jobs, the operation fails, and what it carries
/// comes back.
pub(super) async fn to_pool<T>(
    runtime: &Handle,
    first: impl FnOnce() + Send + 'static,
    operation: T,
) -> T::Output
where
    T: Operation,
    T::Output: Send + 'static,
{
    // Shared with the job, so that a job that never runs loses nothing.
    let cell = Arc::new(Mutex::new(Some(operation)));
    let take = |cell: &Mutex<Option<T>>| {
        let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
        cell.take()
    };
    let for_job = cell.clone();
    let job = runtime.blocking_spawner().spawn_mandatory(move || {
        first();
        let operation = take(&for_job).expect("a job that runs finds its operation");
        operation.run_blocking()
    });
    let done = match job {
        Some(job) => job.await.ok(),
        None => None,
    };
    done.unwrap_or_else(|| {
        take(&cell)
            .expect("an operation that did not run is still there")
            .complete(CqeResult::failed(background_task_failed()))
    })
}
