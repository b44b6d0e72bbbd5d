//! The runtime: what owns the scheduler, the driver and the threads, and how they end.
#![forbid(unsafe_code)]

use std::io;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::blocking::BlockingPool;
use super::console;
use super::context;
use super::driver::{Driver, LONGEST_SHUTDOWN};
use super::handle::{EnterGuard, Handle};
use super::large_futures::box_if_large;
use super::metrics::RuntimeMetrics;
use super::scheduler::Launch;
use super::scheduler::current_thread::CurrentThread;
use super::scheduler::multi_thread::MultiThread;
use super::stall::Registration;
use super::task::JoinHandle;

/// The runtime: a scheduler for tasks, the driver that wakes them when their I/O and timers are
/// ready, and threads for work that blocks.
///
/// Most programs make one with the `#[yamanote::main]` attribute; [`Builder`](super::Builder) has
/// the settings.
///
/// # Shutdown
///
/// The runtime is shut down when it is dropped, or by [`shutdown_timeout`] or
/// [`shutdown_background`]. Every task is dropped at its next `.await`; none is guaranteed to run
/// to its end. Tasks of a multi-thread runtime are dropped on its workers, those of a
/// current-thread runtime on the thread that shuts down. Blocking jobs run to their end, those
/// included that are still queued; what is spawned from now on is cancelled, and its handle says
/// so.
///
/// Dropping waits for all of that without limit. It does not wait longer than a second for an
/// io_uring operation that the kernel cannot cancel; such an operation is leaked together with its
/// buffer ([`RuntimeMetrics::leaked_ops`]). `shutdown_timeout` waits for the given time, and
/// `shutdown_background` not at all: threads that are still busy go on alone, until the last job of
/// the queue is done or the process ends. Dropped by one of its own blocking jobs, a runtime does
/// not wait for that job, nor for others that only its thread can do.
///
/// Sockets, timers and handles that outlive the runtime return errors or panic as they document.
///
/// # Sharing
///
/// `Runtime` is `Send` and `Sync`; an `Arc<Runtime>` keeps it running. A [`Handle`] does not.
///
/// [`shutdown_timeout`]: Self::shutdown_timeout
/// [`shutdown_background`]: Self::shutdown_background
#[derive(Debug)]
pub struct Runtime {
    scheduler: Scheduler,
    handle: Handle,
    pool: BlockingPool,
    /// Its part in the console of the process.
    console: Option<console::Member>,
    stopped: bool,
    /// `None` if nobody watches the workers.
    watch: Option<Registration>,
}

pub(super) enum Scheduler {
    CurrentThread(CurrentThread),
    MultiThread(MultiThread),
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Scheduler::CurrentThread(_) => "CurrentThread",
            Scheduler::MultiThread(_) => "MultiThread",
        })
    }
}

impl Runtime {
    pub(super) fn assemble(
        scheduler: Scheduler,
        handle: Handle,
        pool: BlockingPool,
        watch: Option<Registration>,
    ) -> Runtime {
        Runtime {
            scheduler,
            handle,
            pool,
            console: None,
            stopped: false,
            watch,
        }
    }

    pub(super) fn start_workers(&self, launch: Launch) -> io::Result<()> {
        match &self.scheduler {
            Scheduler::CurrentThread(_) => Ok(()),
            Scheduler::MultiThread(scheduler) => scheduler.start(launch),
        }
    }

    pub(super) fn open_console(mut self, choice: &console::Choice) -> io::Result<Runtime> {
        match console::join(self.handle.parts(), choice) {
            Ok(member) => {
                self.console = member;
                Ok(self)
            }
            Err(error) => {
                // Not by a drop, which waits: this may be called where futures run.
                self.shutdown_background();
                Err(error)
            }
        }
    }

    /// A reference to the runtime that can be cloned and sent elsewhere.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task on this runtime; see [`Handle::spawn`].
    ///
    /// Dropping the handle does not cancel the task: it runs on, and nobody gets its output.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Runtime;
    ///
    /// let rt = Runtime::new().unwrap();
    /// let join = rt.spawn(async { "now running on a worker" });
    /// assert_eq!(rt.block_on(join).unwrap(), "now running on a worker");
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Runs `f` on a thread for blocking work; see
    /// [`task::spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// What has begun cannot be cancelled; dropping the handle changes nothing.
    ///
    /// # Panics
    ///
    /// If the system refuses a thread while the runtime has none for blocking work.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = yamanote::runtime::Runtime::new().unwrap();
    /// let job = rt.spawn_blocking(|| std::fs::read("/proc/self/comm").unwrap());
    /// assert!(!rt.block_on(job).unwrap().is_empty());
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(f)
    }

    /// Runs `future` on this thread until it is ready, and returns its output.
    ///
    /// This is the way in from synchronous code. The future itself is no task: it is polled here,
    /// and it need not be `Send` or `'static`.
    ///
    /// On a multi-thread runtime the workers run the tasks and drive the I/O; they go on after this
    /// returns. On a current-thread runtime this thread does both, as long as it is here. Several
    /// threads may be here at once: the first runs the tasks, the others only their own futures,
    /// and when the first leaves another takes over. Between calls the tasks stand still.
    ///
    /// # Panics
    ///
    /// When `future` panics, or when the thread is running a runtime's futures already. The runtime
    /// can be used on after a panic that was caught.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_current_thread().build().unwrap();
    /// let local = String::from("borrowed");
    /// assert_eq!(rt.block_on(async { local.len() }), 8);
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        box_if_large!(future => self.block_on_sized(future, size_of::<F>()))
    }

    #[track_caller]
    fn block_on_sized<F: Future>(&self, future: F, original_size: usize) -> F::Output {
        // The future is dropped after the thread has left the scheduler, but before it leaves the
        // context.
        let _current = self.enter();
        let future = pin!(super::task::block_on_span(future, original_size));
        let called_at = Location::caller();
        match &self.scheduler {
            Scheduler::CurrentThread(scheduler) => {
                let _leaving = LeaveOps(&self.handle);
                context::enter_current(self.handle.parts(), false, || {
                    scheduler.block_on(future, called_at)
                })
            }
            Scheduler::MultiThread(scheduler) => {
                context::enter_current(self.handle.parts(), true, || scheduler.block_on(future))
            }
        }
    }

    /// Enters the runtime's context on this thread, until the guard is dropped; see
    /// [`Handle::enter`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let rt = yamanote::runtime::Runtime::new().unwrap();
    /// // A timer needs a runtime when it is made, not only when it is awaited.
    /// let sleep = {
    ///     let _guard = rt.enter();
    ///     yamanote::time::sleep(Duration::from_millis(1))
    /// };
    /// rt.block_on(sleep);
    /// ```
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Shuts down, waiting at most `duration` for what runs to stop.
    ///
    /// What has not stopped by then goes on alone, in the background; see
    /// [Shutdown](Self#shutdown). A current-thread runtime drops its tasks here, however long their
    /// destructors take.
    ///
    /// # Panics
    ///
    /// In an async context, unless `duration` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use yamanote::runtime::Runtime;
    ///
    /// let rt = Runtime::new().unwrap();
    /// rt.spawn_blocking(|| std::thread::sleep(Duration::from_secs(1)));
    /// rt.shutdown_timeout(Duration::from_millis(10));
    /// ```
    #[track_caller]
    pub fn shutdown_timeout(mut self, duration: Duration) {
        self.shutdown(Some(duration));
    }

    /// Shuts down without waiting; may be called in an async context.
    ///
    /// See [Shutdown](Self#shutdown).
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Runtime;
    ///
    /// let rt = Runtime::new().unwrap();
    /// rt.block_on(async {
    ///     let inner = Runtime::new().unwrap();
    ///     inner.shutdown_background();
    /// });
    /// ```
    pub fn shutdown_background(mut self) {
        self.shutdown(Some(Duration::ZERO));
    }

    /// Numbers about the runtime's work.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// Tasks first, because jobs and operations may belong to them; then the driver, so that a
    /// thread that still waits for I/O gets an error; then the threads. In a multi-thread runtime
    /// the last of the workers does the first two.
    #[track_caller]
    fn shutdown(&mut self, timeout: Option<Duration>) {
        // A forked child has none of the threads; what it drops is only memory.
        if self.stopped || self.handle.driver_handle().is_forked() {
            return;
        }
        self.stopped = true;

        let may_wait = timeout != Some(Duration::ZERO);
        let forbidden = may_wait && crate::util::entered::is_entered();
        let end = Deadline::new(match forbidden {
            false => timeout,
            true => Some(Duration::ZERO),
        });

        match &self.scheduler {
            Scheduler::CurrentThread(scheduler) => {
                let _current = context::try_set_current(self.handle.parts());
                scheduler.shutdown(|driver| stop_driver(driver, end));
            }
            Scheduler::MultiThread(scheduler) => scheduler.shutdown(),
        }
        self.pool.shutdown(end.remaining());
        drop(self.watch.take());
        // Last, because an end that takes long is worth a look.
        if let Some(member) = self.console.take() {
            member.leave(may_wait && !forbidden);
        }

        assert!(
            !forbidden || thread::panicking(),
            "Cannot drop a runtime in a context where blocking is not allowed. This happens when \
             a runtime is dropped from within an asynchronous context."
        );
    }
}

/// Acts when this thread has left the scheduler, also by a panic: a thread that awaits what this
/// one gave to the ring need not drive the runtime.
struct LeaveOps<'a>(&'a Handle);

impl Drop for LeaveOps<'_> {
    #[inline]
    fn drop(&mut self) {
        // A current-thread scheduler has one slot.
        if let Some(caretaker) = self.0.driver_handle().leave_ops(0) {
            // Without a thread the operations end when somebody drives again.
            let _ = self
                .0
                .blocking_spawner()
                .try_spawn(|| caretaker.run(), super::task::Meta::here());
        }
    }
}

/// When the thread that shuts down stops waiting; `None` is never.
#[derive(Clone, Copy)]
struct Deadline(Option<Instant>);

impl Deadline {
    fn new(timeout: Option<Duration>) -> Self {
        // A time that cannot be represented is no limit.
        Deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    fn remaining(self) -> Option<Duration> {
        self.0
            .map(|end| end.saturating_duration_since(Instant::now()))
    }
}

/// Lets the kernel finish what it owns: here if there is time, else on a thread of its own.
fn stop_driver(driver: &Arc<Driver>, end: Deadline) {
    let now = Instant::now();
    let latest = now + LONGEST_SHUTDOWN;
    if end.remaining().is_none_or(|time| !time.is_zero()) || driver.live_ops() == 0 {
        return driver.shutdown(end.0.map_or(latest, |end| end.min(latest)));
    }
    let reaped = driver.clone();
    let reaper = thread::Builder::new()
        .name("yamanote-reaper".to_owned())
        .spawn(move || reaped.shutdown(latest));
    if reaper.is_err() {
        driver.shutdown(now);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shutdown(None);
    }
}

// As for `Parts`.
impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}
