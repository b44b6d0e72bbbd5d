//! What a runtime does, for whoever operates it. Always there, on a stable compiler, without a
//! flag.
//!
//! [`RuntimeMetrics::insight`](crate::runtime::RuntimeMetrics::insight) takes a [`Snapshot`];
//! [`Builder::on_stall`](crate::runtime::Builder::on_stall) is told of each [`Stall`]; [`dump`]
//! lists all tasks.
#![forbid(unsafe_code)]

pub use crate::runtime::punts::{FileOperation, PoolJobs, PoolReason};
pub use crate::runtime::scheduler::poll_timer::PollTimes;
pub use crate::runtime::snapshot::{
    Blocking, Bucket, Files, Histogram, Io, Ring, Snapshot, Tasks, Timers, Worker,
};
pub use crate::runtime::stall::{Activity, Call, Stack};
pub use crate::runtime::stalls::Stall;

use crate::runtime::Handle;
use std::time::Duration;

pub use crate::runtime::inventory::{Detail, Dump, LocalSetDump, TaskDump, TaskState, WorkerDump};

/// What the current runtime's workers and tasks do, and what the tasks wait for.
///
/// A task that waits is polled once to find out: the futures of this crate that it reaches say so
/// and do nothing. Then it is polled once more, as after any wake-up that came for nothing. A
/// worker that is stuck in a poll is named with what its thread does, not waited for.
///
/// The tasks of each [`LocalSet`](crate::task::LocalSet) that is polled in the runtime are there
/// too: the set is asked, and looks at them in its next poll. A set that does not answer within a
/// tenth of a second, because nobody polls it or because it is stuck, is named.
///
/// # Panics
///
/// Outside of a runtime's context.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use yamanote::insight::{self, TaskState};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let sleeper = yamanote::spawn(yamanote::time::sleep(Duration::from_secs(60)));
/// yamanote::task::yield_now().await;
/// let dump = insight::dump().await;
/// let tasks = dump.tasks().unwrap();
/// let task = tasks.iter().find(|task| task.id() == sleeper.id()).unwrap();
/// assert_eq!(task.state(), TaskState::Waiting);
/// assert!(task.waits_for().all(|module| module.starts_with("time")));
/// println!("{dump}");
/// # }
/// ```
pub async fn dump() -> Dump {
    Handle::current().dump_at_leisure(Detail::Leaves).await
}

/// As [`dump`], for any runtime, and from any thread, which is blocked meanwhile: for `limit` at
/// most.
///
/// Of a current-thread runtime whose thread does not come to it within `limit`, because it is stuck
/// or nobody is in `block_on`, the tasks are not [known](Dump::tasks). Of a multi-thread runtime
/// all of whose workers are stuck it is not known what the tasks wait for.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use yamanote::insight::{self, Detail};
/// use yamanote::runtime::Runtime;
///
/// let rt = Runtime::new().unwrap();
/// let _task = rt.spawn(std::future::pending::<()>());
/// let dump = insight::dump_of(rt.handle(), Detail::Stacks, Duration::from_secs(1));
/// assert_eq!(dump.tasks().unwrap().len(), 1);
/// ```
pub fn dump_of(handle: &Handle, detail: Detail, limit: Duration) -> Dump {
    handle.dump_within(detail, limit)
}
