//! The models, for tasks of both kinds. Each one's goal stands above it.

use super::{Flag, Letter, Scheduler, Tracked, poll, value, wait_for};
use crate::loom::sync::{Arc, Mutex};
use crate::loom::thread;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};

/// No wake-up is lost between a poll that finds nothing and the task going idle, by whichever of
/// two wakes, and the last poll sees what both wakers wrote (rule 6).
pub(super) fn wakes_against_the_run<const BIASED: bool>() {
    // Three threads have too many interleavings to try them all; a bug that needs more than three
    // preemptions would be a first.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    for by_value in [false, true] {
        model.check(move || {
            let scheduler = Scheduler::<BIASED>::new();
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
pub(super) fn a_wake_that_changes_nothing<const BIASED: bool>() {
    loom::model(|| {
        let scheduler = Scheduler::<BIASED>::new();
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
pub(super) fn join_against_the_run<const BIASED: bool>() {
    loom::model(|| {
        let scheduler = Scheduler::<BIASED>::new();
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
pub(super) fn two_joining_wakers_against_the_run<const BIASED: bool>() {
    loom::model(|| {
        let scheduler = Scheduler::<BIASED>::new();
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
pub(super) fn dropping_the_handle_against_the_run<const BIASED: bool>() {
    for registered in [false, true] {
        loom::model(move || {
            let scheduler = Scheduler::<BIASED>::new();
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
pub(super) fn abort_against_the_run<const BIASED: bool>() {
    loom::model(|| {
        let scheduler = Scheduler::<BIASED>::new();
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
pub(super) fn abort_against_wake_against_the_run<const BIASED: bool>() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let scheduler = Scheduler::<BIASED>::new();
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
pub(super) fn shutdown_against_the_run<const BIASED: bool>() {
    loom::model(|| {
        let scheduler = Scheduler::<BIASED>::new();
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
pub(super) fn shutdown_against_a_wake<const BIASED: bool>() {
    loom::model(|| {
        let scheduler = Scheduler::<BIASED>::new();
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
pub(super) fn shutdown_against_a_spawn<const BIASED: bool>() {
    loom::model(|| {
        let scheduler = Scheduler::<BIASED>::new();
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
pub(super) fn the_last_reference<const BIASED: bool>() {
    loom::model(|| {
        let scheduler = Scheduler::<BIASED>::new();
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
pub(super) fn join_by_blocking<const BIASED: bool>() {
    loom::model(|| {
        let scheduler = Scheduler::<BIASED>::new();
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

/// Somebody looks at a task that waits, and marks it, while another thread wakes it: the wake is
/// not lost, and the mark does not outlive the poll that follows.
pub(super) fn a_look_against_a_wake<const BIASED: bool>() {
    loom::model(|| {
        let scheduler = Scheduler::<BIASED>::new();
        let letters = Arc::new([Letter::new(), Letter::new()]);
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let mut handle = scheduler.spawn(wait_for(&letters, &wakers));
        scheduler.run_all();
        let [last, first] = {
            let mut wakers = wakers.lock().unwrap();
            [wakers.remove(0), wakers.remove(0)]
        };
        let waking = {
            let letters = letters.clone();
            thread::spawn(move || {
                letters[0].write();
                first.wake();
            })
        };
        let before = scheduler.look();
        waking.join().unwrap();
        scheduler.run_all();
        let after = scheduler.look().expect("it waits for the other letter");
        assert!(before.is_none_or(|before| before < after));
        assert_eq!(scheduler.look(), Some(after), "nobody has polled it since");
        letters[1].write();
        last.wake();
        scheduler.run_all();
        letters.iter().for_each(Letter::read);
        assert!(
            poll(&mut handle, Waker::noop()).is_ready(),
            "a lost wake-up"
        );
        wakers.lock().unwrap().clear();
    });
}
