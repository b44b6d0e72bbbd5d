//! The builder: every knob of a runtime, with its default.
#![forbid(unsafe_code)]

mod build;
mod poll_times;
mod stalls;
mod threads;
unstable! {
    #[cfg(feature = "schedule-latency")]
    mod schedule_latency;
}

mod console;
unstable! {
    mod unstable;
}

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::poll_times::HistogramSettings;
use super::console::Address;
use super::driver::DriverChoice;
use super::flavor::RuntimeFlavor;
use super::scheduler::Callback;
use super::scheduler::histogram::Layout;
use super::scheduler::poll_timer::PollTimes;
use super::task::Hooks;

/// Polls between two looks at the driver by a busy scheduler. Go uses the same number for much the
/// same purpose. A look costs up to a system call.
const EVENT_INTERVAL: u32 = 61;

/// Readiness events taken from the kernel at once.
const MAX_IO_EVENTS: usize = 1024;

/// Builds a [`Runtime`](super::Runtime) with settings other than the default ones.
///
/// ```
/// use yamanote::runtime::Builder;
///
/// let runtime = Builder::new_multi_thread()
///     .worker_threads(2)
///     .thread_name("my-worker")
///     .thread_stack_size(3 * 1024 * 1024)
///     .enable_all()
///     .build()
///     .unwrap();
/// # drop(runtime);
/// ```
pub struct Builder {
    flavor: RuntimeFlavor,
    name: Option<String>,
    driver: DriverChoice,
    inline_files: bool,
    kernel_copies: bool,
    console: Option<Address>,
    enable_io: bool,
    enable_time: bool,
    start_paused: bool,
    max_io_events: usize,
    max_io_events_busy: Option<usize>,
    worker_threads: Option<usize>,
    max_blocking_threads: usize,
    keep_alive: Duration,
    thread_name: Arc<dyn Fn() -> String + Send + Sync>,
    thread_stack_size: Option<usize>,
    after_start: Option<Callback>,
    before_stop: Option<Callback>,
    before_park: Option<Callback>,
    after_unpark: Option<Callback>,
    event_interval: u32,
    global_queue_interval: Option<u32>,
    poll_times: PollTimes,
    poll_time_histogram: HistogramSettings,
    stalls: stalls::Wishes,
    hooks: Hooks,
    panic_shuts_down: bool,
    disable_lifo_slot: bool,
    timers_end_ready: bool,
    seed: Option<u64>,
    tracks_latency: bool,
    counts_latency: bool,
    latency_layout: Option<Arc<dyn Layout>>,
}

impl Builder {
    /// Settings for a runtime that runs its tasks on the threads that call
    /// [`Runtime::block_on`](super::Runtime::block_on), one thread at a time.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_current_thread().enable_all().build().unwrap();
    /// assert_eq!(rt.block_on(async { 6 * 7 }), 42);
    /// ```
    pub fn new_current_thread() -> Builder {
        Builder::new(RuntimeFlavor::CurrentThread)
    }

    /// Settings for a runtime with worker threads of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_multi_thread().enable_all().build().unwrap();
    /// let task = rt.spawn(async { 6 * 7 });
    /// assert_eq!(rt.block_on(task).unwrap(), 42);
    /// ```
    pub fn new_multi_thread() -> Builder {
        Builder::new(RuntimeFlavor::MultiThread)
    }

    fn new(flavor: RuntimeFlavor) -> Builder {
        Builder {
            flavor,
            name: None,
            driver: DriverChoice::Auto,
            inline_files: true,
            kernel_copies: true,
            console: None,
            enable_io: false,
            enable_time: false,
            start_paused: false,
            max_io_events: MAX_IO_EVENTS,
            max_io_events_busy: None,
            worker_threads: None,
            max_blocking_threads: 512,
            keep_alive: Duration::from_secs(10),
            thread_name: Arc::new(|| "tokio-rt-worker".to_owned()),
            thread_stack_size: None,
            after_start: None,
            before_stop: None,
            before_park: None,
            after_unpark: None,
            event_interval: EVENT_INTERVAL,
            global_queue_interval: None,
            poll_times: PollTimes::Sampled,
            poll_time_histogram: HistogramSettings::default(),
            stalls: stalls::Wishes::new(),
            hooks: Hooks::default(),
            panic_shuts_down: false,
            disable_lifo_slot: false,
            timers_end_ready: false,
            seed: None,
            tracks_latency: false,
            counts_latency: false,
            latency_layout: None,
        }
    }

    /// Which driver to use. The default, [`DriverChoice::Auto`], takes io_uring where it can be had
    /// and epoll elsewhere.
    ///
    /// The environment variable `YAMANOTE_DRIVER` (`auto`, `uring` or `epoll`) overrides this for
    /// every runtime of the process. An empty variable counts as unset. With the feature `sim`
    /// there is `sim` too: the thread that builds a runtime, and all threads it starts, then run on
    /// a simulated machine, with the seed `YAMANOTE_SIM_SEED`.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::{Builder, DriverChoice};
    ///
    /// let rt = Builder::new_current_thread()
    ///     .driver(DriverChoice::Epoll)
    ///     .enable_all()
    ///     .build()
    ///     .unwrap();
    /// # drop(rt);
    /// ```
    pub fn driver(&mut self, choice: DriverChoice) -> &mut Self {
        self.driver = choice;
        self
    }

    /// Whether a file operation that should take microseconds (a look-up in the kernel's cache of
    /// names, a read from the page cache) is done at once, on the thread that polls it. On by
    /// default. When off, each goes to the blocking pool, as in Tokio, at ten to thirty times the
    /// cost.
    ///
    /// Turn it off in a program that answers the permission events of a fanotify(7) listener in its
    /// own tasks: opening a file that it watches itself would wait for an answer that nobody is
    /// left to give. Listeners of other processes, locks and frozen file systems need no setting:
    /// an inline call that waited is the last of its kind for some time; see
    /// [`fs`](crate::fs#inline-calls) and
    /// [`inline_file_stalls`](super::RuntimeMetrics::inline_file_stalls).
    ///
    /// The environment variable `YAMANOTE_INLINE_FILES` (`on` or `off`) overrides this for every
    /// runtime of the process. An empty variable counts as unset.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_current_thread().inline_files(false).enable_all().build().unwrap();
    /// # drop(rt);
    /// ```
    pub fn inline_files(&mut self, inline: bool) -> &mut Self {
        self.inline_files = inline;
        self
    }

    /// Whether [`io::copy`](crate::io::copy) and its relatives may leave the moving of bytes to the
    /// kernel where both ends are descriptors; they say when they do. On by default. When off, each
    /// byte is read into memory of this process and written from there, as in Tokio.
    ///
    /// The environment variable `YAMANOTE_KERNEL_COPIES` (`on` or `off`) overrides this for every
    /// runtime of the process. An empty variable counts as unset.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_current_thread().kernel_copies(false).enable_all().build().unwrap();
    /// # drop(rt);
    /// ```
    pub fn kernel_copies(&mut self, allowed: bool) -> &mut Self {
        self.kernel_copies = allowed;
        self
    }

    /// Enables I/O and time: [`enable_io`](Self::enable_io) and [`enable_time`](Self::enable_time).
    /// Off by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use yamanote::net::TcpListener;
    /// use yamanote::runtime::Builder;
    /// use yamanote::time::timeout;
    ///
    /// let rt = Builder::new_current_thread().enable_all().build().unwrap();
    /// rt.block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    ///     let nobody_came = timeout(Duration::from_millis(1), listener.accept()).await;
    ///     assert!(nobody_came.is_err());
    /// });
    /// ```
    pub fn enable_all(&mut self) -> &mut Self {
        self.enable_io().enable_time()
    }

    /// Enables sockets, and whatever else waits for descriptors to become ready. Off by default;
    /// without it, making a socket panics. Files work either way.
    pub fn enable_io(&mut self) -> &mut Self {
        self.enable_io = true;
        self
    }

    /// Enables timers. Off by default; without it, making a timer panics.
    pub fn enable_time(&mut self) -> &mut Self {
        self.enable_time = true;
        self
    }

    /// Starts with the clock paused, as if [`time::pause`](crate::time::pause) had been called
    /// first. For tests. Off by default.
    ///
    /// # Panics
    ///
    /// [`build`](Self::build) panics if this is set for a multi-thread runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use yamanote::runtime::Builder;
    /// use yamanote::time::sleep;
    ///
    /// let rt = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    /// let start = Instant::now();
    /// rt.block_on(async { sleep(Duration::from_secs(3600)).await });
    /// assert!(start.elapsed() < Duration::from_secs(60));
    /// ```
    pub fn start_paused(&mut self, start_paused: bool) -> &mut Self {
        self.start_paused = start_paused;
        self
    }

    /// At most this many readiness events are taken from the kernel at once. The default is 1024.
    ///
    /// # Panics
    ///
    /// When `capacity` is zero.
    #[track_caller]
    pub fn max_io_events_per_tick(&mut self, capacity: usize) -> &mut Self {
        assert!(capacity > 0, "max_io_events_per_tick must be non-zero");
        self.max_io_events = capacity;
        self
    }

    /// At most this many readiness events are taken by a worker that looks in passing, with tasks
    /// to run; it takes more at its next look, see [`event_interval`](Self::event_interval). By
    /// default it takes all there are.
    ///
    /// Each event may make a task runnable. A small number lets a worker get on with the tasks it
    /// has before new ones join them, at the price of a system call for each batch, and of tasks
    /// that wait longer for their sockets. A worker with nothing to run takes all events.
    ///
    /// # Panics
    ///
    /// When `capacity` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_multi_thread()
    ///     .max_io_events_per_busy_tick(64)
    ///     .enable_all()
    ///     .build()
    ///     .unwrap();
    /// # drop(rt);
    /// ```
    #[track_caller]
    pub fn max_io_events_per_busy_tick(&mut self, capacity: usize) -> &mut Self {
        assert!(capacity > 0, "max_io_events_per_busy_tick must be non-zero");
        self.max_io_events_busy = Some(capacity);
        self
    }

    /// The name of the runtime, which [`Handle::name`](super::Handle::name) returns. None by
    /// default.
    ///
    /// # Panics
    ///
    /// When the name is blank.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_current_thread().name("requests").build().unwrap();
    /// assert_eq!(rt.handle().name(), Some("requests"));
    /// ```
    #[track_caller]
    pub fn name(&mut self, val: impl Into<String>) -> &mut Self {
        let name = val.into();
        assert!(!name.trim().is_empty(), "runtime name shouldn't be empty");
        self.name = Some(name);
        self
    }

    /// A busy scheduler looks for I/O and timers after this many polls of tasks. The default is 61.
    ///
    /// Smaller numbers react faster to the outside and cost more; it matters only when tasks never
    /// run out.
    ///
    /// # Panics
    ///
    /// When `val` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// // Tasks compute for a millisecond at a time, and sockets are not to wait for sixty of them.
    /// let rt = Builder::new_multi_thread().event_interval(4).enable_all().build().unwrap();
    /// # drop(rt);
    /// ```
    #[track_caller]
    pub fn event_interval(&mut self, val: u32) -> &mut Self {
        assert!(val > 0, "event_interval must be greater than 0");
        self.event_interval = val;
        self
    }

    /// A busy scheduler takes a task that was spawned or woken from outside at least once in this
    /// many polls. By default a current-thread runtime does at every 31st, and a multi-thread
    /// runtime finds a number by itself. On the latter a busy worker takes a share of all that is
    /// there, and 1 means 2: see [fairness](crate::runtime#fairness).
    ///
    /// Smaller numbers are fairer to tasks from outside and cost more.
    ///
    /// # Panics
    ///
    /// When `val` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_current_thread().global_queue_interval(7).build().unwrap();
    /// # drop(rt);
    /// ```
    #[track_caller]
    pub fn global_queue_interval(&mut self, val: u32) -> &mut Self {
        assert!(val > 0, "global_queue_interval must be greater than 0");
        self.global_queue_interval = Some(val);
        self
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hook = |hook: &Option<Callback>| hook.as_ref().map(|_| "..");
        let mut debug = f.debug_struct("Builder");
        if let Some(name) = &self.name {
            debug.field("name", name);
        }
        debug
            .field("flavor", &self.flavor)
            .field("driver", &self.driver)
            .field("inline_files", &self.inline_files)
            .field("worker_threads", &self.worker_threads)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .field("thread_stack_size", &self.thread_stack_size)
            .field("after_start", &hook(&self.after_start))
            .field("before_stop", &hook(&self.before_stop))
            .field("before_park", &hook(&self.before_park))
            .field("after_unpark", &hook(&self.after_unpark))
            .finish_non_exhaustive()
    }
}
