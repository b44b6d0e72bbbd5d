//! From the settings to the runtime.
#![forbid(unsafe_code)]

use std::io;
use std::sync::{Arc, Weak};

use super::Builder;
use super::stalls::Plan;
use crate::runtime::blocking::{self, BlockingPool};
use crate::runtime::driver::{self, Driver};
use crate::runtime::flavor::RuntimeFlavor;
use crate::runtime::handle::Handle;
use crate::runtime::local_runtime::{LocalOptions, LocalRuntime};
use crate::runtime::local_sets::LocalSets;
use crate::runtime::parts::{Parts, Switches};
use crate::runtime::punts::Punts;
use crate::runtime::runtime::{Runtime, Scheduler};
use crate::runtime::scheduler::current_thread::CurrentThread;
use crate::runtime::scheduler::multi_thread::MultiThread;
use crate::runtime::scheduler::{self, Launch};
use crate::runtime::{Id, config, console, context, mark};
use crate::util::counter::Counter;
use crate::util::rng::{self, Seeds};
use crate::util::shutdown_text::shutting_down;

/// A ring of this many entries takes about 40 KiB of locked memory: some two hundred fit even under
/// a limit of 8 MiB for a user. More operations than this may be in flight; it bounds only how many
/// are submitted at once.
const RING_ENTRIES: u32 = 256;

/// Tasks in the ring of a worker's own queue.
const LOCAL_QUEUE_CAPACITY: usize = 256;

impl Builder {
    /// Builds the runtime. The builder can be used again.
    ///
    /// # Errors
    ///
    /// When the system refuses what the drivers need (descriptors, memory) or the threads, when
    /// io_uring was demanded and cannot be had (the kernel's errno, whose likely cause
    /// [`io_uring_refusal`](crate::runtime::io_uring_refusal) names), when a
    /// [console](Self::console) was asked for and cannot be had, or when `YAMANOTE_DRIVER`,
    /// `YAMANOTE_INLINE_FILES`, `YAMANOTE_KERNEL_COPIES`, `YAMANOTE_STALL_MS` or `YAMANOTE_CONSOLE`
    /// holds an unknown value ([`InvalidInput`](std::io::ErrorKind::InvalidInput)).
    ///
    /// # Panics
    ///
    /// When the clock is to start paused on a multi-thread runtime, or when
    /// `TOKIO_WORKER_THREADS` is needed and is not a number above zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_current_thread().build().unwrap();
    /// rt.block_on(async {
    ///     println!("Hello from the loop line");
    /// });
    /// ```
    pub fn build(&mut self) -> io::Result<Runtime> {
        config::simulate_if_asked()?;
        let console = self.console_choice()?;
        let runtime = match self.flavor {
            RuntimeFlavor::CurrentThread => self.build_current_thread(false),
            RuntimeFlavor::MultiThread => self.build_multi_thread(),
        }?;
        runtime.open_console(&console)
    }

    /// Builds a [`LocalRuntime`], whose tasks stay on the calling thread and need not be `Send`.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    ///
    /// # Panics
    ///
    /// If the builder was made by [`new_multi_thread`](Self::new_multi_thread).
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::{Builder, LocalOptions};
    ///
    /// let rt = Builder::new_current_thread()
    ///     .enable_all()
    ///     .build_local(LocalOptions::default())
    ///     .unwrap();
    /// let not_send = std::rc::Rc::new(5);
    /// let task = rt.spawn_local(async move { *not_send });
    /// assert_eq!(rt.block_on(task).unwrap(), 5);
    /// ```
    pub fn build_local(&mut self, _options: LocalOptions) -> io::Result<LocalRuntime> {
        config::simulate_if_asked()?;
        match self.flavor {
            RuntimeFlavor::CurrentThread => {
                let console = self.console_choice()?;
                let runtime = self.build_current_thread(true)?.open_console(&console)?;
                Ok(LocalRuntime::from_runtime(runtime))
            }
            RuntimeFlavor::MultiThread => {
                panic!("multi_thread is not supported for LocalRuntime")
            }
        }
    }

    fn build_current_thread(&self, local: bool) -> io::Result<Runtime> {
        let switches = self.switches()?;
        let watch = self.plan_watch()?;
        let driver = self.build_driver(1)?;
        let config = scheduler::Config {
            local,
            ..self.scheduler_config(1, &watch)
        };
        let scheduler = CurrentThread::new(config, driver);
        let shared = scheduler::Handle::CurrentThread(scheduler.shared().clone());
        let (handle, pool) = self.build_handle(shared, switches);
        // A paused clock must not run ahead of a job. Only this flavour can pause its clock.
        let accepted = handle.driver_handle().clone();
        let finished = accepted.clone();
        pool.spawner().set_job_hooks(
            Arc::new(move || accepted.clock().inhibit_auto_advance()),
            Arc::new(move || {
                finished.clock().allow_auto_advance();
                finished.unpark(0);
            }),
        );
        let watch = watch.map(|watch| watch.begin(&self.stalls, &handle));
        Ok(Runtime::assemble(
            Scheduler::CurrentThread(scheduler),
            handle,
            pool,
            watch,
        ))
    }

    fn build_multi_thread(&self) -> io::Result<Runtime> {
        assert!(
            !self.start_paused,
            "`time::pause()` requires the `current_thread` Tokio runtime. \
             This is the default Runtime used by `#[tokio::test]."
        );
        let workers = self
            .worker_threads
            .unwrap_or_else(config::default_worker_threads);
        let switches = self.switches()?;
        let watch = self.plan_watch()?;
        let driver = self.build_driver(workers)?;
        let scheduler = MultiThread::new(self.scheduler_config(workers, &watch), driver);
        let shared = scheduler::Handle::MultiThread(scheduler.shared().clone());
        let (handle, pool) = self.build_handle(shared, switches);
        let launch = launcher(Arc::downgrade(handle.parts()));
        let watch = watch.map(|watch| watch.begin(&self.stalls, &handle));
        let runtime = Runtime::assemble(Scheduler::MultiThread(scheduler), handle, pool, watch);
        match runtime.start_workers(launch) {
            Ok(()) => Ok(runtime),
            Err(error) => {
                // Not by a drop, which waits: this may be called where futures run.
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    fn build_driver(&self, slots: usize) -> io::Result<Arc<Driver>> {
        let config = driver::Config {
            choice: self.driver.or_environment()?,
            enable_io: self.enable_io,
            enable_time: self.enable_time,
            start_paused: self.start_paused,
            turn_by_turn: self.flavor == RuntimeFlavor::CurrentThread,
            timers_end_ready: self.timers_end_ready && self.flavor == RuntimeFlavor::MultiThread,
            ring_entries: RING_ENTRIES,
            max_io_events: self.max_io_events,
            max_io_events_busy: self.max_io_events_busy,
        };
        Driver::new(config, slots)
    }

    fn scheduler_config(&self, worker_threads: usize, watch: &Option<Plan>) -> scheduler::Config {
        scheduler::Config {
            worker_threads,
            event_interval: self.event_interval,
            global_queue_interval: self.global_queue_interval,
            before_park: self.before_park.clone(),
            after_unpark: self.after_unpark.clone(),
            hooks: self.hooks.shared(),
            panic_shuts_down: self.panic_shuts_down,
            disable_lifo_slot: self.disable_lifo_slot,
            local: false,
            seed: self.seed.unwrap_or_else(rng::fresh_seed),
            local_queue_capacity: LOCAL_QUEUE_CAPACITY,
            poll_times: self.poll_times,
            poll_time_layout: self.poll_time_histogram.layout(),
            rouser: watch.as_ref().map(Plan::rouser),
            tracks_latency: self.tracks_latency,
            latency_layout: self.latency_layout.clone().filter(|_| self.counts_latency),
        }
    }

    /// What may be done otherwise than Tokio does it.
    fn switches(&self) -> io::Result<Switches> {
        Ok(Switches {
            inline_files: config::inline_files(self.inline_files)?,
            kernel_copies: config::kernel_copies(self.kernel_copies)?,
        })
    }

    fn console_choice(&self) -> io::Result<console::Choice> {
        config::console(self.console.as_ref())
    }

    /// The pool for blocking jobs, and the handle of the runtime that is current on its threads.
    fn build_handle(
        &self,
        scheduler: scheduler::Handle,
        switches: Switches,
    ) -> (Handle, BlockingPool) {
        mark::keep();
        let pool = BlockingPool::new(blocking::Config {
            max_threads: self.max_blocking_threads,
            keep_alive: self.keep_alive,
            stack_size: self.thread_stack_size,
            thread_name: self.thread_name.clone(),
            after_start: self.after_start.clone(),
            before_stop: self.before_stop.clone(),
            terminated: self.hooks.terminated.clone(),
        });
        let parts = Arc::new(Parts {
            scheduler,
            blocking: pool.spawner().clone(),
            id: Id::next(),
            name: self.name.clone(),
            switches,
            seeds: self.seed.map(Seeds::new),
            inline_file_stalls: Counter::new(),
            file_jobs: Counter::new(),
            punts: Punts::default(),
            local_sets: LocalSets::default(),
            kernel_copied_bytes: Counter::new(),
            stalls: Arc::default(),
        });
        // Weak, because the parts keep the pool, which keeps this closure.
        let weak = Arc::downgrade(&parts);
        pool.spawner().set_wrap(Arc::new(move || {
            // Upgraded on the thread that gives work to the pool.
            let parts = weak.upgrade();
            Box::new(move |life| {
                let _current = parts.as_ref().and_then(context::try_set_current);
                life();
            })
        }));
        (Handle::new(parts), pool)
    }
}

/// Workers are threads of the pool that run the runtime's futures from their start to their end.
fn launcher(parts: Weak<Parts>) -> Launch {
    Arc::new(move |work| {
        let parts = parts.upgrade().ok_or_else(shutting_down)?;
        let spawner = parts.blocking.clone();
        spawner.launch(Box::new(move || context::enter_runtime(&parts, true, work)))
    })
}

impl Runtime {
    /// A multi-thread runtime with I/O and time enabled and otherwise default settings.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Runtime;
    ///
    /// let rt = Runtime::new().unwrap();
    /// assert_eq!(rt.block_on(async { 7 }), 7);
    /// ```
    pub fn new() -> io::Result<Runtime> {
        Builder::new_multi_thread().enable_all().build()
    }
}

impl LocalRuntime {
    /// A runtime for this thread with I/O and time enabled and otherwise default settings.
    ///
    /// # Errors
    ///
    /// As [`Builder::build_local`].
    pub fn new() -> io::Result<LocalRuntime> {
        Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
    }
}
