//! What workers, handles, wakers and tasks share.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};

use super::core::{self, Public};
use super::handover::Handover;
use super::idle::Idle;
use super::retirement::Retirement;
use crate::runtime::driver::{Driver, SlotGuard};
use crate::runtime::scheduler::Config;
use crate::runtime::scheduler::inject::Inject;
use crate::runtime::scheduler::latency::LatencyClock;
use crate::runtime::scheduler::load::Load;
use crate::runtime::scheduler::meter::{Meter, Outside};
use crate::runtime::stall::{Polling, Workers};
use crate::runtime::task::{self, Census, Hooks, OwnedTasks};
use crate::sys::thread;

pub(super) type Notified = task::Notified<Arc<Shared>>;
pub(super) type Core = core::Core<Notified>;

pub(crate) struct Shared {
    driver: Arc<Driver>,
    pub(super) owned: OwnedTasks<Arc<Shared>>,
    pub(super) inject: Inject<Notified>,
    pub(super) idle: Idle,
    /// By worker.
    pub(super) workers: Box<[Public<Notified>]>,
    pub(super) handover: Handover<Box<Core>>,
    pub(super) retirement: Retirement,
    shutdown: AtomicBool,
    outside: Outside,
    pub(super) latency: LatencyClock,
    pub(super) config: Config,
}

impl Workers for Shared {
    fn polling(&self, worker: usize) -> Option<&Polling> {
        self.workers.get(worker).map(|worker| worker.pace.polling())
    }
}

impl Shared {
    pub(super) fn new(
        config: Config,
        driver: Arc<Driver>,
        workers: Box<[Public<Notified>]>,
    ) -> Self {
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
            outside: Outside::new(),
            latency: LatencyClock::new(config.tracks_latency),
            config,
        }
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// This thread is the worker from now on, and drives its slot until what this returns is
    /// dropped.
    pub(super) fn enter_worker(&self, worker: usize) -> SlotGuard {
        let slot = self.driver.enter_slot(worker);
        let Public { meter, pace, .. } = &self.workers[worker];
        meter.note_thread();
        pace.polling().enter(thread::id());
        slot
    }

    pub(crate) fn num_workers(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn load(&self, worker: usize) -> &Load {
        &self.workers[worker].load
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn meter(&self, worker: usize) -> &Meter {
        &self.workers[worker].meter
    }

    /// Tasks in line at the worker, without the one in its LIFO place.
    pub(crate) fn local_queue_depth(&self, worker: usize) -> usize {
        self.workers[worker].queue.len()
    }

    /// How often the worker's line has become longer than its ring.
    pub(crate) fn overflows(&self, worker: usize) -> u64 {
        self.workers[worker].queue.overflows()
    }

    pub(crate) fn num_spawned_tasks(&self) -> u64 {
        self.owned.num_spawned_tasks()
    }

    pub(crate) fn outside(&self) -> &Outside {
        &self.outside
    }

    /// Tasks that were ever put into the injection queue.
    pub(crate) fn injected(&self) -> u64 {
        self.inject.pushed()
    }

    pub(crate) fn num_alive_tasks(&self) -> usize {
        self.owned.num_alive_tasks()
    }

    /// Counts at most `limit` living tasks by where they were spawned.
    pub(crate) fn census(&self, limit: usize) -> Census {
        let mut census = Census::of_at_most(limit);
        self.owned.count(&mut census);
        census
    }

    pub(crate) fn hooks(&self) -> Option<&Hooks> {
        self.config.hooks.as_deref()
    }

    pub(crate) fn injection_depth(&self) -> usize {
        self.inject.len()
    }

    /// Puts tasks where every worker finds them, and makes sure that one does. After shutdown they
    /// are dropped: their futures are gone already, only memory is left.
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
