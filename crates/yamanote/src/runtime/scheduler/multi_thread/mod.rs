//! The scheduler of several threads: workers that steal from each other.
//!
//! Reading order, from the bottom up: `role` (how workers sleep) and `idle` (who is woken, and why
//! no wake-up is lost) are the protocols; `queue` is where a worker keeps its tasks; `core` is what
//! it is made of, and `shared` all that it shares with the others. `current` is the thread that is
//! a worker, with its states; `schedule` is how a task gets there; `worker` is the loop, with
//! `sentry` for what it does for stuck siblings, `block_in_place` and `handover` for lending a
//! worker to another thread, and `retire` for its end.
//!
//! A **worker** is a number: a core (queue, counters), a public part (what siblings see), and a
//! slot of the driver. A thread becomes the worker by taking the core, and ceases to be by lending
//! it.
//!
//! A task made runnable goes, in this order of preference,
//!
//! 1. into the LIFO place of the worker whose task woke it: it runs next, while its data is warm.
//!    At most `LIFO_RUNS` in a row do.
//! 2. to the end of that worker's queue: what the driver woke, what yielded, what was displaced
//!    from the LIFO place, and everything beyond rule 1's bound.
//! 3. into the injection queue: what other threads woke.
//!
//! A lone runnable task wakes nobody. What waits behind a task's poll may be taken by siblings,
//! except the LIFO place: that is left to its worker until the sentry finds it stuck.

mod role;

mod idle;

mod queue;

mod pace;
mod tally;
mod tuning;
mod watch;

mod core;

mod handover;
mod retirement;

mod shared;

mod current;
mod schedule;

mod worker;

mod sentry;

mod block_in_place;

mod retire;

pub(crate) use block_in_place::block_in_place;
pub(crate) use current::{index as worker_index, with_polling};
pub(crate) use shared::Shared;

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};

use super::{Config, Launch};
use crate::runtime::driver::Driver;
use crate::util::poison::unpoisoned;
use crate::util::thread_park;
use shared::Core;

/// The scheduler as its runtime owns it.
pub(crate) struct MultiThread {
    shared: Arc<Shared>,
    /// The workers that have no thread: all before `start`, none after.
    idle_cores: Mutex<Vec<Box<Core>>>,
}

impl MultiThread {
    /// A scheduler whose workers have no threads yet. `driver` has a slot for each.
    pub(crate) fn new(config: Config, driver: Arc<Driver>) -> Self {
        let (cores, workers): (_, Vec<_>) = core::build(&config).unzip();
        MultiThread {
            shared: Arc::new(Shared::new(config, driver, workers.into())),
            idle_cores: Mutex::new(cores),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Gives each worker a thread.
    ///
    /// # Errors
    ///
    /// A thread could not be had. Those that were started run until [`shutdown`](Self::shutdown).
    pub(crate) fn start(&self, launch: Launch) -> io::Result<()> {
        self.shared.handover.set_launch(launch);
        while let Some(core) = self.next_idle_core() {
            if let Err((error, core)) = self
                .shared
                .handover
                .offer(core, || worker::life(&self.shared))
            {
                self.lock_idle_cores().push(core);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Polls `future` on this thread, which does nothing else; the workers make its resources
    /// ready.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let output = thread_park::block_on(future);
        self.shared.outside().note_polls();
        output
    }

    /// Has every worker drop its share of the tasks and end its thread; the last one shuts the
    /// driver down before. Does not wait: the launcher joins the threads.
    pub(crate) fn shutdown(&self) {
        self.shared.begin_shutdown();
        let threadless = std::mem::take(&mut *self.lock_idle_cores());
        if !threadless.is_empty() {
            retire::without_threads(&self.shared, threadless);
        }
    }

    fn next_idle_core(&self) -> Option<Box<Core>> {
        self.lock_idle_cores().pop()
    }

    fn lock_idle_cores(&self) -> std::sync::MutexGuard<'_, Vec<Box<Core>>> {
        unpoisoned(self.idle_cores.lock())
    }
}
