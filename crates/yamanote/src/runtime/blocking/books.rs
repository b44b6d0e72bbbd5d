//! The pool's books: which jobs wait, which threads there are, and when one is to be started.
//!
//! The rule: whoever adds a job either promises an idle thread to it or starts a new thread, unless
//! the limit is reached. The one that promises an idle thread takes it off the count, not the
//! thread itself when it wakes up; so no thread is promised twice, and no job waits needlessly.
//!
//! It follows that while a blocking job waits, some thread that counts for blocking jobs will look
//! at the queue again. So closing the books loses nothing: those threads empty the queue before
//! they end.
//!
//! No thread is started here and no job is run or dropped, so no foreign code runs under the lock.
#![forbid(unsafe_code)]

use crate::loom::sync::{Condvar, Mutex, MutexGuard};
use crate::util::poison::unpoisoned;
use crate::util::room;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub(super) struct Books<J> {
    page: Mutex<Page<J>>,
    /// Idle threads wait here for a promise.
    work: Condvar,
    /// The shutdown waits here for the threads.
    ended: Condvar,
    /// Threads for blocking jobs.
    max_threads: usize,
    /// How long a thread stays idle.
    keep_alive: Duration,
}

struct Page<J> {
    queue: VecDeque<Entry<J>>,
    next_ticket: u64,
    /// Started, or about to be.
    threads: usize,
    /// Of the threads, those that run or will run a scheduler's worker.
    workers: usize,
    /// Of the threads, those that wait and are promised to no job.
    idle: usize,
    /// Of the threads, those that wait and have been woken for a job.
    promised: usize,
    /// Of the threads, those that are to end, and look at the queue no more.
    leaving: usize,
    /// Of the threads, those that have been started for a job and have not come for it yet.
    coming: usize,
    closed: bool,
    /// The shutdown waits until there are no more threads than this. Nobody else is told of an end:
    /// each tells costs a system call, whether or not somebody waits.
    awaited: Option<usize>,
}

struct Entry<J> {
    job: J,
    kind: Kind,
    /// By this a submitter finds its job again.
    ticket: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A worker of the scheduler, which runs as long as its runtime. It needs a thread at once,
    /// regardless of the limit, because others may wait for what only it will do.
    Worker,
    /// May wait for a thread.
    Blocking,
}

/// What became of a job.
#[must_use]
pub(super) enum Added<J> {
    /// The books are closed, and the job comes back.
    Closed(J),
    /// A thread will come to it.
    Queued,
    /// A thread was counted that the caller has to start. If it cannot, it says so by
    /// [`Books::not_started`].
    Start(Coming),
}

/// How many threads and jobs there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    /// Threads for blocking jobs, without the scheduler's workers.
    pub(crate) threads: usize,
    /// Of these, those that wait for a job.
    pub(crate) idle: usize,
    /// Jobs that wait for a thread.
    pub(crate) queued: usize,
}

/// A thread that was counted and does not run yet.
#[must_use]
pub(super) struct Coming {
    kind: Kind,
    ticket: u64,
}

/// The jobs to which no thread will come.
#[must_use]
pub(super) struct Stranded<J> {
    pub(super) jobs: Vec<J>,
    /// Whether they include the job for which the thread was to be started, or a worker, of whose
    /// failure nobody else would hear.
    pub(super) is_failure: bool,
}

/// Where a thread stands in its life, as the books count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not asked for a job yet.
    Coming,
    /// It does a job.
    Busy(Kind),
    /// It is to end.
    Leaving,
}

impl<J> Books<J> {
    pub(super) fn new(max_threads: usize, keep_alive: Duration) -> Books<J> {
        Books {
            page: Mutex::new(Page {
                queue: VecDeque::new(),
                next_ticket: 0,
                threads: 0,
                workers: 0,
                idle: 0,
                promised: 0,
                leaving: 0,
                coming: 0,
                closed: false,
                awaited: None,
            }),
            work: Condvar::new(),
            ended: Condvar::new(),
            max_threads,
            keep_alive,
        }
    }

    /// Takes a job in.
    pub(super) fn add(&self, job: J, kind: Kind) -> Added<J> {
        let mut page = self.lock();
        if page.closed {
            return Added::Closed(job);
        }
        let ticket = page.enter(job, kind);
        if page.idle > 0 {
            page.idle -= 1;
            page.promised += 1;
            drop(page);
            self.work.notify_one();
            return Added::Queued;
        }
        if kind == Kind::Blocking && page.for_blocking() >= self.max_threads {
            return Added::Queued;
        }
        page.threads += 1;
        page.coming += 1;
        Added::Start(Coming { kind, ticket })
    }

    /// A thread that was counted does not come. Takes out the jobs to which now no thread will
    /// come.
    pub(super) fn not_started(&self, coming: Coming) -> Stranded<J> {
        let mut page = self.lock();
        page.threads -= 1;
        page.coming -= 1;
        let stranded = page.strand(&coming);
        self.tell_of_end(page);
        stranded
    }

    /// The next job for a thread at `stage`; `None` if the thread is to end. Then it counts as
    /// leaving, because a job that comes meanwhile must not be left to it.
    pub(super) fn next(&self, stage: Stage) -> Option<(J, Kind)> {
        let mut page = self.lock();
        page.leave_stage(stage);
        loop {
            if page.for_blocking() > self.max_threads {
                // It was started beyond the limit, for a worker. As many as may stay are here
                // without it.
                break;
            }
            if let Some(entry) = room::pop_front(&mut page.queue) {
                return Some((entry.job, entry.kind));
            }
            if page.closed {
                break;
            }
            page.idle += 1;
            page = self.wait_idle(page);
            if page.promised > 0 {
                page.promised -= 1;
                continue;
            }
            page.idle -= 1;
            if !page.closed {
                break;
            }
        }
        page.leaving += 1;
        None
    }

    /// A thread ends at `stage`: because it is to end, or because something failed in it.
    pub(super) fn thread_ends(&self, stage: Stage) {
        let mut page = self.lock();
        page.leave_stage(stage);
        page.threads -= 1;
        self.tell_of_end(page);
    }

    /// There is a thread less.
    fn tell_of_end(&self, page: MutexGuard<'_, Page<J>>) {
        let is_awaited = page.awaited.is_some_and(|left| page.threads <= left);
        drop(page);
        if is_awaited {
            self.ended.notify_all();
        }
    }

    /// Takes no more jobs, and waits until all threads but `own` have ended, and so have done what
    /// was queued. Returns whether they have. `None` waits for ever, zero not at all.
    pub(super) fn close(&self, own: usize, timeout: Option<Duration>) -> bool {
        let mut page = self.lock();
        page.closed = true;
        if page.idle + page.promised > 0 {
            self.work.notify_all();
        }
        if page.threads <= own || timeout == Some(Duration::ZERO) {
            return page.threads <= own;
        }
        let start = Instant::now();
        page.awaited = Some(own);
        loop {
            let left = timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
            let has_time = left != Some(Duration::ZERO);
            if page.threads <= own || !has_time {
                page.awaited = None;
                return page.threads <= own;
            }
            page = self.wait(&self.ended, page, left).0;
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let page = self.lock();
        Counts {
            threads: page.for_blocking(),
            idle: page.idle,
            queued: page.queued(Kind::Blocking),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits for a promise, for the end of the books, or for as long as an idle thread stays.
    fn wait_idle<'a>(&'a self, mut page: MutexGuard<'a, Page<J>>) -> MutexGuard<'a, Page<J>> {
        let start = Instant::now();
        let mut timed_out = false;
        while page.promised == 0 && !page.closed && !timed_out {
            let left = self.keep_alive.saturating_sub(start.elapsed());
            (page, timed_out) = self.wait(&self.work, page, Some(left));
        }
        page
    }

    /// Waits once; returns whether `timeout` is over. `None` is for ever.
    fn wait<'a>(
        &'a self,
        condvar: &Condvar,
        page: MutexGuard<'a, Page<J>>,
        timeout: Option<Duration>,
    ) -> (MutexGuard<'a, Page<J>>, bool) {
        // Loom knows no time. There a wait of no length is over at once, and any other never.
        #[cfg(all(test, loom))]
        if timeout == Some(Duration::ZERO) {
            drop(page);
            crate::loom::thread::yield_now();
            return (self.lock(), true);
        }
        match timeout {
            Some(timeout) => {
                let (page, result) = unpoisoned(condvar.wait_timeout(page, timeout));
                (page, result.timed_out())
            }
            None => {
                let page = unpoisoned(condvar.wait(page));
                (page, false)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Page<J>> {
        unpoisoned(self.page.lock())
    }
}

impl<J> Page<J> {
    /// Threads that run, or will run, blocking jobs.
    fn for_blocking(&self) -> usize {
        self.threads - self.workers - self.leaving
    }

    fn enter(&mut self, job: J, kind: Kind) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let entry = Entry { job, kind, ticket };
        match kind {
            Kind::Worker => {
                self.workers += 1;
                // Ahead of the jobs that wait because of the limit, which does not concern it.
                self.queue.push_front(entry);
            }
            Kind::Blocking => self.queue.push_back(entry),
        }
        ticket
    }

    fn leave_stage(&mut self, stage: Stage) {
        match stage {
            Stage::Coming => self.coming -= 1,
            Stage::Busy(Kind::Worker) => self.workers -= 1,
            Stage::Busy(Kind::Blocking) => {}
            Stage::Leaving => self.leaving -= 1,
        }
    }

    /// Takes out what has no thread if this one does not come. That need not be the job for which
    /// it was to be started: a thread takes what is first, so another may have taken this one's job
    /// and left its own.
    fn strand(&mut self, coming: &Coming) -> Stranded<J> {
        let mut jobs = Vec::new();
        let own = match coming.kind {
            Kind::Worker => self.position(|entry| entry.ticket == coming.ticket),
            Kind::Blocking => None,
        };
        let last_worker = self.position(|entry| entry.kind == Kind::Worker);
        let has_too_many = self.queued(Kind::Worker) > self.coming + self.promised;
        if let Some(index) = own.or(last_worker.filter(|_| has_too_many)) {
            self.workers -= 1;
            jobs.extend(self.queue.remove(index).map(|entry| entry.job));
        }
        let mut is_failure = !jobs.is_empty();
        if self.for_blocking() == 0 {
            let queue = std::mem::take(&mut self.queue);
            let (workers, blocking): (VecDeque<_>, VecDeque<_>) = queue
                .into_iter()
                .partition(|entry| entry.kind == Kind::Worker);
            self.queue = workers;
            is_failure |= blocking.iter().any(|entry| entry.ticket == coming.ticket);
            jobs.extend(blocking.into_iter().map(|entry| entry.job));
        }
        Stranded { jobs, is_failure }
    }

    /// The position of the last such entry.
    fn position(&self, is_it: impl Fn(&Entry<J>) -> bool) -> Option<usize> {
        self.queue.iter().rposition(is_it)
    }

    fn queued(&self, kind: Kind) -> usize {
        self.queue.iter().filter(|entry| entry.kind == kind).count()
    }
}

#[cfg(all(test, not(loom)))]
impl<J> Books<J> {
    /// Threads for blocking jobs, without the scheduler's workers.
    pub(super) fn for_blocking(&self) -> usize {
        self.lock().for_blocking()
    }

    pub(super) fn idle(&self) -> usize {
        self.lock().idle
    }

    pub(super) fn queued(&self) -> usize {
        self.lock().queue.len()
    }

    pub(super) fn threads(&self) -> usize {
        self.lock().threads
    }
}

#[cfg(all(test, loom))]
impl<J> Books<J> {
    /// All threads have ended, and nothing is left to do.
    pub(super) fn assert_over(&self) {
        let page = self.lock();
        assert!(page.queue.is_empty());
        let (threads, workers) = (page.threads, page.workers);
        assert_eq!((threads, workers, page.leaving, page.coming), (0, 0, 0, 0));
        assert_eq!((page.idle, page.promised), (0, 0));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn start(books: &Books<u32>, job: u32, kind: Kind) -> Coming {
        match books.add(job, kind) {
            Added::Start(coming) => coming,
            _ => panic!("there is a thread for {job} already"),
        }
    }

    /// A thread takes the first job in the queue, which may be one for which another thread was to
    /// be started.
    #[test]
    fn what_a_thread_that_does_not_come_leaves_behind_need_not_be_its_own() {
        let books = || Books::new(8, Duration::from_secs(20));
        let (ends, is_over) = (
            |books: &Books<u32>, kind| books.thread_ends(Stage::Busy(kind)),
            |books: &Books<u32>| {
                assert_eq!((books.queued(), books.threads()), (0, 0));
                assert!(books.close(0, Some(Duration::ZERO)));
            },
        );

        // The first worker's thread took the second worker.
        let pool = books();
        let _first = start(&pool, 1, Kind::Worker);
        let second = start(&pool, 2, Kind::Worker);
        assert_eq!(pool.next(Stage::Coming), Some((2, Kind::Worker)));
        let stranded = pool.not_started(second);
        assert_eq!((stranded.jobs, stranded.is_failure), (vec![1], true));
        ends(&pool, Kind::Worker);
        is_over(&pool);

        // A job's thread took the worker, and the job has none.
        let pool = books();
        let _first = start(&pool, 1, Kind::Blocking);
        let second = start(&pool, 2, Kind::Worker);
        assert_eq!(pool.next(Stage::Coming), Some((2, Kind::Worker)));
        let stranded = pool.not_started(second);
        assert_eq!((stranded.jobs, stranded.is_failure), (vec![1], false));
        ends(&pool, Kind::Worker);
        is_over(&pool);

        // The thread that is still to come does for what is left.
        let pool = books();
        let _first = start(&pool, 1, Kind::Blocking);
        let _second = start(&pool, 2, Kind::Blocking);
        let third = start(&pool, 3, Kind::Worker);
        assert_eq!(pool.next(Stage::Coming), Some((3, Kind::Worker)));
        let stranded = pool.not_started(third);
        assert_eq!((stranded.jobs, stranded.is_failure), (vec![], false));
        assert_eq!(pool.next(Stage::Coming), Some((1, Kind::Blocking)));
        assert_eq!(
            pool.next(Stage::Busy(Kind::Blocking)),
            Some((2, Kind::Blocking))
        );
        ends(&pool, Kind::Blocking);
        ends(&pool, Kind::Worker);
        is_over(&pool);
    }
}
