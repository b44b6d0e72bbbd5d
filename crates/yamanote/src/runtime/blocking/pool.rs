//! The pool's books: what waits, which threads there are, and when to start one.
//!
//! The rule: who adds a job either promises an idle thread to it or starts a new thread, unless the
//! limit is reached. Idle threads are counted by who promises them, not by themselves when they wake
//! up, so no thread is promised twice and no job waits that need not.
#![forbid(unsafe_code)]

use super::job::{Finished, Job};
use super::{Callback, Config, Wrap, thread};
use crate::runtime::task::JoinHandle;
use crate::sys::fork::process_image;
use crate::util::room;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The runtime's end of the pool. Dropping it shuts the pool down and waits for what has started.
#[derive(Debug)]
pub(crate) struct BlockingPool {
    spawner: Spawner,
    /// The process it was made in; a forked child has none of the threads.
    image: u64,
}

/// Gives work to the pool.
#[derive(Clone)]
pub(crate) struct Spawner {
    pool: Arc<Pool>,
}

pub(super) struct Pool {
    pub(super) config: Config,
    books: Mutex<Books>,
    /// Idle threads wait here for a promise.
    work: Condvar,
    /// The shutdown waits here for the threads.
    ended: Condvar,
    /// Locked while a thread is started, so that a thread that ends finds its handle here.
    handles: Mutex<Handles>,
    /// Told of every blocking job accepted and finished.
    job_hooks: OnceLock<(Callback, Callback)>,
}

#[derive(Default)]
struct Books {
    /// With the number by which a submitter finds its job again.
    queue: VecDeque<(u64, Job)>,
    next_ticket: u64,
    /// Started, or about to be.
    threads: usize,
    /// Of the threads, those that have or will have a scheduler's worker to run.
    workers: usize,
    /// Of the threads, those that wait and are promised to no job.
    idle: usize,
    /// Of the threads, those that wait and have been woken for a job.
    promised: usize,
    /// Of the threads, those that have been told to end, and look at the queue no more.
    leaving: usize,
    /// Of the threads, those that have been started for a job and have not come for it yet.
    coming: usize,
    closed: bool,
    /// So many jobs at the head of the queue had a thread on its way when the pool was closed: they
    /// count as started, and are run.
    started: usize,
    wrap: Option<Wrap>,
}

#[derive(Default)]
pub(super) struct Handles {
    running: HashMap<u64, std::thread::JoinHandle<()>>,
    next_thread: u64,
    /// The thread that ended last; the next to end joins it, so that no ended thread is left behind.
    ended: Option<std::thread::JoinHandle<()>>,
}

impl BlockingPool {
    pub(crate) fn new(config: Config) -> BlockingPool {
        let pool = Arc::new(Pool {
            config,
            books: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
            handles: Mutex::default(),
            job_hooks: OnceLock::new(),
        });
        BlockingPool {
            spawner: Spawner { pool },
            image: process_image(),
        }
    }

    pub(crate) fn spawner(&self) -> &Spawner {
        &self.spawner
    }

    /// Takes no more work, cancels what has not started, and waits for what has: for ever with
    /// `None`, not at all with zero. Threads that are not waited for end by themselves.
    pub(crate) fn shutdown(&mut self, timeout: Option<Duration>) {
        let pool = &self.spawner.pool;
        let mut books = pool.lock();
        books.closed = true;
        books.started = books.queue.len().min(books.coming + books.promised);
        pool.work.notify_all();
        // A runtime may be dropped on one of its own blocking threads, which cannot outlive itself.
        let own = usize::from(thread::is_of(pool));
        let ended = match timeout {
            Some(Duration::ZERO) => books.threads == own,
            Some(timeout) => {
                let running = |books: &mut Books| books.threads > own;
                let waited = pool.ended.wait_timeout_while(books, timeout, running);
                let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                books = guard;
                !timeout.timed_out()
            }
            None => {
                let running = |books: &mut Books| books.threads > own;
                let waited = pool.ended.wait_while(books, running);
                books = waited.unwrap_or_else(PoisonError::into_inner);
                true
            }
        };
        // The wrap may hold what holds this pool.
        let wrap = books.wrap.take();
        // Without threads nobody else will look at the queue again.
        let rest = match ended {
            true => mem::take(&mut books.queue),
            false => VecDeque::new(),
        };
        drop(books);
        drop(wrap);
        for (_, job) in rest {
            job.run_at_shutdown();
        }
        let handles = mem::take(&mut *pool.handles());
        if ended {
            handles.join_all();
        }
    }
}

impl Drop for BlockingPool {
    fn drop(&mut self) {
        if self.image == process_image() && !self.spawner.pool.lock().closed {
            self.shutdown(None);
        }
    }
}

impl Spawner {
    /// Tells how to enter the runtime's context; once, before the first job.
    pub(crate) fn set_wrap(&self, wrap: Wrap) {
        self.pool.lock().wrap = Some(wrap);
    }

    /// Calls `accepted` for every blocking job when it is spawned, and `finished` when it is over and
    /// its joiner has been woken (or it was cancelled). For a paused clock, which must not run ahead
    /// of a job. Once, before the first job.
    pub(crate) fn set_job_hooks(&self, accepted: Callback, finished: Callback) {
        let set = self.pool.job_hooks.set((accepted, finished));
        assert!(set.is_ok(), "job hooks are set once");
    }

    /// Runs `f` on a thread of the pool. After the shutdown the handle resolves to a cancelled error.
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
        match self.try_spawn(f) {
            Ok(handle) => handle,
            Err(error) => panic!("OS can't spawn worker thread: {error}"),
        }
    }

    /// As [`Spawner::spawn`], with the error instead of the panic.
    pub(crate) fn try_spawn<F, R>(&self, f: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (job, handle) = Job::blocking(f, false, self.finished_hook());
        match self.pool.submit(job) {
            // The job was cancelled with `Closed`, which the handle tells.
            Ok(()) | Err(Refused::Closed) => Ok(handle),
            Err(Refused::NoThread(error)) => Err(error),
        }
    }

    /// Runs `f` on a thread of the pool, also if the pool is shut down before its turn. `None` if it
    /// has been shut down already, or no thread can be had.
    pub(crate) fn spawn_mandatory<F, R>(&self, f: F) -> Option<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (job, handle) = Job::blocking(f, true, self.finished_hook());
        self.pool.submit(job).is_ok().then_some(handle)
    }

    /// Runs a scheduler's worker on a thread of its own: an idle one, or a new one whatever the limit.
    pub(crate) fn launch(&self, run: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        match self.pool.submit(Job::Worker(run)) {
            Ok(()) => Ok(()),
            Err(Refused::NoThread(error)) => Err(error),
            Err(Refused::Closed) => Err(io::Error::other("the runtime is being shut down")),
        }
    }

    /// Threads for blocking jobs, without the scheduler's workers.
    #[cfg(test)]
    pub(crate) fn num_threads(&self) -> usize {
        self.pool.lock().for_blocking()
    }

    #[cfg(test)]
    pub(crate) fn num_idle_threads(&self) -> usize {
        self.pool.lock().idle
    }

    /// Jobs that wait for a thread.
    #[cfg(test)]
    pub(crate) fn queue_depth(&self) -> usize {
        self.pool.lock().queue.len()
    }

    #[cfg(test)]
    pub(super) fn pool_threads(&self) -> usize {
        self.pool.lock().threads
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
    fn lock(&self) -> MutexGuard<'_, Books> {
        // No user code runs under this lock.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handles(&self) -> MutexGuard<'_, Handles> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Pool>, job: Job) -> Result<(), Refused> {
        let mut books = self.lock();
        if books.closed {
            drop(books);
            // Here, for the drop of a job is the user's code.
            drop(job);
            return Err(Refused::Closed);
        }
        let worker = job.is_worker();
        let ticket = books.add(job);
        if books.idle > 0 {
            books.idle -= 1;
            books.promised += 1;
            drop(books);
            self.work.notify_one();
            return Ok(());
        }
        if !worker && books.for_blocking() >= self.config.max_threads {
            return Ok(());
        }
        books.threads += 1;
        books.coming += 1;
        drop(books);
        // Starting a thread takes tens of microseconds; others may take and add jobs meanwhile.
        let started = self.handles().start(self);
        match started {
            Ok(()) => Ok(()),
            Err(error) => self.not_started(ticket, worker, error),
        }
    }

    /// The thread that was to be started for the job `ticket` is not coming.
    fn not_started(&self, ticket: u64, worker: bool, error: io::Error) -> Result<(), Refused> {
        let mut books = self.lock();
        books.threads -= 1;
        books.coming -= 1;
        // A worker needs a thread at once; a blocking job may wait for one that will be free.
        if !worker && books.for_blocking() > 0 {
            return Ok(());
        }
        let own = books.queue.iter().position(|(t, _)| *t == ticket);
        let Some((_, own)) = own.and_then(|index| books.queue.remove(index)) else {
            // Some thread came by and took it.
            return Ok(());
        };
        let mut stranded = Vec::new();
        if worker {
            books.workers -= 1;
        } else {
            // Jobs that were left in the queue in the hope for the thread that did not come.
            let queue = mem::take(&mut books.queue);
            let (workers, blocking) = queue.into_iter().partition(|(_, job)| job.is_worker());
            books.queue = workers;
            stranded = Vec::from(blocking);
        }
        if books.closed {
            self.ended.notify_all();
        }
        drop(books);
        drop(own);
        drop(stranded);
        Err(Refused::NoThread(error))
    }

    /// The next job for a thread, or `None` when the thread is to end. It does not count any more
    /// then, for a job that comes while it goes must not be left to it.
    pub(super) fn next_job(&self, from: From) -> Option<(Job, Mode)> {
        let mut books = self.lock();
        match from {
            From::Start => books.coming -= 1,
            From::Worker => books.workers -= 1,
            From::Blocking => {}
        }
        loop {
            if books.for_blocking() > self.config.max_threads && !books.closed {
                // The thread was started beyond the limit, for a worker.
                break;
            }
            if let Some((_, job)) = room::pop_front(&mut books.queue) {
                let mode = match books.closed && books.started == 0 {
                    true => Mode::Shutdown,
                    false => Mode::Normal,
                };
                books.started = books.started.saturating_sub(1);
                return Some((job, mode));
            }
            if books.closed {
                break;
            }
            books.idle += 1;
            let waits = |books: &mut Books| books.promised == 0 && !books.closed;
            let waited = self
                .work
                .wait_timeout_while(books, self.config.keep_alive, waits);
            books = waited.unwrap_or_else(PoisonError::into_inner).0;
            if books.promised > 0 {
                books.promised -= 1;
                continue;
            }
            books.idle -= 1;
            if !books.closed {
                break;
            }
        }
        books.leaving += 1;
        None
    }

    pub(super) fn wrap(&self) -> Option<Wrap> {
        self.lock().wrap.clone()
    }

    /// The thread `number` is about to end. It `was_told` to, unless it panicked.
    pub(super) fn thread_ends(&self, number: u64, was_told: bool) {
        let before = self.handles().retire(number);
        if let Some(before) = before {
            // It has been here before us and has next to nothing left to do.
            let _ = before.join();
        }
        let mut books = self.lock();
        books.threads -= 1;
        books.leaving -= usize::from(was_told);
        if books.closed {
            self.ended.notify_all();
        }
    }
}

/// Where a thread that asks for a job comes from.
pub(super) enum From {
    Start,
    Worker,
    Blocking,
}

/// How a thread does a job.
pub(super) enum Mode {
    Normal,
    Shutdown,
}

impl Books {
    /// Threads that run, or will run, blocking jobs.
    fn for_blocking(&self) -> usize {
        self.threads - self.workers - self.leaving
    }

    fn add(&mut self, job: Job) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        if job.is_worker() {
            self.workers += 1;
            // Ahead of jobs that wait for the limit, which does not concern it.
            self.queue.push_front((ticket, job));
        } else {
            self.queue.push_back((ticket, job));
        }
        ticket
    }
}

impl Handles {
    fn start(&mut self, pool: &Arc<Pool>) -> io::Result<()> {
        let number = self.next_thread;
        self.next_thread += 1;
        let handle = thread::start(pool.clone(), number)?;
        self.running.insert(number, handle);
        Ok(())
    }

    /// Notes the end of a thread; returns the one to be joined by it.
    fn retire(&mut self, number: u64) -> Option<std::thread::JoinHandle<()>> {
        // Gone if the shutdown has given up waiting.
        let own = self.running.remove(&number)?;
        self.ended.replace(own)
    }

    fn join_all(self) {
        let own = std::thread::current().id();
        for handle in self.running.into_values().chain(self.ended) {
            if handle.thread().id() != own {
                let _ = handle.join();
            }
        }
    }
}
