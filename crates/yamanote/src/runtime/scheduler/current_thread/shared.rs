//! What tasks, handles and wakers of a current-thread scheduler share.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Waker;
use std::time::Duration;

use super::census_board::CensusBoard;
use super::main_future::Woken;
use super::seat::Seat;
use super::tally::Tally;
use crate::runtime::driver::Driver;
use crate::runtime::scheduler::Config;
use crate::runtime::scheduler::inject::Inject;
use crate::runtime::scheduler::latency::LatencyClock;
use crate::runtime::scheduler::load::Load;
use crate::runtime::scheduler::meter::{Meter, Outside};
use crate::runtime::scheduler::poll_timer::PollTimer;
use crate::runtime::stall::{Polling, Workers};
use crate::runtime::task::{self, Census, Hooks, LocalNotified, NearKey, OwnedTasks};

/// Takes some milliseconds.
const MOST_COUNTED: usize = 100_000;

/// The one slot of the driver that this scheduler uses.
pub(super) const SLOT: usize = 0;

/// Of this many looks for a task, one looks into the injection queue first.
const DEFAULT_GLOBAL_QUEUE_INTERVAL: u32 = 31;

pub(super) fn global_queue_interval(config: &Config) -> u32 {
    let interval = config.global_queue_interval;
    interval.unwrap_or(DEFAULT_GLOBAL_QUEUE_INTERVAL)
}

pub(super) type Notified = task::Notified<Arc<Shared>>;

/// What the driving thread owns.
pub(super) struct Core {
    pub(super) queue: VecDeque<Notified>,
    /// Here while nobody drives.
    pub(super) near_key: Option<NearKey>,
    /// That of `Shared`, here while nobody drives.
    pub(super) polling: Option<Arc<Polling>>,
    /// The tasks that have yielded are collected in here. Empty while nobody drives.
    pub(super) yielded: Vec<Waker>,
    /// Counts how often a thread began to drive.
    pub(super) drives: u32,
    /// Counts looks for a task.
    pub(super) tick: u32,
    /// The look that asks the injection queue first.
    pub(super) next_injected: u32,
    pub(super) tally: Tally,
    pub(super) poll_timer: PollTimer,
}

pub(crate) struct Shared {
    driver: Arc<Driver>,
    pub(super) owned: OwnedTasks<Arc<Shared>>,
    pub(super) inject: Inject<Notified>,
    pub(super) seat: Seat<Box<Core>>,
    /// The main future of the thread that drives is to be polled.
    pub(super) main_woken: Woken,
    /// Something was made runnable since a turn of the driver that could have moved a paused clock.
    /// The next such turn leaves the clock where it is, as Tokio's does, and looks again. Relaxed:
    /// a thread that does not drive sets it before an unpark, which the driving thread sees.
    news: AtomicBool,
    /// A task has panicked that takes all others along. Relaxed: set and read by the thread that
    /// drives.
    has_panicked: AtomicBool,
    /// Nobody wants to hear of polls, and the panic of a task ends no other.
    pub(super) is_plain: bool,
    load: Load,
    meter: Meter,
    outside: Outside,
    census_board: CensusBoard,
    pub(super) polling: Arc<Polling>,
    pub(super) latency: LatencyClock,
    pub(super) config: Config,
}

impl Workers for Shared {
    fn polling(&self, worker: usize) -> Option<&Polling> {
        (worker == 0).then_some(&*self.polling)
    }
}

impl Shared {
    pub(super) fn new(config: Config, driver: Arc<Driver>) -> Self {
        let mut owned = match config.local {
            true => OwnedTasks::new_at_home(),
            false => OwnedTasks::new(1),
        };
        let near_key = owned.take_near_key();
        let polling = Arc::new(Polling::new(config.rouser));
        Shared {
            driver,
            owned,
            inject: Inject::new(),
            seat: Seat::new(Box::new(Core {
                queue: VecDeque::with_capacity(64),
                near_key: Some(near_key),
                polling: Some(polling.clone()),
                yielded: Vec::new(),
                drives: 0,
                tick: 0,
                next_injected: global_queue_interval(&config),
                tally: Tally::default(),
                poll_timer: PollTimer::new(config.poll_times),
            })),
            main_woken: Woken::new(false),
            news: AtomicBool::new(false),
            has_panicked: AtomicBool::new(false),
            is_plain: config.hooks.is_none() && !config.panic_shuts_down,
            load: Load::new(),
            meter: Meter::new(&config),
            outside: Outside::new(),
            census_board: CensusBoard::new(),
            polling,
            latency: LatencyClock::new(config.tracks_latency),
            config,
        }
    }

    pub(crate) fn is_local(&self) -> bool {
        self.owned.home().is_some()
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    pub(crate) fn num_alive_tasks(&self) -> usize {
        self.owned.num_alive_tasks()
    }

    /// Counts the living tasks by where they were spawned, but no more than [`MOST_COUNTED`],
    /// because no task runs meanwhile. `None` if the thread that drives does not get to it within
    /// `patience`, or if there is none.
    pub(crate) fn census(&self, patience: Duration) -> Option<Census> {
        if self.seat.is_free() {
            return None;
        }
        self.census_board.ask(patience, || self.driver.unpark(SLOT))
    }

    /// For the thread that drives: does what was asked for.
    #[inline]
    pub(super) fn answer_census(&self) {
        if self.census_board.is_wanted() {
            let mut census = Census::of_at_most(MOST_COUNTED);
            self.owned.count(&mut census);
            self.census_board.put_up(census);
        }
    }

    pub(crate) fn hooks(&self) -> Option<&Hooks> {
        self.config.hooks.as_deref()
    }

    pub(crate) fn injection_depth(&self) -> usize {
        self.inject.len()
    }

    pub(crate) fn load(&self) -> &Load {
        &self.load
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(crate) fn num_spawned_tasks(&self) -> u64 {
        self.owned.num_spawned_tasks()
    }

    /// Tasks that were ever put into the injection queue.
    pub(crate) fn injected(&self) -> u64 {
        self.inject.pushed()
    }

    pub(crate) fn outside(&self) -> &Outside {
        &self.outside
    }

    /// Runs a task of a scheduler that is not [plain](Self::is_plain).
    #[cold]
    pub(super) fn run_watched(&self, task: LocalNotified<Arc<Shared>>, waited: Option<Duration>) {
        self.end_if_panicked();
        match self.hooks() {
            None => task.run(),
            Some(hooks) => hooks.run(task, waited),
        }
    }

    /// If a task has panicked that takes all others along, drops them all, and panics on this
    /// thread; on the next that drives, too.
    pub(super) fn end_if_panicked(&self) {
        if self.has_panicked.load(Relaxed) {
            self.owned.close_and_shutdown_all();
            panic!(
                "a spawned task panicked and the runtime is configured to shut down on unhandled \
                 panic"
            );
        }
    }

    /// A task has panicked.
    pub(super) fn note_panic(&self) {
        if self.config.panic_shuts_down {
            self.has_panicked.store(true, Relaxed);
        }
    }

    /// Something was made runnable; see the field.
    pub(super) fn note_news(&self) {
        // Read first: this is done for every task, and changes the flag for few.
        if !self.has_news() {
            self.news.store(true, Relaxed);
        }
    }

    pub(super) fn has_news(&self) -> bool {
        self.news.load(Relaxed)
    }

    pub(super) fn take_news(&self) -> bool {
        // Read first: a `swap` is much for each short `block_on`.
        self.has_news() && self.news.swap(false, Relaxed)
    }
}
