//! What a worker is made of: its core, which travels, and its public part, which stays.
//!
//! `T` is a task on its way through the queues.
#![forbid(unsafe_code)]

use super::pace::{Pace, StealDelay};
use super::queue::{self, Local, Pointer, Thief};
use super::role::Report;
use super::tally::Tally;
use super::tuning::Tuning;
use super::watch::Watch;
use crate::runtime::scheduler::Config;
use crate::runtime::scheduler::load::Load;
use crate::runtime::scheduler::meter::Meter;
use crate::runtime::scheduler::poll_timer::PollTimer;
use crate::simulation;
use crate::util::rng::FastRand;

/// Tasks from the LIFO place that may run in a row: two tasks that wake each other share the worker
/// with the others.
const LIFO_RUNS: u8 = 3;

/// What makes a thread the worker. It travels when the worker is lent to another thread.
pub(super) struct Core<T: Pointer> {
    pub(super) index: usize,
    pub(super) local: Local<T>,
    /// Polls, roughly; wraps.
    pub(super) tick: u32,
    /// Polls left until it looks at the driver in passing.
    pub(super) until_turn: u32,
    /// As `tick`, since it last looked into the injection queue although it had tasks of its own.
    pub(super) unlooked: u32,
    /// Tasks from the LIFO place since the last one from elsewhere.
    lifo_streak: u8,
    pub(super) lone_yields: u8,
    /// Counted as a searcher in `Idle`.
    pub(super) searching: bool,
    pub(super) report: Report,
    pub(super) watch: Watch,
    pub(super) steal_delay: StealDelay,
    pub(super) rng: FastRand,
    pub(super) tuning: Tuning,
    pub(super) tally: Tally,
    pub(super) poll_timer: PollTimer,
}

/// What siblings see of a worker. Alone on its cache lines: its owner writes at every poll.
#[repr(align(128))]
pub(super) struct Public<T: Pointer> {
    pub(super) queue: Thief<T>,
    pub(super) pace: Pace,
    pub(super) load: Load,
    pub(super) meter: Meter,
}

/// Both parts of each worker.
pub(super) fn build<T: Pointer>(
    config: &Config,
) -> impl Iterator<Item = (Box<Core<T>>, Public<T>)> {
    let mut seeds = FastRand::new(config.seed);
    (0..config.worker_threads).map(move |index| {
        let (local, thief) = queue::new(config.local_queue_capacity);
        let core = Core {
            index,
            local,
            tick: 0,
            until_turn: config.event_interval,
            unlooked: 0,
            lifo_streak: 0,
            lone_yields: 0,
            searching: false,
            report: Report::NoWatch,
            watch: Watch::new(config.worker_threads),
            steal_delay: StealDelay::new(),
            rng: FastRand::new(u64::from(seeds.next_u32())),
            tuning: Tuning::new(),
            tally: Tally::default(),
            poll_timer: PollTimer::new(config.poll_times),
        };
        let public = Public {
            queue: thief,
            pace: Pace::new(config.rouser),
            load: Load::new(),
            meter: Meter::new(config),
        };
        (Box::new(core), public)
    })
}

impl<T: Pointer> Core<T> {
    /// Tasks that wait in the own queue.
    pub(super) fn queued(&self) -> usize {
        self.local.len() + usize::from(self.local.has_lifo())
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        if simulation::is_inside() {
            self.let_chance_order();
        }
        if self.lifo_streak < LIFO_RUNS {
            if let Some(task) = self.local.pop_lifo() {
                self.lifo_streak += 1;
                return Some(task);
            }
        }
        self.lifo_streak = 0;
        self.local.pop().or_else(|| self.local.pop_lifo())
    }

    /// In a simulation any task may be next: some go from the front of the line to its end, and the
    /// LIFO place is passed over now and then.
    fn let_chance_order(&mut self) {
        /// One that is further back comes to the front in time.
        const CANDIDATES: usize = 8;
        if simulation::choose(3) == 1 {
            self.lifo_streak = LIFO_RUNS;
        }
        for _ in 0..simulation::choose(self.local.len().min(CANDIDATES)) {
            if let Some(task) = self.local.pop() {
                self.local.push_back(task);
            }
        }
    }
}

impl<T: Pointer> Public<T> {
    /// Whether a sibling has a reason to come: there is more than the worker is about to take.
    pub(super) fn has_spare_work(&self) -> bool {
        match self.queue.len() {
            0 => false,
            1 if !self.pace.is_polling() => false,
            queued => self.pace.needs_help_with(queued),
        }
    }
}
