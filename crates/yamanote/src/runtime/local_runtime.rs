//! The runtime whose tasks need not be `Send`: a current-thread runtime that stays on one thread.
#![forbid(unsafe_code)]

use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use super::handle::{EnterGuard, Handle};
use super::large_futures::box_if_large;
use super::metrics::RuntimeMetrics;
use super::runtime::Runtime;
use super::task::{JoinHandle, Meta};

/// A runtime that belongs to one thread, and whose tasks need not be `Send`.
///
/// It is a current-thread runtime that cannot leave the thread that built it. So
/// [`task::spawn_local`](crate::task::spawn_local) works everywhere inside it, without a
/// [`LocalSet`](crate::task::LocalSet). Its [`Handle`] is `Send` and `Clone` as any other, and
/// spawns tasks that are `Send` from other threads; they run here too.
///
/// # Shutdown
///
/// As that of a current-thread [`Runtime`](Runtime#shutdown).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use yamanote::runtime::LocalRuntime;
/// use yamanote::task::spawn_local;
///
/// let rt = LocalRuntime::new().unwrap();
/// let answer = rt.block_on(async {
///     let not_send = Rc::new(42);
///     spawn_local(async move { *not_send }).await.unwrap()
/// });
/// assert_eq!(answer, 42);
/// ```
#[derive(Debug)]
pub struct LocalRuntime {
    runtime: Runtime,
    /// Its scheduler runs tasks that must not leave their thread.
    not_send: PhantomData<*mut u8>,
}

/// Settings of [`Builder::build_local`](super::Builder::build_local) beyond those of the builder.
/// There are none yet.
///
/// They may come to hold what is not `Send`, so they are not `Send` themselves.
#[derive(Default, Debug)]
#[non_exhaustive]
pub struct LocalOptions {
    not_send: PhantomData<*mut u8>,
}

impl LocalRuntime {
    /// `runtime` was built for local tasks, on this thread.
    pub(super) fn from_runtime(runtime: Runtime) -> LocalRuntime {
        assert!(runtime.handle().parts().is_local());
        LocalRuntime {
            runtime,
            not_send: PhantomData,
        }
    }

    /// A reference to the runtime that can be cloned and sent elsewhere.
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Spawns a task on this runtime. It runs while the thread is in [`block_on`](Self::block_on).
    ///
    /// Dropping the handle does not cancel the task: it runs on, and nobody gets its output.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::LocalRuntime;
    ///
    /// let rt = LocalRuntime::new().unwrap();
    /// let not_send = std::rc::Rc::new("local");
    /// let join = rt.spawn_local(async move { *not_send });
    /// assert_eq!(rt.block_on(join).unwrap(), "local");
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let meta = Meta::here();
        box_if_large!(future => self.spawn_sized(future, meta, size_of::<F>()))
    }

    #[track_caller]
    fn spawn_sized<F>(&self, future: F, meta: Meta, original_size: usize) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let meta = meta.announced::<F>("task", original_size);
        self.handle().parts().spawn_local(future, meta)
    }

    /// Runs `f` on a thread for blocking work; see
    /// [`task::spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// What has begun cannot be cancelled; dropping the handle changes nothing.
    ///
    /// # Panics
    ///
    /// If the system refuses a thread while the runtime has none for blocking work.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.runtime.spawn_blocking(f)
    }

    /// Runs `future` and the runtime's tasks on this thread until the future is ready, and returns
    /// its output. Between calls the tasks stand still.
    ///
    /// # Panics
    ///
    /// When `future` panics, or when the thread is running a runtime's futures already. The runtime
    /// can be used on after a panic that was caught.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Enters the runtime's context, until the guard is dropped; see [`Handle::enter`].
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::LocalRuntime;
    ///
    /// let rt = LocalRuntime::new().unwrap();
    /// let join = {
    ///     let _entered = rt.enter();
    ///     yamanote::task::spawn_local(async { 4 })
    /// };
    /// assert_eq!(rt.block_on(join).unwrap(), 4);
    /// ```
    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Shuts down, waiting at most `duration` for blocking jobs to stop; see
    /// [`Runtime::shutdown_timeout`].
    ///
    /// # Panics
    ///
    /// In an async context, unless `duration` is zero.
    #[track_caller]
    pub fn shutdown_timeout(self, duration: Duration) {
        self.runtime.shutdown_timeout(duration);
    }

    /// Shuts down without waiting for blocking jobs; may be called in an async context.
    pub fn shutdown_background(self) {
        self.runtime.shutdown_background();
    }

    /// Numbers about the runtime's work.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.runtime.metrics()
    }
}

// As for `Parts`.
impl UnwindSafe for LocalRuntime {}
impl RefUnwindSafe for LocalRuntime {}
