//! What another thread sees of a worker.
#![forbid(unsafe_code)]

use super::{Polled, Polling};
use crate::loom::sync::Arc;
use crate::loom::thread;
use crate::runtime::task::Id;
use std::panic::Location;

#[track_caller]
fn task(number: u64) -> Polled {
    Polled {
        id: Id::from_number(number),
        spawned_at: Location::caller(),
    }
}

/// The promise of `polling`: id and location of one task, or nothing; and the same count means the
/// same poll, also if a task is polled twice.
#[test]
fn loom_a_look_sees_one_task_or_none() {
    let tasks = [task(1), task(2)];
    loom::model(move || {
        let polling = Arc::new(Polling::new(None));
        let worker = polling.clone();
        let worker = thread::spawn(move || {
            for polled in [tasks[0], tasks[1], tasks[0]] {
                worker.begin(polled);
                worker.end();
            }
        });
        let sights = [polling.look(), polling.look()];
        for sight in sights {
            let in_order = [tasks[0], tasks[1], tasks[0]];
            if let Some(polled) = sight.polled {
                assert_eq!(polled, in_order[sight.count / 2]);
            }
        }
        worker.join().unwrap();
    });
}
