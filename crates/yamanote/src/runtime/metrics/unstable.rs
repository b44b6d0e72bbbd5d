//! What of the metrics is unstable in Tokio, under its names. The same numbers are stable in
//! [`Snapshot`](super::snapshot::Snapshot).
#![forbid(unsafe_code)]

use std::ops::Range;
use std::thread::ThreadId;
use std::time::Duration;

use super::RuntimeMetrics;
use crate::runtime::scheduler::histogram::Histogram;
use crate::runtime::scheduler::poll_timer::PollTimes;

impl RuntimeMetrics {
    /// How many threads the pool for blocking work has; those that run a worker do not count.
    pub fn num_blocking_threads(&self) -> usize {
        self.handle.blocking.counts().threads
    }

    /// How many threads of the pool for blocking work wait for a job.
    pub fn num_idle_blocking_threads(&self) -> usize {
        self.handle.blocking.counts().idle
    }

    /// How many jobs wait for a thread of the pool.
    pub fn blocking_queue_depth(&self) -> usize {
        self.handle.blocking.counts().queued
    }

    /// The old name of [`num_alive_tasks`](Self::num_alive_tasks).
    #[deprecated = "renamed to num_alive_tasks"]
    pub fn active_tasks_count(&self) -> usize {
        self.num_alive_tasks()
    }

    /// The old name of [`global_queue_depth`](Self::global_queue_depth).
    #[deprecated = "renamed to global_queue_depth"]
    pub fn injection_queue_depth(&self) -> usize {
        self.global_queue_depth()
    }

    /// How many tasks were spawned since the runtime was built.
    pub fn spawned_tasks_count(&self) -> u64 {
        self.handle.scheduler.num_spawned_tasks()
    }

    /// How often a task was spawned or woken outside of the workers.
    pub fn remote_schedule_count(&self) -> u64 {
        self.handle.scheduler.injected()
    }

    /// How many polls have used up their cooperative budget.
    pub fn budget_forced_yield_count(&self) -> u64 {
        self.handle.scheduler.forced_yields()
    }

    /// The thread that is the worker, or was last; `None` before the first.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers).
    #[track_caller]
    pub fn worker_thread_id(&self, worker: usize) -> Option<ThreadId> {
        self.handle.scheduler.meter(worker).thread()
    }

    /// How many runnable tasks are in the worker's line. One that was woken last and runs next is
    /// not among them.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers).
    #[track_caller]
    pub fn worker_local_queue_depth(&self, worker: usize) -> usize {
        self.handle.scheduler.local_queue_depth(worker)
    }

    /// How often the worker went to sleep without having polled a task since the last time.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers).
    #[track_caller]
    pub fn worker_noop_count(&self, worker: usize) -> u64 {
        self.handle.scheduler.load(worker).noop_parks()
    }

    /// How many tasks the worker has taken from others.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers).
    #[track_caller]
    pub fn worker_steal_count(&self, worker: usize) -> u64 {
        self.handle.scheduler.meter(worker).steals.get()
    }

    /// How often the worker has taken tasks from another.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers).
    #[track_caller]
    pub fn worker_steal_operations(&self, worker: usize) -> u64 {
        self.handle.scheduler.meter(worker).steal_operations.get()
    }

    /// How many polls of tasks the worker has made. Each poll counts; Tokio leaves out those of
    /// tasks that run right behind the one that woke them.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers).
    #[track_caller]
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.handle.scheduler.meter(worker).polls.get()
    }

    /// How often a task was spawned or woken on the worker's thread, and queued there.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers).
    #[track_caller]
    pub fn worker_local_schedule_count(&self, worker: usize) -> u64 {
        self.handle.scheduler.meter(worker).local_schedules.get()
    }

    /// How often the worker's line has become longer than the part of it that needs no lock. No
    /// task leaves the line for that.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers).
    #[track_caller]
    pub fn worker_overflow_count(&self, worker: usize) -> u64 {
        self.handle.scheduler.overflows(worker)
    }

    /// How long a poll takes: a mean in which the last hundreds of polls count most. Zero on a
    /// current-thread runtime, as in Tokio.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers).
    #[track_caller]
    pub fn worker_mean_poll_time(&self, worker: usize) -> Duration {
        Duration::from_nanos(self.handle.scheduler.meter(worker).mean_poll_ns.get())
    }

    /// Whether the time of each poll is counted in a histogram, as
    /// [`enable_metrics_poll_time_histogram`][e] asks for.
    ///
    /// [e]: crate::runtime::Builder::enable_metrics_poll_time_histogram
    pub fn poll_time_histogram_enabled(&self) -> bool {
        self.poll_times(0).is_some()
    }

    /// How many buckets the histogram has; 0 if it is not enabled.
    pub fn poll_time_histogram_num_buckets(&self) -> usize {
        self.poll_times(0).map_or(0, Histogram::buckets)
    }

    /// The poll times that are counted in this bucket; an empty range if the histogram is not
    /// enabled.
    ///
    /// # Panics
    ///
    /// When there is no bucket of this number.
    #[track_caller]
    pub fn poll_time_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        self.poll_times(0).map_or_else(Range::default, |times| {
            let range = times.range(bucket);
            Duration::from_nanos(range.start)..Duration::from_nanos(range.end)
        })
    }

    /// How many polls of the worker are counted in this bucket; 0 if the histogram is not enabled.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers), or there is no bucket of this
    /// number.
    #[track_caller]
    pub fn poll_time_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        self.poll_times(worker)
            .map_or(0, |times| times.count(bucket))
    }

    /// The old name of [`poll_time_histogram_enabled`](Self::poll_time_histogram_enabled).
    #[deprecated = "renamed to poll_time_histogram_enabled"]
    #[doc(hidden)]
    pub fn poll_count_histogram_enabled(&self) -> bool {
        self.poll_time_histogram_enabled()
    }

    /// The old name of [`poll_time_histogram_num_buckets`](Self::poll_time_histogram_num_buckets).
    #[deprecated = "renamed to poll_time_histogram_num_buckets"]
    #[doc(hidden)]
    pub fn poll_count_histogram_num_buckets(&self) -> usize {
        self.poll_time_histogram_num_buckets()
    }

    /// The old name of
    /// [`poll_time_histogram_bucket_range`](Self::poll_time_histogram_bucket_range).
    #[deprecated = "renamed to poll_time_histogram_bucket_range"]
    #[doc(hidden)]
    #[track_caller]
    pub fn poll_count_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        self.poll_time_histogram_bucket_range(bucket)
    }

    /// The old name of
    /// [`poll_time_histogram_bucket_count`](Self::poll_time_histogram_bucket_count).
    #[deprecated = "renamed to poll_time_histogram_bucket_count"]
    #[doc(hidden)]
    #[track_caller]
    pub fn poll_count_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        self.poll_time_histogram_bucket_count(worker, bucket)
    }

    /// The times of all polls. Those of one poll in some are another thing.
    #[track_caller]
    fn poll_times(&self, worker: usize) -> Option<&Histogram> {
        let scheduler = &self.handle.scheduler;
        let times = scheduler.meter(worker).poll_times.as_ref();
        times.filter(|_| scheduler.poll_times() == PollTimes::Each)
    }

    /// How many descriptors were put into the readiness set.
    pub fn io_driver_fd_registered_count(&self) -> u64 {
        let set = self.handle.driver_handle().io();
        set.map_or(0, |set| set.registered())
    }

    /// How many descriptors were taken out of the readiness set again.
    pub fn io_driver_fd_deregistered_count(&self) -> u64 {
        let set = self.handle.driver_handle().io();
        // Read in this order: what is alive was registered before.
        set.map_or(0, |set| {
            let alive = set.live() as u64;
            set.registered().saturating_sub(alive)
        })
    }

    /// How many readiness events have told a descriptor's owner something.
    pub fn io_driver_ready_count(&self) -> u64 {
        let set = self.handle.driver_handle().io();
        set.map_or(0, |set| set.events())
    }
}
