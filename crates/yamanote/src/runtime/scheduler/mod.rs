//! The schedulers: which task runs next, and on which thread.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use self::histogram::Layout;
use self::poll_timer::PollTimes;
use super::driver::Driver;
use super::stall::{Polling, Rouser, Workers};
use super::task::{self, Census, Hooks, Id, JoinHandle, LookFn, Looks, Meta, Spawned, View};
use crate::util::trace::Leaf;

pub(crate) mod current_thread;
pub(crate) mod histogram;
pub(crate) mod inject;
pub(crate) mod latency;
pub(crate) mod load;
pub(crate) mod meter;
pub(crate) mod multi_thread;
pub(crate) mod poll_timer;

/// Tasks that one census counts: a tenth of a second's work, in pieces.
const MOST_COUNTED: usize = 1_000_000;

/// A hook of the `Builder`.
pub(crate) type Callback = Arc<dyn Fn() + Send + Sync>;

/// Starts a thread of the runtime: with the configured name, stack and hooks, and inside the
/// runtime's context. It comes from above, so that a scheduler can start workers without knowing
/// what a runtime is. The thread ends when the closure returns.
pub(crate) type Launch = Arc<dyn Fn(Box<dyn FnOnce() + Send>) -> io::Result<()> + Send + Sync>;

/// What the `Builder` decided for the scheduler.
#[derive(Clone)]
pub(crate) struct Config {
    /// How many workers a multi-thread scheduler has; a current-thread scheduler has one.
    pub(crate) worker_threads: usize,
    /// A busy scheduler looks at the driver after this many polls.
    pub(crate) event_interval: u32,
    /// A busy scheduler asks the injection queue first each time it has made this many polls;
    /// `None` leaves the number to the scheduler.
    pub(crate) global_queue_interval: Option<u32>,
    /// Called before a thread that runs tasks blocks for lack of them.
    pub(crate) before_park: Option<Callback>,
    /// Called after a thread that runs tasks has stopped blocking.
    pub(crate) after_unpark: Option<Callback>,
    /// What the program wants to hear about tasks; `None` if nothing.
    pub(crate) hooks: Option<Arc<Hooks>>,
    /// Of a current-thread scheduler: the panic of a task ends all.
    pub(crate) panic_shuts_down: bool,
    /// The most recently woken task queues like any other, instead of going to the LIFO place.
    pub(crate) disable_lifo_slot: bool,
    /// Where the scheduler's random choices start from.
    pub(crate) seed: u64,
    /// Only the thread that builds the scheduler runs it, and tasks need not be `Send`.
    pub(crate) local: bool,
    /// Tasks in the ring of a worker's own queue; those beyond it wait under a lock.
    pub(crate) local_queue_capacity: usize,
    /// Which polls are timed.
    pub(crate) poll_times: PollTimes,
    /// How their times are counted.
    pub(crate) poll_time_layout: Arc<dyn Layout>,
    /// Gets up who looks after workers that are held up by a poll.
    pub(crate) rouser: Option<&'static Rouser>,
    /// Whether to measure how long tasks wait to be run.
    pub(crate) tracks_latency: bool,
    /// How that is counted, if it is.
    pub(crate) latency_layout: Option<Arc<dyn Layout>>,
}

/// A scheduler, as tasks and handles reach it.
#[derive(Clone)]
pub(crate) enum Handle {
    CurrentThread(Arc<current_thread::Shared>),
    MultiThread(Arc<multi_thread::Shared>),
}

impl Handle {
    /// Binds `future` to the scheduler and makes it runnable.
    pub(crate) fn spawn<F>(&self, future: F, meta: Meta) -> Spawned<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self {
            Handle::CurrentThread(shared) => shared.spawn(future, meta),
            Handle::MultiThread(shared) => shared.spawn(future, meta),
        }
    }

    /// Whether the scheduler takes tasks that are not `Send`.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Handle::CurrentThread(shared) => shared.is_local(),
            Handle::MultiThread(_) => false,
        }
    }

    /// As [`spawn`](Self::spawn), with a future that stays on this thread.
    ///
    /// # Panics
    ///
    /// If the scheduler does not run on this thread only.
    #[track_caller]
    pub(crate) fn spawn_local<F>(&self, future: F, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match self {
            Handle::CurrentThread(shared) => shared.spawn_local(future, meta),
            Handle::MultiThread(_) => panic!("a scheduler of many threads has no local tasks"),
        }
    }

    /// All tasks, if this thread may look at them.
    pub(crate) fn view(&self) -> Option<Vec<View>> {
        match self {
            Handle::CurrentThread(shared) => shared.view(),
            Handle::MultiThread(shared) => Some(shared.view()),
        }
    }

    /// The tasks that wait, to be looked at on this thread, if it may.
    pub(crate) fn take_waiting(&self) -> Option<Waiting> {
        match self {
            Handle::CurrentThread(shared) => shared.take_waiting().map(Waiting::CurrentThread),
            Handle::MultiThread(shared) => Some(Waiting::MultiThread(shared.take_waiting())),
        }
    }

    /// What each worker polls.
    pub(crate) fn pollings<R>(&self, f: impl FnMut(&Polling) -> R) -> Vec<R> {
        let workers: &dyn Workers = match self {
            Handle::CurrentThread(shared) => &**shared,
            Handle::MultiThread(shared) => &**shared,
        };
        workers.pollings().map(f).collect()
    }

    /// As the watchdog sees them.
    pub(crate) fn workers(&self) -> Weak<dyn Workers> {
        match self {
            Handle::CurrentThread(shared) => Arc::downgrade(shared) as _,
            Handle::MultiThread(shared) => Arc::downgrade(shared) as _,
        }
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        match self {
            Handle::CurrentThread(shared) => shared.driver(),
            Handle::MultiThread(shared) => shared.driver(),
        }
    }

    pub(crate) fn num_workers(&self) -> usize {
        match self {
            Handle::CurrentThread(_) => 1,
            Handle::MultiThread(shared) => shared.num_workers(),
        }
    }

    /// The account of one worker.
    ///
    /// # Panics
    ///
    /// When there is no worker of this number.
    #[track_caller]
    pub(crate) fn load(&self, worker: usize) -> &load::Load {
        self.assert_has(worker);
        match self {
            Handle::CurrentThread(shared) => shared.load(),
            Handle::MultiThread(shared) => shared.load(worker),
        }
    }

    /// What one worker has counted.
    ///
    /// # Panics
    ///
    /// When there is no worker of this number.
    #[track_caller]
    pub(crate) fn meter(&self, worker: usize) -> &meter::Meter {
        self.assert_has(worker);
        match self {
            Handle::CurrentThread(shared) => shared.meter(),
            Handle::MultiThread(shared) => shared.meter(worker),
        }
    }

    /// Which polls are timed.
    pub(crate) fn poll_times(&self) -> PollTimes {
        match self {
            Handle::CurrentThread(shared) => shared.config().poll_times,
            Handle::MultiThread(shared) => shared.config().poll_times,
        }
    }

    /// Tasks in line at one worker.
    ///
    /// # Panics
    ///
    /// When there is no worker of this number.
    #[track_caller]
    pub(crate) fn local_queue_depth(&self, worker: usize) -> usize {
        self.assert_has(worker);
        match self {
            Handle::CurrentThread(shared) => shared.local_queue_depth(),
            Handle::MultiThread(shared) => shared.local_queue_depth(worker),
        }
    }

    /// How often one worker's line has become longer than its ring. The line of a current-thread
    /// scheduler has no ring.
    ///
    /// # Panics
    ///
    /// When there is no worker of this number.
    #[track_caller]
    pub(crate) fn overflows(&self, worker: usize) -> u64 {
        self.assert_has(worker);
        match self {
            Handle::CurrentThread(_) => 0,
            Handle::MultiThread(shared) => shared.overflows(worker),
        }
    }

    #[track_caller]
    fn assert_has(&self, worker: usize) {
        let workers = self.num_workers();
        assert!(
            worker < workers,
            "worker {worker} of a runtime with {workers}"
        );
    }

    /// Tasks that were ever spawned.
    pub(crate) fn num_spawned_tasks(&self) -> u64 {
        match self {
            Handle::CurrentThread(shared) => shared.num_spawned_tasks(),
            Handle::MultiThread(shared) => shared.num_spawned_tasks(),
        }
    }

    /// Tasks that were ever put into the injection queue.
    pub(crate) fn injected(&self) -> u64 {
        match self {
            Handle::CurrentThread(shared) => shared.injected(),
            Handle::MultiThread(shared) => shared.injected(),
        }
    }

    /// Polls that have used up their budget, of tasks and of futures in `block_on`.
    pub(crate) fn forced_yields(&self) -> u64 {
        let workers = (0..self.num_workers()).map(|worker| self.meter(worker).forced_yields.get());
        self.outside().forced_yields() + workers.sum::<u64>()
    }

    /// What threads have counted that drive no worker.
    pub(crate) fn outside(&self) -> &meter::Outside {
        match self {
            Handle::CurrentThread(shared) => shared.outside(),
            Handle::MultiThread(shared) => shared.outside(),
        }
    }

    pub(crate) fn num_alive_tasks(&self) -> usize {
        match self {
            Handle::CurrentThread(shared) => shared.num_alive_tasks(),
            Handle::MultiThread(shared) => shared.num_alive_tasks(),
        }
    }

    /// Counts the living tasks by where they were spawned. `None` if the thread that could does not
    /// get to it within `patience`.
    pub(crate) fn census(&self, patience: Duration) -> Option<Census> {
        match self {
            Handle::CurrentThread(shared) => shared.census(patience),
            Handle::MultiThread(shared) => Some(shared.census(MOST_COUNTED)),
        }
    }

    pub(crate) fn injection_depth(&self) -> usize {
        match self {
            Handle::CurrentThread(shared) => shared.injection_depth(),
            Handle::MultiThread(shared) => shared.injection_depth(),
        }
    }
}

unstable! {
    #[cfg(feature = "taskdump")]
    impl Handle {
        /// Wakes these tasks, if this thread may.
        pub(crate) fn wake_tasks(&self, wants: impl Fn(Id) -> bool) {
            match self {
                Handle::CurrentThread(shared) => shared.wake_tasks(wants),
                Handle::MultiThread(shared) => shared.wake_tasks(wants),
            }
        }
    }
}

/// Calls `f` with what this thread polls, if it is a worker: for those that poll tasks inside of a
/// task.
pub(crate) fn with_polling<R>(f: impl FnOnce(Option<&Polling>) -> R) -> R {
    match current_thread::polling() {
        Some(polling) => f(Some(&polling)),
        None => multi_thread::with_polling(f),
    }
}

/// Tasks that waited, to be polled once each by a task of the same scheduler that looks where they
/// wait.
pub(crate) enum Waiting {
    CurrentThread(task::Waiting<Arc<current_thread::Shared>>),
    MultiThread(task::Waiting<Arc<multi_thread::Shared>>),
}

impl Looks for Waiting {
    fn look_at_next(&mut self, look: LookFn<'_>) -> Option<(Id, Vec<Leaf>)> {
        match self {
            Waiting::CurrentThread(tasks) => tasks.look_at_next(look),
            Waiting::MultiThread(tasks) => tasks.look_at_next(look),
        }
    }

    fn mark_waiting(&mut self, looked: &mut task::Looked) {
        match self {
            Waiting::CurrentThread(tasks) => tasks.mark_waiting(looked),
            Waiting::MultiThread(tasks) => tasks.mark_waiting(looked),
        }
    }
}

/// Which worker of its runtime this thread is.
pub(crate) fn worker_index() -> Option<usize> {
    multi_thread::worker_index().or_else(|| current_thread::is_driving().then_some(0))
}
