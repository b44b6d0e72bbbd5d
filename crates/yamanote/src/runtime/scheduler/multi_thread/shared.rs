//! What workers, handles, wakers and tasks share.
#![forbid(unsafe_code)]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};

use super::current;
use super::handover::Handover;
use super::idle::Idle;
use super::pace::Pace;
use super::queue::Thief;
use super::retire::Retirement;
use super::worker::Push;
use crate::runtime::driver::Driver;
use crate::runtime::scheduler::Config;
use crate::runtime::scheduler::inject::Inject;
use crate::runtime::scheduler::load::Load;
use crate::runtime::task::{self, Id, JoinHandle, OwnedTasks, Schedule, Task};

pub(super) type Notified = task::Notified<Arc<Shared>>;

pub(crate) struct Shared {
    driver: Arc<Driver>,
    pub(super) owned: OwnedTasks<Arc<Shared>>,
    pub(super) inject: Inject<Notified>,
    pub(super) idle: Idle,
    /// By worker.
    pub(super) workers: Box<[Public]>,
    pub(super) handover: Handover,
    pub(super) retirement: Retirement,
    shutdown: AtomicBool,
    pub(super) config: Config,
}

/// What siblings see of a worker. Alone on its cache lines: its owner writes at every poll.
#[repr(align(128))]
pub(super) struct Public {
    pub(super) queue: Thief<Notified>,
    pub(super) pace: Pace,
    pub(super) load: Load,
}

impl Public {
    /// Whether a sibling has a reason to come: there is more than the worker is about to take.
    pub(super) fn has_spare_work(&self) -> bool {
        match self.queue.len() {
            0 => false,
            1 if !self.pace.is_polling() => false,
            queued => self.pace.needs_help_with(queued),
        }
    }
}

impl Shared {
    pub(super) fn new(config: Config, driver: Arc<Driver>, workers: Box<[Public]>) -> Self {
        let count = workers.len();
        Shared {
            driver,
            owned: OwnedTasks::new(count),
            inject: Inject::new(),
            idle: Idle::new(count),
            workers,
            handover: Handover::new(),
            retirement: Retirement::new(count),
            shutdown: AtomicBool::new(false),
            config,
        }
    }

    /// Binds `future` to this scheduler and makes it runnable. After shutdown the future is dropped
    /// and the handle says so.
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F, id: Id) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (join, runnable) = self.owned.bind(future, self.clone(), id);
        if let Some(task) = runnable {
            self.schedule(task);
        }
        join
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    pub(crate) fn num_workers(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn load(&self, worker: usize) -> &Load {
        &self.workers[worker].load
    }

    pub(crate) fn num_alive_tasks(&self) -> usize {
        self.owned.num_alive_tasks()
    }

    pub(crate) fn injection_depth(&self) -> usize {
        self.inject.len()
    }

    /// Puts `task` where it will be run: into the queue of this thread's worker, if it is one of ours
    /// and has not lent its core, otherwise into the injection queue.
    fn make_runnable(self: &Arc<Self>, task: Notified, how: Push) {
        let refused = current::with(|worker| match worker {
            Some(worker) => worker.push(self, task, how),
            None => Err(task),
        });
        if let Err(task) = refused {
            self.inject([task]);
        }
    }

    /// Puts tasks where every worker finds them, and sees to it that one does. After shutdown they are
    /// dropped: their futures are gone already, what is left is memory.
    pub(super) fn inject<I: IntoIterator<Item = Notified>>(&self, tasks: I) {
        match self.inject.push_batch(tasks) {
            Ok(()) => {
                self.call_searcher();
            }
            Err(refused) => drop(refused),
        }
    }

    /// Wakes a sleeper to look for work, unless somebody is looking already.
    pub(super) fn call_searcher(&self) -> bool {
        let called = self.idle.worker_to_call();
        if let Some(worker) = called {
            self.driver.unpark(worker);
        }
        called.is_some()
    }

    /// Wakes a sleeper to stand sentry, unless one does.
    pub(super) fn call_sentry(&self) {
        if let Some(worker) = self.idle.sentry_to_call() {
            self.driver.unpark(worker);
        }
    }

    /// Whether `worker` would find something outside of its own queue.
    pub(super) fn has_work_for(&self, worker: usize) -> bool {
        Idle::has_work(&self.inject, || {
            self.siblings(worker)
                .any(|sibling| self.workers[sibling].has_spare_work())
        })
    }

    pub(super) fn siblings(&self, worker: usize) -> impl Iterator<Item = usize> {
        (0..self.workers.len()).filter(move |sibling| *sibling != worker)
    }

    pub(super) fn is_shutdown(&self) -> bool {
        // Pairs with the Release in `begin_shutdown`.
        self.shutdown.load(Acquire)
    }

    /// Tells all workers to retire.
    pub(super) fn begin_shutdown(&self) {
        // Release: with the Acquire in `is_shutdown`. The tokens of `unpark` carry it to sleepers.
        self.shutdown.store(true, Release);
        drop(self.inject.close());
        for worker in 0..self.workers.len() {
            self.driver.unpark(worker);
        }
        self.handover.close();
    }
}

impl Schedule for Arc<Shared> {
    fn schedule(&self, task: Notified) {
        self.make_runnable(task, Push::Woken);
    }

    fn yield_now(&self, task: Notified) {
        self.make_runnable(task, Push::Yielded);
    }

    fn release(&self, task: &Task<Self>) -> Option<Task<Self>> {
        self.owned.remove(task)
    }
}
