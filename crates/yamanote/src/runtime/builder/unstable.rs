//! The knobs that are unstable in Tokio.
#![forbid(unsafe_code)]

use std::sync::Arc;

use super::Builder;
use crate::runtime::flavor::RuntimeFlavor;
use crate::runtime::rng_seed::RngSeed;
use crate::runtime::task::TaskMeta;
use crate::runtime::unhandled_panic::UnhandledPanic;

impl Builder {
    /// Calls `f` for each task that is spawned, on the thread that spawns it and before it is
    /// polled. Blocking jobs and the tasks of a [`LocalSet`](crate::task::LocalSet) are none.
    ///
    /// A panic of `f` is the spawner's. A second hook replaces the first.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use yamanote::runtime::Builder;
    ///
    /// let spawned = Arc::new(AtomicUsize::new(0));
    /// let counter = spawned.clone();
    /// let rt = Builder::new_current_thread()
    ///     .on_task_spawn(move |task| {
    ///         println!("task {} of {}", task.id(), task.spawned_at());
    ///         counter.fetch_add(1, Ordering::Relaxed);
    ///     })
    ///     .build()
    ///     .unwrap();
    /// rt.block_on(async { yamanote::spawn(async {}).await.unwrap() });
    /// assert_eq!(spawned.load(Ordering::Relaxed), 1);
    /// ```
    pub fn on_task_spawn<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.spawned = Some(Arc::new(f));
        self
    }

    /// Calls `f` before each poll of a task, on the thread that polls it.
    ///
    /// A panic of `f` leaves `block_on` of a current-thread runtime, and the task is not polled any
    /// more; on a worker of a multi-thread runtime it is reported and otherwise ignored. A second
    /// hook replaces the first.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use yamanote::runtime::Builder;
    /// use yamanote::task::yield_now;
    ///
    /// let polls = Arc::new(AtomicUsize::new(0));
    /// let counter = polls.clone();
    /// let rt = Builder::new_current_thread()
    ///     .on_before_task_poll(move |_| {
    ///         counter.fetch_add(1, Ordering::Relaxed);
    ///     })
    ///     .build()
    ///     .unwrap();
    /// rt.block_on(async { yamanote::spawn(yield_now()).await.unwrap() });
    /// assert_eq!(polls.load(Ordering::Relaxed), 2);
    /// ```
    pub fn on_before_task_poll<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.before_poll = Some(Arc::new(f));
        self
    }

    /// Calls `f` after each poll of a task, on the thread that polled it. After the last poll the
    /// task may be joined already.
    ///
    /// Panics of `f` are treated as those of [`on_before_task_poll`](Self::on_before_task_poll). A
    /// second hook replaces the first.
    pub fn on_after_task_poll<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.after_poll = Some(Arc::new(f));
        self
    }

    /// Calls `f` once for each task and each blocking job that ends, whether it has completed, has
    /// panicked or was cancelled: after its future was dropped, before whoever joins it is woken.
    /// The tasks of a [`LocalSet`](crate::task::LocalSet) are none.
    ///
    /// A panic of `f` is reported and otherwise ignored. A second hook replaces the first.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use yamanote::runtime::Builder;
    ///
    /// let ended = Arc::new(AtomicUsize::new(0));
    /// let counter = ended.clone();
    /// let rt = Builder::new_multi_thread()
    ///     .on_task_terminate(move |_| {
    ///         counter.fetch_add(1, Ordering::Relaxed);
    ///     })
    ///     .build()
    ///     .unwrap();
    /// rt.block_on(async { yamanote::spawn(async {}).await.unwrap() });
    /// assert_eq!(ended.load(Ordering::Relaxed), 1);
    /// ```
    pub fn on_task_terminate<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.terminated = Some(Arc::new(f));
        self
    }

    /// What happens when a spawned task panics. The default is [`UnhandledPanic::Ignore`].
    ///
    /// # Panics
    ///
    /// When [`UnhandledPanic::ShutdownRuntime`] is asked of a multi-thread runtime.
    ///
    /// # Examples
    ///
    /// ```should_panic
    /// use yamanote::runtime::{Builder, UnhandledPanic};
    ///
    /// let rt = Builder::new_current_thread()
    ///     .unhandled_panic(UnhandledPanic::ShutdownRuntime)
    ///     .build()
    ///     .unwrap();
    /// rt.spawn(async { panic!("boom") });
    /// rt.block_on(std::future::pending::<()>());
    /// ```
    #[track_caller]
    pub fn unhandled_panic(&mut self, behavior: UnhandledPanic) -> &mut Self {
        let shuts_down = matches!(behavior, UnhandledPanic::ShutdownRuntime);
        assert!(
            !shuts_down || self.flavor == RuntimeFlavor::CurrentThread,
            "UnhandledPanic::ShutdownRuntime is only supported in current thread runtime"
        );
        self.panic_shuts_down = shuts_down;
        self
    }

    /// Has a multi-thread runtime put a task that was just woken at the end of its worker's line,
    /// like any other, instead of running it next.
    ///
    /// That costs programs whose tasks answer each other their warm caches. In return a sibling may
    /// take the task at once; by default it does only if the worker is stuck. A current-thread
    /// runtime ignores it.
    pub fn disable_lifo_slot(&mut self) -> &mut Self {
        self.disable_lifo_slot = true;
        self
    }

    /// Where the runtime's random choices start from: the branch that
    /// [`select!`](crate::select!) polls first, and the sibling that a worker looks at first. By
    /// default each runtime, and each thread, starts from somewhere else.
    ///
    /// Two current-thread runtimes with equal seeds choose alike, as long as the program and
    /// this package are the same. Each thread that enters the runtime takes the next of a series of
    /// seeds made from this one, so with several threads it depends on their order.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::{Builder, RngSeed};
    ///
    /// let choose = || {
    ///     let rt = Builder::new_current_thread()
    ///         .rng_seed(RngSeed::from_bytes(b"place your seed here"))
    ///         .build()
    ///         .unwrap();
    ///     rt.block_on(async {
    ///         let mut chosen = Vec::new();
    ///         for _ in 0..64 {
    ///             chosen.push(yamanote::select! {
    ///                 _ = async {} => 0,
    ///                 _ = async {} => 1,
    ///             });
    ///         }
    ///         chosen
    ///     })
    /// };
    /// assert_eq!(choose(), choose());
    /// ```
    pub fn rng_seed(&mut self, seed: RngSeed) -> &mut Self {
        self.seed = Some(seed.0);
        self
    }

    /// Enables timers, as [`enable_time`](Self::enable_time), and lets one that outlives a
    /// multi-thread runtime be ready when it is polled, instead of panicking.
    ///
    /// That is what is seen of Tokio's other kind of timers. What it is for, a wheel for each
    /// worker instead of one that they share, is so here with either kind.
    pub fn enable_alt_timer(&mut self) -> &mut Self {
        self.timers_end_ready = true;
        self.enable_time()
    }

    /// Does nothing: what it does in Tokio is always done here. While a worker runs tasks, a
    /// sibling without work looks after the driver ([drivers](crate::runtime#drivers)).
    pub fn enable_eager_driver_handoff(&mut self) -> &mut Self {
        self
    }

    /// Does nothing: the blocking pool has one queue. In Tokio this divides it, for the sake of
    /// programs in which many threads spawn blocking jobs at the same time.
    pub fn enable_sharded_blocking_queue(&mut self) -> &mut Self {
        self
    }

    /// Enables I/O, as [`enable_io`](Self::enable_io). Whether there is io_uring below is up to
    /// [`driver`](Self::driver), with the feature `io-uring` and without.
    #[cfg(feature = "io-uring")]
    pub fn enable_io_uring(&mut self) -> &mut Self {
        self.enable_io()
    }
}
