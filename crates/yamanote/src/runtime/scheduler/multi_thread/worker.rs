//! A worker's loop: run tasks, look at the driver in passing, look for work elsewhere, sleep.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::current;
use super::pace::{Pace, StealDelay};
use super::queue::{self, Local};
use super::role::{Call, Report};
use super::sentry::Watch;
use super::shared::{Notified, Public, Shared};
use super::tuning::Tuning;
use crate::runtime::driver::{PollIo, Role, SlotGuard};
use crate::runtime::scheduler::Config;
use crate::runtime::scheduler::load::Load;
use crate::runtime::task::take_blocks;
use crate::util::coop;
use crate::util::rng::FastRand;

/// Tasks from the LIFO place that may run in a row: two tasks that wake each other share the worker
/// with the others.
pub(super) const LIFO_RUNS: u8 = 3;

/// Yields of a task that is alone, between two turns of the driver. A turn costs a system call; what
/// yields is probably waiting for something it tells.
const LONE_YIELDS: u8 = 8;

/// How a task became runnable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Push {
    /// Woken, or new.
    Woken,
    /// Woken during its own poll: the others first.
    Yielded,
}

/// What makes a thread the worker. It travels when the worker is lent to another thread.
pub(super) struct Core {
    pub(super) index: usize,
    pub(super) local: Local<Notified>,
    /// Polls, roughly; wraps.
    tick: u32,
    /// Tasks from the LIFO place since the last one from elsewhere.
    lifo_streak: u8,
    lone_yields: u8,
    /// Counted as a searcher in `Idle`.
    searching: bool,
    report: Report,
    pub(super) watch: Watch,
    steal_delay: StealDelay,
    rng: FastRand,
    /// Tasks on their way from the injection queue to `local`; empty between calls.
    arriving: VecDeque<Notified>,
    tuning: Tuning,
}

/// A thread while it is a worker.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    /// Which worker; that of `core` while it is there.
    pub(super) index: Cell<usize>,
    /// `None` while lent. Never borrowed while foreign code runs.
    pub(super) core: RefCell<Option<Box<Core>>>,
    /// `None` while lent.
    pub(super) slot: RefCell<Option<SlotGuard>>,
    /// Foreign code runs that is no task: wakers called by the driver, hooks, destructors. What it
    /// wakes queues, and is announced by the caller. It may not lend the core.
    pub(super) turning: Cell<bool>,
    /// The turn is for operations: who is woken goes first, for what a thread of the pool wakes is
    /// not behind the tasks here either.
    favours: Cell<bool>,
    /// The task being polled has yielded.
    yielded: Cell<bool>,
    /// The last poll has spent its whole budget.
    spent: Cell<bool>,
    /// Since the last sleep or search the worker has made sure that others look after what it leaves
    /// behind when it polls a task.
    settled: Cell<bool>,
}

/// The two parts of each worker.
pub(super) fn build(config: &Config) -> (Vec<Box<Core>>, Box<[Public]>) {
    let mut seeds = FastRand::new(config.seed);
    let (cores, workers): (Vec<_>, Vec<_>) = (0..config.worker_threads)
        .map(|index| {
            let (local, thief) = queue::new(config.local_queue_capacity);
            let core = Core {
                index,
                local,
                tick: 0,
                lifo_streak: 0,
                lone_yields: 0,
                searching: false,
                report: Report::NoWatch,
                watch: Watch::new(config.worker_threads),
                steal_delay: StealDelay::new(),
                rng: FastRand::new(u64::from(seeds.next_u32())),
                arriving: VecDeque::new(),
                tuning: Tuning::new(),
            };
            let public = Public {
                queue: thief,
                pace: Pace::new(),
                load: Load::new(),
            };
            (Box::new(core), public)
        })
        .unzip();
    (cores, workers.into_boxed_slice())
}

/// The life of a thread that was launched to be a worker: it runs whatever worker needs a thread.
pub(super) fn live(shared: &Arc<Shared>) {
    shared.handover.arrive();
    while let Some(core) = shared.handover.take(shared.driver()) {
        let worker = Worker::new(shared.clone(), core);
        take_blocks();
        current::enter(&worker, || worker.work());
    }
}

impl Worker {
    fn new(shared: Arc<Shared>, core: Box<Core>) -> Self {
        let slot = shared.driver().enter_slot(core.index);
        Worker {
            index: Cell::new(core.index),
            core: RefCell::new(Some(core)),
            slot: RefCell::new(Some(slot)),
            turning: Cell::new(false),
            favours: Cell::new(false),
            yielded: Cell::new(false),
            spent: Cell::new(false),
            settled: Cell::new(false),
            shared,
        }
    }

    /// Works until the runtime shuts down or the core is lent to another thread for good.
    fn work(&self) {
        self.public().pace.end_poll();
        loop {
            if self.shared.is_shutdown() {
                return self.retire();
            }
            let Some(task) = self.next_task().or_else(|| self.search()) else {
                self.sleep();
                continue;
            };
            self.run(task);
            if self.core.borrow().is_none() {
                return;
            }
            self.look_around();
        }
    }

    fn public(&self) -> &Public {
        &self.shared.workers[self.index.get()]
    }

    /// Calls `f` with the core, which must be here. No foreign code may run in `f`.
    pub(super) fn with_core<R>(&self, f: impl FnOnce(&mut Core) -> R) -> R {
        f(self.core.borrow_mut().as_mut().expect("the core is lent"))
    }

    fn run(&self, task: Notified) {
        if !self.settled.get() {
            self.begin_work();
        }
        let task = self.shared.owned.assert_owner(task);
        self.public().pace.begin_poll();
        coop::budget(|| {
            task.run();
            self.spent.set(!coop::has_budget_remaining());
        });
        // A core that was lent in that poll is another thread's business by now.
        if self.core.borrow().is_some() {
            self.public().pace.end_poll();
        }
    }

    /// Before the first task after a sleep or a search.
    fn begin_work(&self) {
        self.settled.set(true);
        self.public().load.unpark();
        self.public().pace.clear_short_polls();
        let (searching, queued) = self.with_core(|core| {
            core.report = Report::NoWatch;
            (std::mem::take(&mut core.searching), core.queued())
        });
        let last = searching && self.shared.idle.stop_searching();
        // More than the task in hand: hand over at once. Whoever is called takes some, and the
        // driver's role if it is free.
        let more = queued > 0 || (last && self.shared.has_work_for(self.index.get()));
        if !(more && self.shared.call_searcher()) {
            self.shared.call_sentry();
        }
    }

    /// After each poll.
    fn look_around(&self) {
        let yielded = self.yielded.take();
        let (lone_yield, due) = self.with_core(|core| {
            let alone = yielded && core.queued() == 1;
            core.lone_yields = if alone { core.lone_yields + 1 } else { 0 };
            // Who has spent a whole budget has done so much that the turn is not dear.
            let lone_yield = core.lone_yields == LONE_YIELDS || (alone && self.spent.get());
            if lone_yield {
                core.lone_yields = 0;
            }
            let interval = self.shared.config.event_interval.max(1);
            (lone_yield, core.tick % interval == 0)
        });
        if due {
            let now = Instant::now();
            if let Some(mean_ns) = self.with_core(|core| core.tuning.lap(now, core.tick)) {
                self.public().pace.note_polls(mean_ns);
            }
            self.public().load.account(now);
            self.turn(PollIo::Drain);
            self.check_siblings_in_passing(now);
        } else if lone_yield {
            self.turn(PollIo::Drain);
        } else if self.ring_is_due() {
            self.favours.set(true);
            self.turn(PollIo::Skip);
            self.favours.set(false);
        }
    }

    /// Whether it is time to look at operations. As often as at the injection queue, which is where a
    /// thread of the pool would tell of their ends. But that queue is looked at by all, and an operation
    /// waits for two looks of one worker: beside long polls, which make these cheap, after each.
    fn ring_is_due(&self) -> bool {
        self.shared.driver().has_own_ops(self.index.get())
            && self.with_core(|core| {
                core.tuning.has_long_polls() || core.tick % self.injection_interval(core) == 0
            })
    }

    /// Polls between two looks into the injection queue.
    fn injection_interval(&self, core: &Core) -> u32 {
        let interval = self.shared.config.global_queue_interval;
        interval.unwrap_or(core.tuning.interval()).max(1)
    }

    /// Looks at the driver without blocking.
    fn turn(&self, poll_io: PollIo) {
        let mut woken = 0;
        self.as_driver(|worker| {
            let driver = worker.shared.driver();
            woken = driver.turn(worker.index.get(), poll_io);
        });
        if woken > 1 {
            // How long those will run has nothing to do with the pace so far.
            self.public().pace.clear_short_polls();
        }
        let queued = self.with_core(|core| core.queued());
        if queued > 1 && self.public().pace.needs_help_with(queued) {
            self.shared.call_searcher();
        }
    }

    /// Runs `f`, foreign code outside of a task; see `turning`.
    pub(super) fn as_driver(&self, f: impl FnOnce(&Self)) {
        // Outside: a child of fork() must not take this for a task's panic and go on.
        self.shared.driver().assert_not_forked();
        self.turning.set(true);
        survive(|| f(self));
        self.turning.set(false);
    }

    /// The next task of this worker's own.
    fn next_task(&self) -> Option<Notified> {
        let inject = &self.shared.inject;
        self.with_core(|core| {
            core.tick = core.tick.wrapping_add(1);
            if core.tick % self.injection_interval(core) == 0 {
                if let Some(task) = inject.pop() {
                    return Some(task);
                }
            }
            core.pop()
        })
        .or_else(|| self.next_injected())
    }

    /// A share of the injection queue, for a worker whose own queue is empty.
    fn next_injected(&self) -> Option<Notified> {
        let inject = &self.shared.inject;
        if inject.is_empty() {
            return None;
        }
        self.with_core(|core| {
            // What fits into the empty queue without overflowing at the next push.
            let most = self.shared.config.local_queue_capacity.max(2) / 2;
            let share = (inject.len() / self.shared.num_workers() + 1).min(most);
            inject.pop_batch(share, &mut core.arriving);
            let first = core.arriving.pop_front();
            for task in core.arriving.drain(..) {
                let leaving = core.local.push_back(task);
                assert!(leaving.is_none(), "half a queue fits into an empty one");
            }
            first
        })
    }

    /// Looks into the siblings' queues.
    fn search(&self) -> Option<Notified> {
        let idle = &self.shared.idle;
        let start = self.with_core(|core| {
            core.searching = core.searching || idle.start_searching();
            core.searching
                .then(|| core.rng.below(self.shared.num_workers() as u32) as usize)
        })?;
        self.settled.set(false);
        self.with_core(|core| {
            let workers = self.shared.num_workers();
            let is_wanted = || !self.shared.inject.is_empty();
            (start..start + workers)
                .map(|i| i % workers)
                .filter(|sibling| *sibling != core.index)
                .map(|sibling| &self.shared.workers[sibling])
                .filter(|sibling| sibling.has_spare_work())
                .filter(|Public { pace, queue, .. }| {
                    !core.steal_delay.leaves_alone(pace, queue, is_wanted)
                })
                .find_map(|sibling| sibling.queue.steal_into(&core.local))
        })
        // Producers trust in a searcher to see this too.
        .or_else(|| self.next_injected())
    }

    /// Sleeps, unless there is something to do after all.
    fn sleep(&self) {
        let config = &self.shared.config;
        if let Some(before_park) = &config.before_park {
            self.as_driver(|_| before_park());
        }
        // The hook may have made something runnable.
        if self.with_core(|core| core.queued()) == 0 {
            self.sleep_now();
        }
        if let Some(after_unpark) = &config.after_unpark {
            self.as_driver(|_| after_unpark());
        }
    }

    fn sleep_now(&self) {
        let (shared, index) = (&self.shared, self.index.get());
        let (searching, report) =
            self.with_core(|core| (std::mem::take(&mut core.searching), core.report));
        self.with_core(|core| core.tuning.rest());
        self.public().pace.clear_short_polls();
        let sleep = shared.idle.begin_sleep(index, searching, report);
        let is_wanted = !shared.idle.has_searcher() && shared.has_work_for(index);
        if !is_wanted && !shared.is_shutdown() {
            let role = match sleep.watches {
                true => Role::Driver,
                false => Role::None,
            };
            let nap = sleep.naps.then(|| self.begin_nap());
            self.public().load.park();
            self.as_driver(|_| {
                shared.driver().park(index, role, nap);
            });
        }
        self.settled.set(false);
        let call = shared.idle.end_sleep(index);
        // Also if it was called away: it may be called so often that no nap ever runs out.
        let seen = match sleep.naps {
            true => self.check_siblings(Instant::now()),
            false => Report::NoWatch,
        };
        let report = match call {
            Some(Call::Search) => Report::NoWatch,
            Some(Call::StandSentry) => Report::AllWell { lively: true },
            None => seen,
        };
        self.with_core(|core| {
            core.searching = call == Some(Call::Search);
            core.report = report;
        });
    }

    /// Takes a task that became runnable on this thread; gives it back if it is another runtime's or
    /// if this thread has lent its core.
    pub(super) fn push(
        &self,
        shared: &Arc<Shared>,
        task: Notified,
        how: Push,
    ) -> Result<(), Notified> {
        if !Arc::ptr_eq(&self.shared, shared) {
            return Err(task);
        }
        let core = self.core.borrow();
        let Some(core) = core.as_deref() else {
            return Err(task);
        };
        let mut announce = false;
        let queued = if how == Push::Yielded {
            self.yielded.set(true);
            // The poll is over. Said before the task is in the queue, so that nobody takes a lone
            // yielding task for one that waits behind another.
            self.public().pace.end_poll();
            Some(task)
        } else if self.turning.get() {
            match self.favours.get() && !self.shared.config.disable_lifo_slot {
                true => core.local.swap_lifo(task),
                false => Some(task),
            }
        } else if self.shared.config.disable_lifo_slot {
            announce = true;
            Some(task)
        } else {
            let displaced = core.local.swap_lifo(task);
            announce = displaced.is_some();
            displaced
        };
        let leaving = queued.and_then(|task| core.local.push_back(task));
        if let Some(leaving) = leaving {
            self.shared.inject(leaving);
        } else if announce && self.public().pace.needs_help_with(core.queued()) {
            self.shared.call_searcher();
        }
        Ok(())
    }

    /// Frees the tasks in the own queue, which are over.
    pub(super) fn drop_queued(&self) {
        // One at a time and without the core: freeing one may run a destructor that wakes another.
        while let Some(task) = self.with_core(|core| core.pop()) {
            self.as_driver(|_| drop(task));
        }
    }
}

impl Core {
    /// Tasks that wait in the own queue.
    pub(super) fn queued(&self) -> usize {
        self.local.len() + usize::from(self.local.has_lifo())
    }

    pub(super) fn pop(&mut self) -> Option<Notified> {
        if self.lifo_streak < LIFO_RUNS {
            if let Some(task) = self.local.pop_lifo() {
                self.lifo_streak += 1;
                return Some(task);
            }
        }
        self.lifo_streak = 0;
        self.local.pop().or_else(|| self.local.pop_lifo())
    }
}

/// Runs what may call wakers, hooks and destructors of the user's. A worker is everybody's: a panic
/// there, reported by the panic hook, must not take it along.
pub(super) fn survive(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // Its destructor may panic in turn, and so might that panic's payload: leak that one.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
    }
}
