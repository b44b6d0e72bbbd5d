//! The numbers of a runtime at one moment, as plain values.
#![forbid(unsafe_code)]

use std::thread::ThreadId;
use std::time::Duration;

use crate::runtime::punts::PoolJobs;
use crate::runtime::scheduler::poll_timer::PollTimes;
use crate::util::nanos::as_ns;

/// What a runtime has done and has before it; from
/// [`RuntimeMetrics::insight`](crate::runtime::RuntimeMetrics::insight).
///
/// Counts begin with the runtime and never decrease; gauges say how much of something there is. The
/// parts are read one after the other while the runtime goes on, so two numbers need not belong to
/// the same moment. What a worker counts is brought up to date when it parks and about once every
/// [`event_interval`](crate::runtime::Builder::event_interval) polls.
///
/// # Examples
///
/// ```
/// use yamanote::runtime::Builder;
///
/// let rt = Builder::new_current_thread().build().unwrap();
/// rt.block_on(async { yamanote::spawn(async {}).await.unwrap() });
/// let snapshot = rt.metrics().insight();
/// assert_eq!((snapshot.tasks.spawned, snapshot.tasks.alive), (1, 0));
/// assert_eq!(snapshot.workers[0].polls, 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Spawned tasks, and those that wait for any worker.
    pub tasks: Tasks,
    /// The workers, by number.
    pub workers: Vec<Worker>,
    /// Which polls are timed, for [`Worker::poll_times`].
    pub timed_polls: PollTimes,
    /// The threads for work that blocks.
    pub blocking: Blocking,
    /// The descriptors that wait for readiness.
    pub io: Io,
    /// The timers.
    pub timers: Timers,
    /// The io_uring rings, all together. Zeros on epoll.
    pub ring: Ring,
    /// Files and copies.
    pub files: Files,
}

/// Spawned tasks; a part of a [`Snapshot`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tasks {
    /// Gauge: tasks that were spawned and have not ended.
    pub alive: usize,
    /// Count: tasks that were spawned.
    pub spawned: u64,
    /// Gauge: runnable tasks that no worker has taken yet, because they were spawned or woken
    /// outside of the workers.
    pub injected: usize,
    /// Count: how often a task was spawned or woken outside of the workers.
    pub remote_schedules: u64,
    /// Count: polls that used up their cooperative budget, of tasks and of futures in `block_on`.
    pub forced_yields: u64,
}

/// One worker; a part of a [`Snapshot`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Worker {
    /// Gauge: runnable tasks in its line. One that was woken last and runs next is not among them.
    pub queued: usize,
    /// The thread that is the worker, or was last. `None` if there was none yet.
    pub thread: Option<ThreadId>,
    /// Whether it sleeps for lack of runnable tasks.
    pub is_parked: bool,
    /// Count: for how long it was awake.
    pub busy: Duration,
    /// Count: polls of tasks.
    pub polls: u64,
    /// How long a poll takes, with what the worker does between two: a mean in which the last
    /// hundreds of polls count most. `None` on a current-thread runtime, and before it is known.
    pub mean_poll: Option<Duration>,
    /// How long polls of tasks took, those that were timed: see
    /// [`Builder::poll_times`](crate::runtime::Builder::poll_times).
    pub poll_times: Histogram,
    /// Count: how often a task was spawned or woken on the worker's thread, and queued there.
    pub local_schedules: u64,
    /// Count: how often it was parked.
    pub parks: u64,
    /// Count: how often it has stopped being parked.
    pub unparks: u64,
    /// Count: how often it went to sleep without having polled a task since the last time.
    pub noop_parks: u64,
    /// Count: tasks that it has taken from other workers.
    pub steals: u64,
    /// Count: how often it has taken some from another worker.
    pub steal_operations: u64,
    /// Count: how often its line has become longer than the part of it that needs no lock, 256
    /// tasks. Zero on a current-thread runtime.
    pub overflows: u64,
}

/// Durations, counted in buckets that follow each other without a gap.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Histogram {
    /// Shortest durations first. Empty if none are measured.
    pub buckets: Vec<Bucket>,
    /// All measured durations together.
    pub sum: Duration,
}

impl Histogram {
    /// How many durations were measured.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.count).sum()
    }

    /// The mean; `None` if nothing was measured.
    pub fn mean(&self) -> Option<Duration> {
        let sum = as_ns(self.sum);
        sum.checked_div(self.count()).map(Duration::from_nanos)
    }

    /// A duration that this `share` of the durations do not exceed, between 0 and 1: the end of the
    /// bucket in which the last of them is. `None` if nothing was measured, or if that bucket has
    /// no end.
    ///
    /// # Examples
    ///
    /// ```
    /// # let rt = yamanote::runtime::Builder::new_current_thread().build().unwrap();
    /// # let worker = &rt.metrics().insight().workers[0];
    /// if let Some(long) = worker.poll_times.quantile(0.99) {
    ///     println!("of a hundred polls, 99 took no longer than {long:?}");
    /// }
    /// ```
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut counted = 0;
        let bucket = self.buckets.iter().find(|bucket| {
            counted += bucket.count;
            counted >= wanted
        })?;
        Some(bucket.end).filter(|end| *end != Bucket::NO_END)
    }
}

/// A bucket of a [`Histogram`]: it counts durations from where the one before it ends up to its
/// end, without that.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Bucket {
    /// Where the bucket ends. [`NO_END`](Self::NO_END) for the last.
    pub end: Duration,
    /// How many durations were counted here.
    pub count: u64,
}

impl Bucket {
    /// The end of a bucket that has none.
    pub const NO_END: Duration = Duration::from_nanos(u64::MAX);
}

/// The pool of threads for [`spawn_blocking`](crate::task::spawn_blocking) and files; a part of a
/// [`Snapshot`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Blocking {
    /// Gauge: its threads. Those that run a worker are not among them.
    pub threads: usize,
    /// Gauge: its threads that wait for a job.
    pub idle: usize,
    /// Gauge: jobs that wait for a thread.
    pub queued: usize,
}

/// Descriptors that wait for readiness: sockets, pipes, children; a part of a [`Snapshot`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Io {
    /// Gauge: descriptors in the readiness set.
    pub watched: usize,
    /// Count: descriptors that were put into it.
    pub registered: u64,
    /// Count: events that told a descriptor's owner something.
    pub events: u64,
    /// Count: system calls that asked the set for events, or waited for some.
    pub drains: u64,
}

/// Timers; a part of a [`Snapshot`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Timers {
    /// Gauge: timers that wait. A sleep that was never polled is none yet.
    pub waiting: usize,
    /// Count: timers that have fired.
    pub fired: u64,
}

/// The io_uring rings of a runtime, all together; a part of a [`Snapshot`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Ring {
    /// Count: operations that were handed to a ring.
    pub submitted: u64,
    /// Count: system calls that entered a ring, to submit, to reap or to sleep. So there were
    /// `submitted / enters` operations to a call.
    pub enters: u64,
    /// Gauge: operations in the kernel's hands.
    pub in_flight: usize,
    /// Count: operations whose future was dropped before they were over.
    pub orphaned: u64,
    /// Count: of these, how many the kernel was asked to cancel.
    pub cancelled: u64,
    /// Count: operations that outlived the runtime, whose buffers are never freed.
    pub leaked: usize,
}

/// Files and copies; a part of a [`Snapshot`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Files {
    /// Count: jobs that files have given to the blocking pool, because they could be done neither
    /// inline nor by a ring.
    pub pool_jobs: u64,
    /// The same by mount, operation and reason, of those that a thread has begun.
    pub pool_jobs_by: Vec<PoolJobs>,
    /// Count: file calls done inline that made their thread wait.
    pub inline_stalls: u64,
    /// Count: bytes that copies have moved from end to end within the kernel.
    pub kernel_copied_bytes: u64,
}
