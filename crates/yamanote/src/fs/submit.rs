//! One operation of the driver, done by the ring or by the blocking pool.
//!
//! The ring gets what the kernel does without a thread of its own: direct reads and writes, told to
//! wait for the device only, and reads into the page cache on some file systems. The kernel's own
//! threads are few, count as ours where the number of threads is limited, and are shared by
//! everything that the process does on any disk. Only the worker that polls an operation submits
//! it, because another worker might not get to it for a long time. All else goes to the pool, and
//! so does what the ring gives back undone.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use super::pool::background_task_failed;
use super::strategy::ByRing;
use crate::runtime::Handle;
use crate::runtime::driver::Op;
use crate::runtime::driver::op::{CqeResult, Operation};
use crate::util::poison::unpoisoned;

/// Whether this thread can give operations to a ring.
pub(super) fn has_ring(runtime: &Handle) -> bool {
    runtime.driver_handle().ring_ready()
}

/// Runs `operation` on the ring, if [`has_ring`] still holds when it is polled. What comes back
/// [undone](ByRing::is_undone) has to go [to the pool](to_pool).
///
/// With `timed` it is handed over at once, instead of at the worker's next turn, and that is timed.
pub(super) async fn to_ring<T: Operation>(
    runtime: &Handle,
    operation: T,
    mut timed: Option<&ByRing<'_>>,
) -> T::Output {
    let driver = runtime.driver_handle();
    let mut op = Op::new(driver.clone(), operation);
    poll_fn(|cx| {
        let answer = Pin::new(&mut op).poll(cx);
        if op.is_started() {
            if let Some(by_ring) = timed.take() {
                // `None`: another thread was held up meanwhile. This one goes with the next turn.
                let _ = (by_ring.hand_over)(by_ring.mount, &|| driver.submit_own());
            }
        }
        answer
    })
    .await
}

/// Runs `first` and then the plain system call of `operation` on the blocking pool, even if the
/// runtime shuts down while it waits for a thread. If the pool takes no more jobs, the operation
/// fails and what it carries comes back.
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
        let mut cell = unpoisoned(cell.lock());
        cell.take()
    };
    let for_job = cell.clone();
    let job = runtime.spawner_for_files().spawn_mandatory(move || {
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
