//! What the watchdog sees of a worker, in every order of their steps.
//!
//! The thread that looks is the one that is started last: loom remembers of each atomic the last
//! access only, and would take the worker's own loads for those of a thread that has looked before.
#![forbid(unsafe_code)]

use super::Rouser;
use super::polling::{Polled, Polling, Sight};
use crate::loom::sync::{Arc, Mutex};
use crate::runtime::task::Id;
use loom::thread;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Two of them differ in both words.
fn tasks() -> [Polled; 2] {
    [
        Polled {
            id: Id::from_number(1),
            spawned_at: Location::caller(),
        },
        Polled {
            id: Id::from_number(2),
            spawned_at: second(),
        },
    ]
}

fn second() -> &'static Location<'static> {
    Location::caller()
}

/// Which of a worker's polls were seen by some order: that nothing but "nothing" is seen would
/// prove nothing.
struct Seen(AtomicU32);

impl Seen {
    const fn none() -> Seen {
        Seen(AtomicU32::new(0))
    }

    fn note(&self, sight: Sight) {
        if sight.polled.is_some() {
            // Relaxed: read when all orders are over.
            self.0.fetch_or(1 << (sight.count / 2), Relaxed);
        }
    }
}

/// The promise: the id and the location of one task, that of the poll which the count is of.
#[test]
fn loom_polling_a_look_sees_one_task_or_none() {
    static SEEN: Seen = Seen::none();
    loom::model(|| {
        let (tasks, polling) = (tasks(), Arc::new(Polling::new(None)));
        let theirs = polling.clone();
        let looks = thread::spawn(move || {
            let sights = [theirs.look(), theirs.look()];
            for sight in sights {
                SEEN.note(sight);
                if let Some(polled) = sight.polled {
                    assert_eq!(polled, tasks[sight.count / 2]);
                }
            }
            // What a stall is told by: counts do not go back.
            assert!(sights[1].count >= sights[0].count);
        });
        for task in tasks {
            polling.begin(task);
            polling.end_begun();
        }
        looks.join().unwrap();
        let after = polling.look();
        assert_eq!((after.count, after.polled), (4, None));
    });
    assert_eq!(SEEN.0.load(Relaxed), 0b11, "both are seen by some order");
}

/// The tasks of a `LocalSet`: the innermost counts, and then what is around it.
#[test]
fn loom_polling_tasks_within_a_task() {
    static SEEN: Seen = Seen::none();
    loom::model(|| {
        let ([outer, inner], polling) = (tasks(), Arc::new(Polling::new(None)));
        let theirs = polling.clone();
        let looks = thread::spawn(move || {
            let sight = theirs.look();
            SEEN.note(sight);
            if let Some(polled) = sight.polled {
                assert_eq!(polled, [outer, inner, outer][sight.count / 2]);
            }
        });
        polling.begin(outer);
        let inside = Polling::inside(Some(&polling));
        inside.begin(inner);
        drop(inside);
        polling.end_begun();
        looks.join().unwrap();
        assert_eq!(polling.look().polled, None);
    });
    assert_eq!(SEEN.0.load(Relaxed), 0b111, "all are seen by some order");
}

/// A worker goes on with another thread, to which a lock hands the cell over.
#[test]
fn loom_polling_a_worker_that_changes_threads() {
    static SEEN: Seen = Seen::none();
    loom::model(|| {
        let (tasks, polling) = (tasks(), Arc::new(Polling::new(None)));
        let core = Arc::new(Mutex::new(()));
        let workers = tasks.map(|task| {
            let (polling, core) = (polling.clone(), core.clone());
            thread::spawn(move || {
                let core = core.lock().unwrap();
                polling.begin(task);
                polling.end();
                drop(core);
            })
        });
        let theirs = polling.clone();
        let looks = thread::spawn(move || {
            let sight = theirs.look();
            SEEN.note(sight);
            if let Some(polled) = sight.polled {
                assert!(tasks.contains(&polled), "{polled:?}");
            }
        });
        for thread in workers.into_iter().chain([looks]) {
            thread.join().unwrap();
        }
        assert_eq!(polling.look().count, 4);
    });
    assert_eq!(SEEN.0.load(Relaxed), 0b11, "both are seen by some order");
}

/// No worker is awake while the watchdog lies: it has seen that somebody is, or was got up.
#[test]
fn loom_polling_a_worker_that_wakes_up_while_the_watchdog_lies_down() {
    loom::model(|| {
        let rouser: &'static Rouser = Box::leak(Box::new(Rouser::new(|| {})));
        rouser.stay_up();
        let polling = Arc::new(Polling::new(Some(rouser)));
        let theirs = polling.clone();
        let worker = thread::spawn(move || theirs.wake_up());
        rouser.lie_down();
        let sees = polling.is_awake();
        worker.join().unwrap();
        assert!(sees || !rouser.lies());
    });
}
