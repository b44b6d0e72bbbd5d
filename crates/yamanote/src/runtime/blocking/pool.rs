//! The pool: hands jobs to the books, and starts and ends the threads that the books ask for.
#![forbid(unsafe_code)]

use super::books::{Added, Books, Coming, Counts, Kind, Stage};
use super::handles::Handles;
use super::job::{Finished, Job};
use super::{Callback, Config, Life, Wrap, thread};
use crate::runtime::task::{Hook, JoinHandle, Meta};
use crate::sys::fork::Origin;
use crate::util::poison::unpoisoned;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

/// The runtime's end of the pool. Dropping it shuts the pool down and waits for its jobs.
#[derive(Debug)]
pub(crate) struct BlockingPool {
    spawner: Spawner,
    /// A forked child has none of the threads.
    origin: Origin,
}

/// Gives work to the pool.
#[derive(Clone)]
pub(crate) struct Spawner {
    pool: Arc<Pool>,
}

pub(super) struct Pool {
    pub(super) config: Config,
    books: Books<Job>,
    /// Not locked while a thread is started: a worker that starts another would wait for it.
    handles: Mutex<Handles>,
    /// Wakes the shutdown, which waits for the handles of threads that are being started.
    all_started: Condvar,
    wrap: OnceLock<Wrap>,
    /// Called for every blocking job that is accepted, and that is finished.
    job_hooks: OnceLock<(Callback, Callback)>,
}

impl BlockingPool {
    pub(crate) fn new(config: Config) -> BlockingPool {
        let pool = Arc::new(Pool {
            books: Books::new(config.max_threads, config.keep_alive),
            config,
            handles: Mutex::default(),
            all_started: Condvar::new(),
            wrap: OnceLock::new(),
            job_hooks: OnceLock::new(),
        });
        BlockingPool {
            spawner: Spawner { pool },
            origin: Origin::here(),
        }
    }

    pub(crate) fn spawner(&self) -> &Spawner {
        &self.spawner
    }

    /// Takes no more work, and waits until what was queued is done: for ever if `None`, not at all
    /// if zero. Threads for which it does not wait do the work all the same, and end.
    ///
    /// On a thread of the pool it waits neither for the job that called it nor for those that only
    /// this thread would do.
    pub(crate) fn shutdown(&mut self, timeout: Option<Duration>) {
        let pool = &self.spawner.pool;
        let own = usize::from(thread::is_of(pool));
        let all = timeout.is_none().then(|| {
            let _ = pool.books.close(own, Some(Duration::ZERO));
            // Joined here, they need not join each other.
            pool.take_handles()
        });
        if pool.books.close(own, timeout) {
            // All of them, or what was being started meanwhile.
            let rest = pool.take_handles();
            all.into_iter().chain([rest]).for_each(Handles::join_all);
        }
    }
}

impl Drop for BlockingPool {
    fn drop(&mut self) {
        if self.origin.is_here() && !self.spawner.pool.books.is_closed() {
            self.shutdown(None);
        }
    }
}

impl Spawner {
    /// Sets how to enter the runtime's context; once, before the first job.
    pub(crate) fn set_wrap(&self, wrap: Wrap) {
        let set = self.pool.wrap.set(wrap);
        assert!(set.is_ok(), "the context is set once");
    }

    /// Calls `accepted` for every blocking job that is spawned, and `finished` when it was
    /// cancelled, or is over and its joiner has been woken. A paused clock needs this, which must
    /// not run ahead of a job. Once, before the first job.
    pub(crate) fn set_job_hooks(&self, accepted: Callback, finished: Callback) {
        let set = self.pool.job_hooks.set((accepted, finished));
        assert!(set.is_ok(), "job hooks are set once");
    }

    /// How many threads and jobs there are.
    pub(crate) fn counts(&self) -> Counts {
        self.pool.books.counts()
    }

    /// Runs `f` on a thread of the pool. After the shutdown the handle says that it was cancelled.
    ///
    /// # Panics
    ///
    /// If no thread can be started and there is none that would come to the job.
    #[track_caller]
    pub(crate) fn spawn<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        match self.try_spawn(f, Meta::here()) {
            Ok(handle) => handle,
            Err(error) => panic!("OS can't spawn worker thread: {error}"),
        }
    }

    /// As [`Spawner::spawn`], with the error instead of the panic.
    pub(crate) fn try_spawn<F, R>(&self, f: F, meta: Meta) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (job, handle) = Job::blocking(f, meta, self.finished_hook(), self.terminated_hook());
        match self.pool.submit(job) {
            // With `Closed` the job was cancelled, as its handle says.
            Ok(()) | Err(Refused::Closed) => Ok(handle),
            Err(Refused::NoThread(error)) => Err(error),
        }
    }

    /// Runs `f` on a thread of the pool, also if the pool is shut down meanwhile. `None` if it has
    /// been shut down already, or no thread can be had.
    #[track_caller]
    pub(crate) fn spawn_mandatory<F, R>(&self, f: F) -> Option<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (job, handle) = Job::blocking(
            f,
            Meta::here(),
            self.finished_hook(),
            self.terminated_hook(),
        );
        self.pool.submit(job).is_ok().then_some(handle)
    }

    /// Runs a scheduler's worker on a thread of its own: an idle one, or a new one regardless of
    /// the limit.
    pub(crate) fn launch(&self, run: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        match self.pool.submit(Job::Worker(run)) {
            Ok(()) => Ok(()),
            Err(Refused::NoThread(error)) => Err(error),
            Err(Refused::Closed) => Err(io::Error::other("the runtime is being shut down")),
        }
    }

    /// Threads for blocking jobs, without the scheduler's workers.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn num_threads(&self) -> usize {
        self.pool.books.for_blocking()
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn num_idle_threads(&self) -> usize {
        self.pool.books.idle()
    }

    /// Jobs that wait for a thread.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn queue_depth(&self) -> usize {
        self.pool.books.queued()
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn pool_threads(&self) -> usize {
        self.pool.books.threads()
    }

    fn terminated_hook(&self) -> Option<Hook> {
        self.pool.config.terminated.clone()
    }

    fn finished_hook(&self) -> Option<Finished> {
        let (accepted, finished) = self.pool.job_hooks.get()?;
        accepted();
        Some(Finished(finished.clone()))
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

/// Why a job was not taken. It has been cancelled.
enum Refused {
    Closed,
    NoThread(io::Error),
}

impl Pool {
    fn handles(&self) -> MutexGuard<'_, Handles> {
        unpoisoned(self.handles.lock())
    }

    /// Those of the threads that there are; who takes them joins them, or leaves them alone.
    fn take_handles(&self) -> Handles {
        let mut handles = self.handles();
        while handles.awaits() {
            handles = unpoisoned(self.all_started.wait(handles));
        }
        handles.take()
    }

    fn submit(self: &Arc<Pool>, job: Job) -> Result<(), Refused> {
        let kind = job.kind();
        match self.books.add(job, kind) {
            Added::Closed(job) => {
                drop(job);
                Err(Refused::Closed)
            }
            Added::Queued => Ok(()),
            Added::Start(coming) => self.start(coming),
        }
    }

    /// Starts a thread. That takes tens of microseconds, in which others may take and add jobs.
    fn start(self: &Arc<Pool>, coming: Coming) -> Result<(), Refused> {
        let number = self.handles().starts();
        let started = thread::start(self.clone(), number);
        let Err(error) = self.note_started(number, started) else {
            return Ok(());
        };
        let stranded = self.books.not_started(coming);
        // Their handles say that they are cancelled.
        drop(stranded.jobs);
        match stranded.is_failure {
            true => Err(Refused::NoThread(error)),
            false => Ok(()),
        }
    }

    fn note_started(
        &self,
        number: u64,
        started: io::Result<std::thread::JoinHandle<()>>,
    ) -> io::Result<()> {
        let mut handles = self.handles();
        let noted = handles.started(number, started);
        if handles.were_awaited() {
            self.all_started.notify_all();
        }
        noted
    }

    /// The next job for a thread at `stage`, or `None` if the thread is to end.
    pub(super) fn next_job(&self, stage: Stage) -> Option<(Job, Kind)> {
        self.books.next(stage)
    }

    /// How a thread that is being started enters the runtime's context.
    pub(super) fn life(&self) -> Option<Life> {
        self.wrap.get().map(|wrap| wrap())
    }

    /// The thread `number` is about to end.
    pub(super) fn thread_ends(&self, number: u64, stage: Stage) {
        let before = self.handles().retire(number);
        for before in before {
            // It ended before us and has next to nothing left to do.
            let _ = before.join();
        }
        self.books.thread_ends(stage);
    }
}
