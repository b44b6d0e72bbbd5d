//! No interleaving leaves a task behind while all workers sleep and none was called.
#![forbid(unsafe_code)]

use super::*;
use crate::loom::sync::Arc;
use crate::loom::sync::atomic::Ordering::AcqRel;
use loom::thread;

/// A queue that is only a number of tasks, and the wake-ups that were sent.
struct Model {
    idle: Idle,
    tasks: AtomicUsize,
    /// As `Driver::unpark` leaves them.
    tokens: [AtomicBool; 2],
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Model {
            idle: Idle::new(2),
            tasks: AtomicUsize::new(0),
            tokens: [AtomicBool::new(false), AtomicBool::new(false)],
        })
    }

    fn produce(&self) {
        self.tasks.fetch_add(1, Relaxed);
        self.call();
    }

    fn call(&self) {
        if let Some(worker) = self.idle.worker_to_call() {
            self.tokens[worker].swap(true, AcqRel);
        }
    }

    fn take(&self) -> bool {
        let mut tasks = self.tasks.load(Relaxed);
        while tasks > 0 {
            match self
                .tasks
                .compare_exchange(tasks, tasks - 1, Relaxed, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => tasks = now,
            }
        }
        false
    }

    /// Works until it sleeps, as `worker.rs` does. `searching`: as told by an errand.
    fn work(&self, worker: usize, mut searching: bool) {
        loop {
            searching = searching || self.idle.start_searching();
            if searching && self.take() {
                if self.idle.stop_searching() && self.tasks.load(Relaxed) > 0 {
                    self.call();
                }
                searching = false;
                continue;
            }
            let (_, must_look) = self.idle.lie_down(worker, searching, Mood::Done);
            if !must_look || self.tasks.load(Relaxed) == 0 {
                return;
            }
            searching = self.rise(worker);
        }
    }

    /// `true`: called to search.
    fn rise(&self, worker: usize) -> bool {
        match self.idle.rise(worker) {
            Some(Errand::Search) => true,
            Some(Errand::StandSentry) => unreachable!("nobody asked for one"),
            None => false,
        }
    }

    /// The threads have ended: whoever was woken goes to work now.
    fn wake_the_called(&self) {
        for worker in [0, 1, 0, 1] {
            if self.tokens[worker].swap(false, AcqRel) {
                let searching = self.rise(worker);
                self.work(worker, searching);
            }
        }
        assert_eq!(self.tasks.load(Relaxed), 0, "a task was left behind");
        assert_eq!(self.idle.counts.load(Relaxed), 2 * ASLEEP);
    }
}

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn loom_idle_one_worker_asleep_two_tasks_arrive() {
    check(3, || {
        let model = Model::new();
        let _asleep = model.idle.lie_down(1, false, Mood::Done);
        let worker = {
            let model = model.clone();
            thread::spawn(move || model.work(0, false))
        };
        model.produce();
        model.produce();
        worker.join().unwrap();
        model.wake_the_called();
    });
}

#[test]
fn loom_idle_two_workers_go_to_sleep_as_tasks_arrive() {
    check(3, || {
        let model = Model::new();
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let model = model.clone();
                thread::spawn(move || model.work(worker, false))
            })
            .collect();
        model.produce();
        model.produce();
        for worker in workers {
            worker.join().unwrap();
        }
        model.wake_the_called();
    });
}

/// A searcher takes one of two tasks whose second producer trusted in it.
#[test]
fn loom_idle_the_last_searcher_looks_again() {
    check(3, || {
        let model = Model::new();
        let _asleep = model.idle.lie_down(0, false, Mood::Done);
        let _asleep = model.idle.lie_down(1, false, Mood::Done);
        let second = {
            let model = model.clone();
            thread::spawn(move || model.produce())
        };
        model.produce();
        for worker in 0..2 {
            if model.tokens[worker].swap(false, AcqRel) {
                let searching = model.rise(worker);
                model.work(worker, searching);
            }
        }
        second.join().unwrap();
        model.wake_the_called();
    });
}
