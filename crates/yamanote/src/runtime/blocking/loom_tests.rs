//! Jobs against threads that come, wait, stop waiting, fail to come and are to end: every job is
//! done once or comes back, never more are done at once than the limit allows, and the books
//! balance.
#![forbid(unsafe_code)]

use super::books::{Added, Books, Kind, Stage};
use crate::loom::sync::Mutex;
use crate::loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::loom::thread::{self, JoinHandle};
use std::sync::Arc;
use std::time::Duration;

/// To loom a wait of no length is over at once, and any other never.
const NO_KEEP_ALIVE: Duration = Duration::ZERO;
const KEEP_ALIVE: Duration = Duration::from_secs(10);

struct Model {
    books: Books<usize>,
    max_threads: usize,
    running: AtomicUsize,
    /// How often each job was done.
    done: [AtomicUsize; 3],
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug, PartialEq)]
enum Fate {
    /// It will be done.
    Taken,
    /// The books were closed.
    Closed,
    /// No thread, for these.
    Stranded(Vec<usize>),
}

impl Model {
    fn new(max_threads: usize, keep_alive: Duration) -> Arc<Model> {
        Arc::new(Model {
            books: Books::new(max_threads, keep_alive),
            max_threads,
            running: AtomicUsize::new(0),
            done: std::array::from_fn(|_| AtomicUsize::new(0)),
            threads: Mutex::new(Vec::new()),
        })
    }

    fn submit(self: &Arc<Model>, job: usize, kind: Kind) -> Fate {
        match self.books.add(job, kind) {
            Added::Closed(_) => Fate::Closed,
            Added::Queued => Fate::Taken,
            Added::Start(_) => {
                let model = self.clone();
                let thread = thread::spawn(move || model.live());
                self.threads.lock().unwrap().push(thread);
                Fate::Taken
            }
        }
    }

    /// As [`submit`](Self::submit), where the system has no thread to give.
    fn submit_in_vain(&self, job: usize, kind: Kind) -> Fate {
        match self.books.add(job, kind) {
            Added::Closed(_) => Fate::Closed,
            Added::Queued => Fate::Taken,
            Added::Start(coming) => match self.books.not_started(coming).jobs {
                stranded if stranded.is_empty() => Fate::Taken,
                stranded => Fate::Stranded(stranded),
            },
        }
    }

    fn live(&self) {
        let mut stage = Stage::Coming;
        while let Some((job, kind)) = self.books.next(stage) {
            stage = Stage::Busy(kind);
            if kind == Kind::Blocking {
                assert!(self.running.fetch_add(1, Relaxed) < self.max_threads);
            }
            self.done[job].fetch_add(1, Relaxed);
            if kind == Kind::Blocking {
                self.running.fetch_sub(1, Relaxed);
            }
        }
        self.books.thread_ends(Stage::Leaving);
    }

    /// Closes the books, and checks that these jobs and no others have been done by then.
    fn end(&self, jobs: &[usize]) {
        assert!(self.books.close(0, None));
        for (job, done) in self.done.iter().enumerate() {
            let expected = usize::from(jobs.contains(&job));
            assert_eq!(done.load(Relaxed), expected, "job {job}");
        }
        self.books.assert_over();
        for thread in self.threads.lock().unwrap().drain(..) {
            thread.join().unwrap();
        }
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// Threads that stay, and threads that stop waiting at once.
#[test]
fn loom_pool_what_was_queued_is_done_before_the_end() {
    for keep_alive in [KEEP_ALIVE, NO_KEEP_ALIVE] {
        for max_threads in [1, 2] {
            check(move || {
                let model = Model::new(max_threads, keep_alive);
                for job in 0..3 {
                    assert_eq!(model.submit(job, Kind::Blocking), Fate::Taken);
                }
                model.end(&[0, 1, 2]);
            });
        }
    }
}

/// A job that comes while the only thread waits for one, or stops waiting.
#[test]
fn loom_pool_a_job_meets_a_thread_that_goes() {
    for keep_alive in [KEEP_ALIVE, NO_KEEP_ALIVE] {
        check(move || {
            let model = Model::new(1, keep_alive);
            assert_eq!(model.submit(0, Kind::Blocking), Fate::Taken);
            let other = thread::spawn({
                let model = model.clone();
                move || assert_eq!(model.submit(1, Kind::Blocking), Fate::Taken)
            });
            assert_eq!(model.submit(2, Kind::Blocking), Fate::Taken);
            other.join().unwrap();
            model.end(&[0, 1, 2]);
        });
    }
}

/// The job is done or handed back, nothing else.
#[test]
fn loom_pool_a_job_meets_the_end() {
    check(|| {
        let model = Model::new(2, KEEP_ALIVE);
        assert_eq!(model.submit(0, Kind::Blocking), Fate::Taken);
        let late = thread::spawn({
            let model = model.clone();
            move || model.submit(1, Kind::Blocking)
        });
        assert!(model.books.close(0, None));
        let taken = late.join().unwrap() == Fate::Taken;
        model.end(if taken { &[0, 1] } else { &[0] });
    });
}

/// One thread comes, another does not: its job is done by the first, or handed back.
#[test]
fn loom_pool_a_thread_does_not_come() {
    for keep_alive in [KEEP_ALIVE, NO_KEEP_ALIVE] {
        check(move || {
            let model = Model::new(2, keep_alive);
            let other = thread::spawn({
                let model = model.clone();
                move || model.submit(0, Kind::Blocking)
            });
            let fate = model.submit_in_vain(1, Kind::Blocking);
            let others = other.join().unwrap();
            match fate {
                Fate::Taken => model.end(&[0, 1]),
                Fate::Stranded(stranded) => {
                    assert_eq!(stranded, [1]);
                    model.end(&[0]);
                }
                Fate::Closed => unreachable!(),
            }
            assert_eq!(others, Fate::Taken);
        });
    }
}

/// A worker has its thread regardless of the limit, and leaves it to nobody when it is over.
#[test]
fn loom_pool_a_worker_beside_jobs() {
    for keep_alive in [KEEP_ALIVE, NO_KEEP_ALIVE] {
        check(move || {
            let model = Model::new(1, keep_alive);
            assert_eq!(model.submit(0, Kind::Worker), Fate::Taken);
            assert_eq!(model.submit(1, Kind::Blocking), Fate::Taken);
            assert_eq!(model.submit(2, Kind::Blocking), Fate::Taken);
            model.end(&[0, 1, 2]);
        });
    }
}
