//! The threads of a runtime: how many, what they are called, and what they do when.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use super::Builder;

impl Builder {
    /// How many workers a multi-thread runtime has. The default is the value of the environment
    /// variable `TOKIO_WORKER_THREADS`, or else the number of processors this process may use. A
    /// current-thread runtime ignores it.
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
    /// let rt = Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    /// assert_eq!(rt.metrics().num_workers(), 4);
    /// ```
    #[track_caller]
    pub fn worker_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Worker threads cannot be set to 0");
        self.worker_threads = Some(val);
        self
    }

    /// At most this many threads run blocking jobs. The default is 512. Workers do not count.
    ///
    /// Jobs above the limit wait in a queue without bound, so a low limit can make a program wait
    /// for itself: a job that waits for another job needs a second thread.
    ///
    /// # Panics
    ///
    /// When `val` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use yamanote::runtime::Builder;
    ///
    /// // Of a library that does not bear being called by two threads at a time.
    /// static INSIDE: AtomicUsize = AtomicUsize::new(0);
    ///
    /// let rt = Builder::new_multi_thread().max_blocking_threads(1).build().unwrap();
    /// let calls: Vec<_> = (0..4)
    ///     .map(|_| {
    ///         rt.spawn_blocking(|| {
    ///             assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
    ///             INSIDE.fetch_sub(1, Ordering::SeqCst);
    ///         })
    ///     })
    ///     .collect();
    /// for call in calls {
    ///     rt.block_on(call).unwrap();
    /// }
    /// ```
    #[track_caller]
    pub fn max_blocking_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Max blocking threads cannot be set to 0");
        self.max_blocking_threads = val;
        self
    }

    /// How long a thread for blocking jobs stays around without one. The default is 10 seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use yamanote::runtime::Builder;
    ///
    /// // Blocking work comes in bursts, minutes apart: threads need not be made for each.
    /// let rt = Builder::new_multi_thread()
    ///     .thread_keep_alive(Duration::from_secs(300))
    ///     .build()
    ///     .unwrap();
    /// # drop(rt);
    /// ```
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.keep_alive = duration;
        self
    }

    /// The name of the runtime's threads. The default is "tokio-rt-worker".
    ///
    /// No thread can have a name with a zero byte: [`build`](Self::build) of a multi-thread runtime
    /// fails then, and so does the first blocking job of a current-thread one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_multi_thread().thread_name("pool").build().unwrap();
    /// let task = rt.spawn(async { thread::current().name().map(str::to_owned) });
    /// assert_eq!(rt.block_on(task).unwrap().as_deref(), Some("pool"));
    /// ```
    pub fn thread_name(&mut self, val: impl Into<String>) -> &mut Self {
        let name = val.into();
        self.thread_name = Arc::new(move || name.clone());
        self
    }

    /// Names each of the runtime's threads by calling `f`.
    ///
    /// If `f` panics, the thread cannot be had, as if the system refused it; see also
    /// [`thread_name`](Self::thread_name).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_multi_thread()
    ///     .thread_name_fn(|| {
    ///         static NEXT: AtomicUsize = AtomicUsize::new(0);
    ///         format!("my-pool-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    ///     })
    ///     .build()
    ///     .unwrap();
    /// # drop(rt);
    /// ```
    pub fn thread_name_fn<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.thread_name = Arc::new(f);
        self
    }

    /// The stack size of the runtime's threads in bytes. The default is the standard library's,
    /// 2 MiB unless `RUST_MIN_STACK` says otherwise. The threads that call `block_on` are not the
    /// runtime's.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// // For a parser that calls itself for each level of its input.
    /// let rt = Builder::new_multi_thread().thread_stack_size(16 << 20).build().unwrap();
    /// # drop(rt);
    /// ```
    pub fn thread_stack_size(&mut self, val: usize) -> &mut Self {
        self.thread_stack_size = Some(val);
        self
    }

    /// Calls `f` on each of the runtime's threads, workers and blocking ones, after it has started
    /// and before it does anything else.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use yamanote::runtime::Builder;
    ///
    /// let threads = Arc::new(AtomicUsize::new(0));
    /// let (started, stopped) = (threads.clone(), threads.clone());
    /// let rt = Builder::new_multi_thread()
    ///     .worker_threads(2)
    ///     .on_thread_start(move || {
    ///         started.fetch_add(1, Ordering::Relaxed);
    ///     })
    ///     .on_thread_stop(move || {
    ///         stopped.fetch_sub(1, Ordering::Relaxed);
    ///     })
    ///     .build()
    ///     .unwrap();
    /// rt.block_on(rt.spawn_blocking(|| ())).unwrap();
    /// drop(rt);
    /// assert_eq!(threads.load(Ordering::Relaxed), 0);
    /// ```
    pub fn on_thread_start<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.after_start = Some(Arc::new(f));
        self
    }

    /// Calls `f` on each of the runtime's threads, workers and blocking ones, before it ends; see
    /// [`on_thread_start`](Self::on_thread_start).
    pub fn on_thread_stop<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.before_stop = Some(Arc::new(f));
        self
    }

    /// Calls `f` on a thread that runs tasks before it blocks because there are none.
    ///
    /// `f` may make a task runnable or wake the future in `block_on`; then the thread does not
    /// block.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use yamanote::runtime::Builder;
    ///
    /// let parks = Arc::new(AtomicUsize::new(0));
    /// let counter = parks.clone();
    /// let rt = Builder::new_current_thread()
    ///     .on_thread_park(move || {
    ///         counter.fetch_add(1, Ordering::Relaxed);
    ///     })
    ///     .build()
    ///     .unwrap();
    /// let answer = rt.spawn_blocking(|| 42);
    /// assert_eq!(rt.block_on(answer).unwrap(), 42);
    /// ```
    pub fn on_thread_park<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.before_park = Some(Arc::new(f));
        self
    }

    /// Calls `f` on a thread that runs tasks after it has stopped blocking, and before it runs any.
    pub fn on_thread_unpark<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.after_unpark = Some(Arc::new(f));
        self
    }
}
