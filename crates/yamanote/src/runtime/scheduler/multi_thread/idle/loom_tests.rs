//! No interleaving leaves a task behind while all workers sleep and none was called.
#![forbid(unsafe_code)]

use super::*;
use crate::loom::sync::Arc;
use crate::loom::sync::atomic::Ordering::AcqRel;
use loom::thread;

/// Where tasks wait.
trait Queue: Default + Send + Sync + 'static {
    fn put(&self);
    fn take(&self) -> bool;
    /// Whether a look from outside finds something.
    fn look(&self) -> bool;
}

/// Only a number of tasks, which orders nothing: the fences must do it all.
#[derive(Default)]
struct Number(AtomicUsize);

impl Queue for Number {
    fn put(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn take(&self) -> bool {
        let less_one = |tasks: usize| tasks.checked_sub(1);
        self.0.fetch_update(Relaxed, Relaxed, less_one).is_ok()
    }

    fn look(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

/// The injection queue, looked into as workers do before they sleep.
struct Injected(Inject<()>);

impl Default for Injected {
    fn default() -> Self {
        Injected(Inject::new())
    }
}

impl Queue for Injected {
    fn put(&self) {
        self.0.push(()).unwrap();
    }

    fn take(&self) -> bool {
        self.0.pop().is_some()
    }

    fn look(&self) -> bool {
        Idle::has_work(&self.0, || false)
    }
}

/// What a task does with the worker that has taken it.
#[derive(Clone, Copy, PartialEq)]
enum Tasks {
    /// It ends, and the worker looks for more.
    End,
    /// It lasts until the model ends: others must take the rest.
    Last,
}

struct Model<Q> {
    idle: Idle,
    queue: Q,
    tasks: Tasks,
    /// As `Driver::unpark` leaves them.
    tokens: [AtomicBool; 2],
    /// Workers that stay in a task. Relaxed: read after their threads were joined.
    busy: [AtomicBool; 2],
}

impl<Q: Queue> Model<Q> {
    fn new(tasks: Tasks) -> Arc<Self> {
        Arc::new(Model {
            idle: Idle::new(2),
            queue: Q::default(),
            tasks,
            tokens: [AtomicBool::new(false), AtomicBool::new(false)],
            busy: [AtomicBool::new(false), AtomicBool::new(false)],
        })
    }

    fn produce(&self) {
        self.queue.put();
        self.call();
    }

    fn call(&self) {
        if let Some(worker) = self.idle.worker_to_call() {
            self.tokens[worker].swap(true, AcqRel);
        }
    }

    /// Works until it sleeps, as `worker.rs` does. `searching`: it was called to search.
    fn work(&self, worker: usize, mut searching: bool) {
        loop {
            searching = searching || self.idle.start_searching();
            if searching && self.queue.take() {
                if self.idle.stop_searching() && self.queue.look() {
                    self.call();
                }
                if self.tasks == Tasks::Last {
                    self.busy[worker].store(true, Relaxed);
                    return;
                }
                searching = false;
                continue;
            }
            let _ = self.idle.begin_sleep(worker, searching, Report::NoWatch);
            if self.idle.has_searcher() || !self.queue.look() {
                return;
            }
            searching = self.end_sleep(worker);
        }
    }

    /// `true`: called to search.
    fn end_sleep(&self, worker: usize) -> bool {
        match self.idle.end_sleep(worker) {
            Some(Call::Search) => true,
            Some(Call::StandSentry) => unreachable!("nobody asked for one"),
            None => false,
        }
    }

    fn wake_if_called(&self, worker: usize) {
        // A token may come as its worker wakes by itself; it ends the next sleep at once.
        if self.tokens[worker].swap(false, AcqRel) && !self.busy[worker].load(Relaxed) {
            let searching = self.end_sleep(worker);
            self.work(worker, searching);
        }
    }

    /// The threads have ended: the workers that were called go to work now.
    fn wake_the_called(&self) {
        for worker in [0, 1, 0, 1] {
            self.wake_if_called(worker);
        }
        assert!(!self.queue.take(), "a task was left behind");
        match self.tasks {
            Tasks::End => assert_eq!(self.idle.counts.load(Relaxed), 2 * ASLEEP),
            Tasks::Last => assert_eq!(self.idle.counts.load(Relaxed) & SEARCHING_MASK, 0),
        }
    }
}

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn one_worker_asleep<Q: Queue>(tasks: Tasks) {
    check(3, move || {
        let model = Model::<Q>::new(tasks);
        let _asleep = model.idle.begin_sleep(1, false, Report::NoWatch);
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
fn loom_idle_one_worker_asleep_two_tasks_arrive() {
    one_worker_asleep::<Number>(Tasks::End);
    one_worker_asleep::<Number>(Tasks::Last);
}

/// The queue that workers share, with its lock and its length beside it.
#[test]
fn loom_idle_a_sleeper_looks_into_the_injection_queue() {
    one_worker_asleep::<Injected>(Tasks::Last);
}

#[test]
fn loom_idle_two_workers_go_to_sleep_as_tasks_arrive() {
    check(3, || {
        let model = Model::<Number>::new(Tasks::End);
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

/// A searcher takes one of two tasks, whose second producer left it to the searcher, and stays in
/// it.
#[test]
fn loom_idle_the_last_searcher_looks_again() {
    check(3, || {
        let model = Model::<Number>::new(Tasks::Last);
        let _asleep = model.idle.begin_sleep(0, false, Report::NoWatch);
        let _asleep = model.idle.begin_sleep(1, false, Report::NoWatch);
        let second = {
            let model = model.clone();
            thread::spawn(move || model.produce())
        };
        model.produce();
        for worker in 0..2 {
            model.wake_if_called(worker);
        }
        second.join().unwrap();
        model.wake_the_called();
    });
}
