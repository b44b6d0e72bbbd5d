//! The races of a task, every interleaving of them.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p yamanote --lib loom_tests --release`
//!
//! Each test's goal stands above it. In all of them loom checks that nothing is leaked, that no
//! cell is touched by two threads at once, and that what one thread did before a wake is seen by
//! the poll.

use super::{Id, JoinError, JoinHandle, Notified, OwnedTasks, Schedule, Task};
use crate::loom::cell::UnsafeCell;
use crate::loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::loom::sync::{Arc, Mutex};
use crate::loom::thread;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

struct Shared {
    owned: OwnedTasks<Scheduler>,
    queue: Mutex<VecDeque<Notified<Scheduler>>>,
}

#[derive(Clone)]
struct Scheduler(Arc<Shared>);

impl Schedule for Scheduler {
    fn schedule(&self, task: Notified<Self>) {
        self.0.queue.lock().unwrap().push_back(task);
    }

    fn release(&self, task: &Task<Self>) -> Option<Task<Self>> {
        self.0.owned.remove(task)
    }
}

impl Scheduler {
    fn new() -> Scheduler {
        Scheduler(Arc::new(Shared {
            owned: OwnedTasks::new(1),
            queue: Mutex::new(VecDeque::new()),
        }))
    }

    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (handle, notified) = self.0.owned.bind(future, self.clone(), Id::next());
        if let Some(notified) = notified {
            self.schedule(notified);
        }
        handle
    }

    fn run_all(&self) {
        loop {
            let task = self.0.queue.lock().unwrap().pop_front();
            let Some(task) = task else { break };
            self.0.owned.assert_owner(task).run();
        }
    }

    fn shut_down(&self) {
        self.0.owned.close_and_shutdown_all();
        let queue = std::mem::take(&mut *self.0.queue.lock().unwrap());
        drop(queue);
    }
}

/// Loom reports if it is leaked or dropped twice.
struct Tracked(#[allow(dead_code)] Arc<()>);

impl Tracked {
    fn new() -> Tracked {
        Tracked(Arc::new(()))
    }
}

/// Written by one thread before its wake, read by the poll without any ordering of its own: only
/// the task's word makes it visible.
struct Letter {
    written: AtomicUsize,
    text: UnsafeCell<usize>,
}

// SAFETY: the text is written before the wake and read after the poll that the wake asked for; loom
// checks that this is so.
unsafe impl Sync for Letter {}

impl Letter {
    fn new() -> Letter {
        Letter {
            written: AtomicUsize::new(0),
            text: UnsafeCell::new(0),
        }
    }

    fn write(&self) {
        // SAFETY: as said above.
        self.text.with_mut(|text| unsafe { *text = 7 });
        self.written.store(1, Relaxed);
    }

    fn read(&self) {
        // SAFETY: as said above.
        self.text.with(|text| assert_eq!(unsafe { *text }, 7));
    }
}

/// A future that leaves its waker behind and is ready when all letters are there.
fn wait_for<const N: usize>(
    letters: &Arc<[Letter; N]>,
    wakers: &Arc<Mutex<Vec<Waker>>>,
) -> impl Future<Output = Tracked> + Send + 'static {
    let (letters, wakers, tracked) = (letters.clone(), wakers.clone(), Tracked::new());
    poll_fn(move |cx| {
        let _in_the_future = &tracked;
        if letters
            .iter()
            .all(|letter| letter.written.load(Relaxed) == 1)
        {
            return Poll::Ready(Tracked::new());
        }
        let mut wakers = wakers.lock().unwrap();
        while wakers.len() < N {
            wakers.push(cx.waker().clone());
        }
        Poll::Pending
    })
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Sets a flag when woken.
struct Flag(AtomicUsize);

impl Flag {
    fn new() -> (std::sync::Arc<Flag>, Waker) {
        let flag = std::sync::Arc::new(Flag(AtomicUsize::new(0)));
        (flag.clone(), Waker::from(flag))
    }

    fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl std::task::Wake for Flag {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn value<T>(polled: Poll<Result<T, JoinError>>) -> Option<Result<T, JoinError>> {
    match polled {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

/// No wake-up is lost between a poll that finds nothing and the task going idle, by whichever of
/// two wakes, and the last poll sees what both wakers wrote (rule 6).
#[test]
fn wakes_against_the_run() {
    // Three threads have too many interleavings to try them all; a bug that needs more than three
    // preemptions would be a first.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    for by_value in [false, true] {
        model.check(move || {
            let scheduler = Scheduler::new();
            let letters = Arc::new([Letter::new(), Letter::new()]);
            let wakers = Arc::new(Mutex::new(Vec::new()));
            let mut handle = scheduler.spawn(wait_for(&letters, &wakers));
            scheduler.run_all();
            let threads: Vec<_> = (0..2)
                .map(|index| {
                    let waker = wakers.lock().unwrap().pop().unwrap();
                    let letters = letters.clone();
                    thread::spawn(move || {
                        letters[index].write();
                        if by_value {
                            waker.wake();
                        } else {
                            waker.wake_by_ref();
                        }
                    })
                })
                .collect();
            scheduler.run_all();
            for thread in threads {
                thread.join().unwrap();
            }
            scheduler.run_all();
            for letter in letters.iter() {
                letter.read();
            }
            assert!(
                poll(&mut handle, Waker::noop()).is_ready(),
                "a lost wake-up"
            );
            wakers.lock().unwrap().clear();
        });
    }
}

/// A wake of a task that is notified already: the poll must see what was done before it, although
/// the wake changed nothing. The letter's flag is read without ordering, so only the word's order
/// can make the last poll see it.
#[test]
fn a_wake_that_changes_nothing() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let letters = Arc::new([Letter::new()]);
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let mut handle = scheduler.spawn(wait_for(&letters, &wakers));
        scheduler.run_all();
        let waker = wakers.lock().unwrap().pop().unwrap();
        // Notified by this thread, to be run by the next.
        waker.wake_by_ref();
        let runner = {
            let scheduler = scheduler.clone();
            thread::spawn(move || scheduler.run_all())
        };
        letters[0].write();
        waker.wake_by_ref();
        drop(waker);
        runner.join().unwrap();
        scheduler.run_all();
        letters[0].read();
        assert!(
            poll(&mut handle, Waker::noop()).is_ready(),
            "a lost wake-up"
        );
        wakers.lock().unwrap().clear();
    });
}

/// The joiner is woken, or finds the task complete; the output is dropped once.
#[test]
fn join_against_the_run() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let mut handle = scheduler.spawn(async { Tracked::new() });
        let runner = {
            let scheduler = scheduler.clone();
            thread::spawn(move || scheduler.run_all())
        };
        let (flag, waker) = Flag::new();
        let first = value(poll(&mut handle, &waker));
        runner.join().unwrap();
        match first {
            Some(output) => assert!(output.is_ok()),
            None => {
                assert_eq!(flag.count(), 1, "the joiner was not woken");
                assert!(value(poll(&mut handle, &waker)).unwrap().is_ok());
            }
        }
    });
}

/// The waker that was registered last is woken, and no other one is lost or used twice.
#[test]
fn two_joining_wakers_against_the_run() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let mut handle = scheduler.spawn(async { Tracked::new() });
        let (old_flag, old) = Flag::new();
        assert!(poll(&mut handle, &old).is_pending());
        let runner = {
            let scheduler = scheduler.clone();
            thread::spawn(move || scheduler.run_all())
        };
        let (new_flag, new) = Flag::new();
        let same = poll(&mut handle, &old).is_ready();
        let ready = same || poll(&mut handle, &new).is_ready();
        runner.join().unwrap();
        if !ready {
            assert_eq!(new_flag.count(), 1, "the joiner was not woken");
            assert_eq!(old_flag.count(), 0);
            assert!(poll(&mut handle, &new).is_ready());
        }
        assert!(old_flag.count() <= 1 && new_flag.count() <= 1);
        drop(handle);
        for (flag, waker) in [(old_flag, old), (new_flag, new)] {
            assert_eq!(std::sync::Arc::strong_count(&flag), 2, "a waker was leaked");
            drop(waker);
        }
    });
}

/// The second of the two drops the output; the registered waker is dropped or woken, once.
#[test]
fn dropping_the_handle_against_the_run() {
    for registered in [false, true] {
        loom::model(move || {
            let scheduler = Scheduler::new();
            let mut handle = scheduler.spawn(async { Tracked::new() });
            let (flag, waker) = Flag::new();
            if registered {
                assert!(poll(&mut handle, &waker).is_pending());
            }
            let runner = {
                let scheduler = scheduler.clone();
                thread::spawn(move || scheduler.run_all())
            };
            drop(handle);
            runner.join().unwrap();
            assert_eq!(std::sync::Arc::strong_count(&flag), 2, "a waker was leaked");
            drop(waker);
        });
    }
}

/// An abort from another thread: the task ends once, as a value or as cancelled, and the joiner
/// hears of it.
#[test]
fn abort_against_the_run() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let letters = Arc::new([Letter::new()]);
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let mut handle = scheduler.spawn(wait_for(&letters, &wakers));
        let (flag, waker) = Flag::new();
        assert!(poll(&mut handle, &waker).is_pending());
        let abort = handle.abort_handle();
        let aborter = thread::spawn(move || abort.abort());
        let again = handle.abort_handle();
        scheduler.run_all();
        again.abort();
        scheduler.run_all();
        aborter.join().unwrap();
        scheduler.run_all();
        assert_eq!(flag.count(), 1);
        let result = value(poll(&mut handle, &waker)).unwrap();
        assert!(result.is_err_and(|error| error.is_cancelled()));
        assert!(again.is_finished());
        wakers.lock().unwrap().clear();
    });
}

/// Abort, wake and completion at once.
#[test]
fn abort_against_wake_against_the_run() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let scheduler = Scheduler::new();
        let letters = Arc::new([Letter::new()]);
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let mut handle = scheduler.spawn(wait_for(&letters, &wakers));
        scheduler.run_all();
        let waker = wakers.lock().unwrap().pop().unwrap();
        let abort = handle.abort_handle();
        let aborter = thread::spawn(move || abort.abort());
        let waking = {
            let letters = letters.clone();
            thread::spawn(move || {
                letters[0].write();
                waker.wake();
            })
        };
        scheduler.run_all();
        aborter.join().unwrap();
        waking.join().unwrap();
        scheduler.run_all();
        let result = value(poll(&mut handle, Waker::noop())).expect("not complete");
        if let Err(error) = result {
            assert!(error.is_cancelled());
        }
        wakers.lock().unwrap().clear();
    });
}

/// The shutdown finds the task queued, running or complete; a running one is cancelled by its
/// runner.
#[test]
fn shutdown_against_the_run() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let letters = Arc::new([Letter::new()]);
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let mut handle = scheduler.spawn(wait_for(&letters, &wakers));
        let runner = {
            let scheduler = scheduler.clone();
            thread::spawn(move || scheduler.run_all())
        };
        scheduler.shut_down();
        runner.join().unwrap();
        let result = value(poll(&mut handle, Waker::noop())).expect("not complete");
        assert!(result.is_err_and(|error| error.is_cancelled()));
        wakers.lock().unwrap().clear();
        scheduler.shut_down();
    });
}

/// The shutdown against a wake from outside the runtime: nothing is left in the queue.
#[test]
fn shutdown_against_a_wake() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let letters = Arc::new([Letter::new()]);
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let handle = scheduler.spawn(wait_for(&letters, &wakers));
        scheduler.run_all();
        let waker = wakers.lock().unwrap().pop().unwrap();
        let waking = thread::spawn(move || waker.wake());
        scheduler.shut_down();
        drop(handle);
        waking.join().unwrap();
        // The wake came before the shutdown's last look, or found the task complete, or is here.
        scheduler.run_all();
    });
}

/// A spawn that races the shutdown is cancelled or found (T7).
#[test]
fn shutdown_against_a_spawn() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let spawner = {
            let scheduler = scheduler.clone();
            thread::spawn(move || {
                let tracked = Tracked::new();
                scheduler.spawn(poll_fn(move |_| -> Poll<()> {
                    let _in_the_future = &tracked;
                    Poll::Pending
                }))
            })
        };
        scheduler.shut_down();
        let mut handle = spawner.join().unwrap();
        let result = value(poll(&mut handle, Waker::noop())).expect("not complete");
        assert!(result.is_err_and(|error| error.is_cancelled()));
        scheduler.run_all();
    });
}

/// Three kinds of references given up at once: exactly one frees.
#[test]
fn the_last_reference() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let letters = Arc::new([Letter::new()]);
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let handle = scheduler.spawn(wait_for(&letters, &wakers));
        scheduler.run_all();
        let waker = wakers.lock().unwrap().pop().unwrap();
        let abort = handle.abort_handle();
        let first = thread::spawn(move || drop(handle));
        let second = thread::spawn(move || {
            drop(waker);
            drop(abort);
        });
        scheduler.shut_down();
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// A joiner that waits to the end on its own thread, as an executor would.
#[test]
fn join_by_blocking() {
    loom::model(|| {
        let scheduler = Scheduler::new();
        let handle = scheduler.spawn(async { Tracked::new() });
        let runner = {
            let scheduler = scheduler.clone();
            thread::spawn(move || scheduler.run_all())
        };
        let handle = pin!(handle);
        assert!(loom::future::block_on(handle).is_ok());
        runner.join().unwrap();
    });
}
