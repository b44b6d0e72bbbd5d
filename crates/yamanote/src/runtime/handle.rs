//! The handle: what can be done with a runtime from anywhere.
#![forbid(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use super::blocking;
use super::console;
use super::context::{self, SetCurrentGuard};
use super::driver::{Driver, DriverKind};
use super::flavor::RuntimeFlavor;
use super::id::Id;
use super::large_futures::box_if_large;
use super::metrics::RuntimeMetrics;
use super::parts::Parts;
use super::task::{self, JoinHandle};
use super::try_current_error::TryCurrentError;
use crate::util::thread_park;

/// A reference to a runtime, cheap to clone and to send to other threads.
///
/// A handle does not keep the runtime running: after the [`Runtime`] is dropped, tasks spawned
/// through a handle are cancelled at once, and the runtime's timers and sockets return errors or
/// panic, as they document.
///
/// [`Runtime`]: super::Runtime
#[derive(Clone)]
pub struct Handle {
    parts: Arc<Parts>,
}

/// Makes a runtime the current one until it is dropped; see [`Handle::enter`].
///
/// Guards must be dropped in the reverse order of their making.
#[derive(Debug)]
#[must_use = "the runtime is left again at once when the guard is dropped"]
pub struct EnterGuard<'a> {
    _current: SetCurrentGuard,
    _handle: PhantomData<&'a Handle>,
}

impl Handle {
    pub(super) fn new(parts: Arc<Parts>) -> Self {
        Handle { parts }
    }

    pub(super) fn parts(&self) -> &Arc<Parts> {
        &self.parts
    }

    /// Enters the runtime's context on this thread, until the guard is dropped.
    ///
    /// Inside, [`task::spawn`](crate::task::spawn) and everything that needs a runtime when it is
    /// made (timers, sockets, files) use this one. Nothing is driven by entering.
    ///
    /// Do not hold the guard across an `.await`: the task may go on on another thread, where the
    /// guard has no effect, while it still has one here.
    ///
    /// # Panics
    ///
    /// When called from the destructor of a thread-local after the context is gone. Dropping guards
    /// in another order than the reverse of their making panics too.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Runtime;
    ///
    /// let rt = Runtime::new().unwrap();
    /// let join = {
    ///     let _entered = rt.handle().enter();
    ///     yamanote::task::spawn(async { 4 })
    /// };
    /// assert_eq!(rt.block_on(join).unwrap(), 4);
    /// ```
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard {
            _current: context::set_current(&self.parts),
            _handle: PhantomData,
        }
    }

    /// The current runtime's handle.
    ///
    /// There is one inside [`Runtime::block_on`](super::Runtime::block_on), inside tasks and
    /// blocking jobs, in the hooks of the builder, and while an [`EnterGuard`] is alive.
    ///
    /// # Panics
    ///
    /// Outside a runtime's context. [`try_current`](Self::try_current) does not panic.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::{Handle, Runtime};
    ///
    /// let rt = Runtime::new().unwrap();
    /// rt.block_on(async {
    ///     let handle = Handle::current();
    ///     let answer = handle.spawn(async { 42 }).await.unwrap();
    ///     assert_eq!(answer, 42);
    /// });
    /// ```
    #[track_caller]
    pub fn current() -> Self {
        match Handle::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// The current runtime's handle, or an error outside a runtime's context.
    ///
    /// # Errors
    ///
    /// When there is no current runtime, or when the thread's locals are destroyed already; the
    /// error says which.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::{Handle, Runtime};
    ///
    /// assert!(Handle::try_current().is_err());
    /// let rt = Runtime::new().unwrap();
    /// rt.block_on(async { assert!(Handle::try_current().is_ok()) });
    /// ```
    pub fn try_current() -> Result<Self, TryCurrentError> {
        context::with_current(|parts| Handle::new(parts.clone()))
    }

    /// Spawns a task on this runtime.
    ///
    /// It begins to run when the runtime gets to it, whether the returned handle is awaited or not.
    /// A current-thread runtime runs it while some thread is in
    /// [`Runtime::block_on`](super::Runtime::block_on). After shutdown the future is dropped at
    /// once, and the handle resolves to a cancelled [`JoinError`](crate::task::JoinError).
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Runtime;
    ///
    /// let rt = Runtime::new().unwrap();
    /// let join = rt.handle().spawn(async { 1 + 1 });
    /// assert_eq!(rt.block_on(join).unwrap(), 2);
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_as(future, task::Meta::here())
    }

    pub(crate) fn spawn_as<F>(&self, future: F, meta: task::Meta) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        box_if_large!(future => self.spawn_sized(future, meta, size_of::<F>()))
    }

    fn spawn_sized<F>(
        &self,
        future: F,
        meta: task::Meta,
        original_size: usize,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let meta = meta.announced::<F>("task", original_size);
        self.parts.spawn(future, meta).finish()
    }

    /// Runs `f` on a thread for blocking work.
    ///
    /// See [`task::spawn_blocking`](crate::task::spawn_blocking).
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
    /// use yamanote::runtime::Runtime;
    ///
    /// let rt = Runtime::new().unwrap();
    /// let join = rt.handle().spawn_blocking(|| "read from a slow disk");
    /// assert_eq!(rt.block_on(join).unwrap(), "read from a slow disk");
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.parts.blocking.spawn(f)
    }

    /// Polls `future` on this thread, in the runtime's context, until it is ready.
    ///
    /// This thread drives nothing. On a multi-thread runtime the workers do; on a current-thread
    /// runtime timers, I/O and tasks make progress only while another thread is in
    /// [`Runtime::block_on`](super::Runtime::block_on) of the same runtime.
    ///
    /// After the runtime is shut down, futures that need nothing of it still work; its I/O returns
    /// errors and its timers panic.
    ///
    /// # Panics
    ///
    /// When `future` panics, or when the thread is running a runtime's futures already.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Runtime;
    ///
    /// let rt = Runtime::new().unwrap();
    /// let handle = rt.handle().clone();
    /// let thread = std::thread::spawn(move || handle.block_on(async { "from a plain thread" }));
    /// assert_eq!(thread.join().unwrap(), "from a plain thread");
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        box_if_large!(future => {
            let future = task::block_on_span(future, size_of::<F>());
            context::enter_runtime(&self.parts, true, || {
                let output = thread_park::block_on(future);
                self.parts.scheduler.outside().note_polls();
                output
            })
        })
    }

    /// Which kind of runtime this is.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::{Builder, RuntimeFlavor};
    ///
    /// let rt = Builder::new_current_thread().build().unwrap();
    /// assert_eq!(rt.handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
    /// ```
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        self.parts.flavor()
    }

    /// The runtime's number.
    pub fn id(&self) -> Id {
        self.parts.id
    }

    /// The name given to the runtime with [`Builder::name`](super::Builder::name), if any.
    pub fn name(&self) -> Option<&str> {
        self.parts.name.as_deref()
    }

    /// Numbers about the runtime's work.
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::new(self.parts.clone())
    }

    /// The driver under this runtime: io_uring, or epoll where io_uring cannot be had.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::{Builder, DriverChoice, DriverKind};
    ///
    /// # if std::env::var_os("YAMANOTE_DRIVER").is_none() {
    /// let rt = Builder::new_current_thread()
    ///     .driver(DriverChoice::Epoll)
    ///     .build()
    ///     .unwrap();
    /// assert_eq!(rt.handle().driver(), DriverKind::Epoll);
    /// # }
    /// ```
    pub fn driver(&self) -> DriverKind {
        self.driver_handle().kind()
    }

    /// Where the console is at which this runtime can be looked into; `None` without one. See
    /// [`Builder::console`](super::Builder::console).
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_current_thread().console(false).build().unwrap();
    /// assert_eq!(rt.handle().console_path(), None);
    /// ```
    pub fn console_path(&self) -> Option<PathBuf> {
        console::path_of(&self.parts)
    }

    pub(crate) fn driver_handle(&self) -> &Arc<Driver> {
        self.parts.driver_handle()
    }

    /// As [`blocking_spawner`](Self::blocking_spawner), for one job of a file, which is counted.
    pub(crate) fn spawner_for_files(&self) -> &blocking::Spawner {
        self.parts.file_jobs.add_shared(1);
        self.blocking_spawner()
    }

    pub(crate) fn blocking_spawner(&self) -> &blocking::Spawner {
        &self.parts.blocking
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.parts, f)
    }
}
