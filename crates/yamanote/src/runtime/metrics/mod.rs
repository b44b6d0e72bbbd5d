//! Numbers about a runtime's work.
#![forbid(unsafe_code)]

mod gather;
mod openmetrics;
pub(crate) mod snapshot;
unstable! {
    pub(crate) mod configuration;
    #[cfg(feature = "schedule-latency")]
    mod schedule_latency;
    mod unstable;
}

use self::snapshot::Snapshot;
use super::driver::DriverKind;
use super::parts::Parts;
use std::sync::Arc;
use std::time::Duration;

/// A view of a runtime's numbers, cheap to clone; from [`Handle::metrics`](super::Handle::metrics).
///
/// Each call reads the present value; two calls are not one snapshot.
#[derive(Clone, Debug)]
pub struct RuntimeMetrics {
    handle: Arc<Parts>,
}

impl RuntimeMetrics {
    pub(super) fn new(handle: Arc<Parts>) -> Self {
        RuntimeMetrics { handle }
    }

    /// How many workers run tasks. One for a current-thread runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    /// assert_eq!(rt.metrics().num_workers(), 2);
    /// ```
    pub fn num_workers(&self) -> usize {
        self.handle.scheduler.num_workers()
    }

    /// How many tasks were spawned and have not ended.
    ///
    /// On a multi-thread runtime the number may trail behind by a task that is just beginning or
    /// ending elsewhere.
    pub fn num_alive_tasks(&self) -> usize {
        self.handle.scheduler.num_alive_tasks()
    }

    /// How many runnable tasks wait in the queue that threads outside the runtime push to.
    pub fn global_queue_depth(&self) -> usize {
        self.handle.scheduler.injection_depth()
    }

    /// For how long the worker has been awake: running tasks, serving the driver or looking for
    /// something to do, but not parked. Compared with the time that has passed, it shows how loaded
    /// the worker is. Never decreases.
    ///
    /// The number is brought up to date when the worker parks and about once every
    /// [`event_interval`](super::Builder::event_interval) polls, so it stands still during a long
    /// poll. `worker` counts from 0; on a current-thread runtime, worker 0 is whichever thread is
    /// in [`block_on`](super::Runtime::block_on).
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers).
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    /// use std::time::Duration;
    ///
    /// let rt = Builder::new_current_thread().build().unwrap();
    /// rt.block_on(async { std::thread::sleep(Duration::from_millis(2)) });
    /// assert!(rt.metrics().worker_total_busy_duration(0) >= Duration::from_millis(2));
    /// ```
    #[track_caller]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        self.handle.scheduler.load(worker).busy()
    }

    /// How many times the worker has parked, that is gone to sleep for lack of runnable tasks. On a
    /// multi-thread runtime, a worker that wakes, finds no task and sleeps again stays parked.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers).
    #[track_caller]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.handle.scheduler.load(worker).parks()
    }

    /// How many times the worker has parked or stopped being parked. The number is odd while the
    /// worker is parked and even while it is not.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers).
    #[track_caller]
    pub fn worker_park_unpark_count(&self, worker: usize) -> u64 {
        self.handle.scheduler.load(worker).parks_and_unparks()
    }

    /// All numbers at one moment: of workers, queues, the blocking pool, descriptors, timers and
    /// rings. Takes a few short locks, and more time with more workers; meant to be called some
    /// times a second, not at each request.
    pub fn insight(&self) -> Snapshot {
        gather::snapshot(&self.handle)
    }

    /// The [`insight`](Self::insight) as [OpenMetrics] text, for Prometheus and whatever else
    /// collects: to be served with the content type
    /// `application/openmetrics-text; version=1.0.0; charset=utf-8`. Names begin with `yamanote_`,
    /// times are in seconds, workers have the label `worker`. If the runtime has a
    /// [name](super::Builder::name), each sample has it as the label `runtime`.
    ///
    /// [OpenMetrics]: https://prometheus.io/docs/specs/om/open_metrics_spec/
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = yamanote::runtime::Builder::new_current_thread().build().unwrap();
    /// rt.block_on(async { yamanote::spawn(async {}).await.unwrap() });
    /// let text = rt.metrics().to_openmetrics();
    /// assert!(text.contains("\nyamanote_worker_polls_total{worker=\"0\"} 1\n"));
    /// assert!(text.ends_with("\n# EOF\n"));
    /// ```
    pub fn to_openmetrics(&self) -> String {
        let driver = self.driver().to_string();
        let identity = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("flavor", self.handle.flavor().name()),
            ("driver", &driver),
        ];
        openmetrics::text(&self.insight(), &identity, self.handle.name.as_deref())
    }

    /// The driver under the runtime.
    pub fn driver(&self) -> DriverKind {
        self.handle.driver_handle().kind()
    }

    /// Why the runtime does not use io_uring although it was free to, with the likely cause; `None`
    /// when it does, or when epoll was asked for.
    ///
    /// A runtime on io_uring has a reason too if a worker could not have its ring, perhaps for want
    /// of lockable memory, or had to give it up because a seccomp filter that came later denies the
    /// calls. That worker's files then go through the thread pool, with the same results.
    pub fn driver_fallback_reason(&self) -> Option<String> {
        self.handle.driver_handle().fallback_reason()
    }

    /// How many file calls that were done inline, on the thread that polled, made that thread wait:
    /// because a listener was asked for permission, another writer held the file, or memory was
    /// short. Afterwards such calls are left to the blocking pool for a while, so the number grows
    /// slowly; see [`fs`](crate::fs#inline-calls).
    pub fn inline_file_stalls(&self) -> u64 {
        self.handle.inline_file_stalls.get()
    }

    /// How many times a poll has held a worker up for longer than the limit of
    /// [`stall_after`](super::Builder::stall_after).
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_current_thread().build().unwrap();
    /// rt.block_on(yamanote::task::yield_now());
    /// assert_eq!(rt.metrics().stalls(), 0);
    /// ```
    pub fn stalls(&self) -> u64 {
        self.handle.stalls.count()
    }

    /// How long the longest of these polls took. Of one that has not ended, it is the time at which
    /// it was noticed.
    pub fn longest_stall(&self) -> Duration {
        self.handle.stalls.longest()
    }

    /// How many bytes [`io::copy`](crate::io::copy) and its relatives have moved from end to end
    /// without the memory of this process, in tasks of this runtime, since it was built; see
    /// [`kernel_copies`](super::Builder::kernel_copies).
    pub fn kernel_copied_bytes(&self) -> u64 {
        self.handle.kernel_copied_bytes.get()
    }

    /// How many operations have been handed to io_uring since the runtime was built. Stays zero on
    /// epoll.
    pub fn ops_submitted(&self) -> u64 {
        self.handle.driver_handle().ops_submitted()
    }

    /// How many io_uring operations are in the kernel's hands now.
    pub fn live_ops(&self) -> usize {
        self.handle.driver_handle().live_ops()
    }

    /// How many operations the kernel would not give back in time when the runtime shut down. Their
    /// buffers are never freed, because the kernel may still write to them.
    pub fn leaked_ops(&self) -> usize {
        self.handle.driver_handle().leaked_ops()
    }
}
