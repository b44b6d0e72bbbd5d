//! The end of the workers.
//!
//! 1. Each worker cancels tasks, until no task is left that is not being polled, and frees what is in
//!    its queue. A task's future is dropped by exactly one of them; one that is being polled, by its
//!    own thread after that poll.
//! 2. The last worker to come this far shuts the driver down: no task can submit an operation any
//!    more. The others wait, for what they have submitted ends with their threads.
//! 3. All threads end.
#![forbid(unsafe_code)]

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use super::shared::Shared;
use super::worker::{Core, Worker, survive};
use crate::runtime::driver::LONGEST_SHUTDOWN;
use crate::util::poison::unpoisoned;

pub(super) struct Retirement {
    state: Mutex<State>,
    over: Condvar,
}

struct State {
    working: usize,
    driver_is_down: bool,
}

impl Retirement {
    pub(super) fn new(workers: usize) -> Self {
        Retirement {
            state: Mutex::new(State {
                working: workers,
                driver_is_down: false,
            }),
            over: Condvar::new(),
        }
    }

    /// `workers` have done step 1. `true`: they were the last.
    fn arrive(&self, workers: usize) -> bool {
        let mut state = self.lock();
        state.working -= workers;
        state.working == 0
    }

    fn wait(&self) {
        let mut state = self.lock();
        while !state.driver_is_down {
            state = unpoisoned(self.over.wait(state));
        }
    }

    fn finish(&self) {
        self.lock().driver_is_down = true;
        self.over.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }
}

impl Worker {
    /// The last thing a worker does.
    pub(super) fn retire(&self) {
        self.as_driver(|worker| worker.shared.owned.close_and_shutdown_all());
        self.drop_queued();
        if self.shared.retirement.arrive(1) {
            shut_driver_down(&self.shared);
        } else {
            self.shared.retirement.wait();
        }
        self.drop_queued();
        let load = self.shared.load(self.index.get());
        load.unpark();
        load.account(Instant::now());
        // From here on, what is woken on this thread goes to the injection queue, which is closed.
        let core = self.core.borrow_mut().take();
        drop(core);
        drop(self.slot.borrow_mut().take());
    }
}

/// Retires workers that never had a thread, on this one.
pub(super) fn without_threads(shared: &Arc<Shared>, cores: Vec<Box<Core>>) {
    survive(|| shared.owned.close_and_shutdown_all());
    let workers = cores.len();
    drop(cores);
    if shared.retirement.arrive(workers) {
        shut_driver_down(shared);
    }
}

fn shut_driver_down(shared: &Arc<Shared>) {
    let deadline = Instant::now() + LONGEST_SHUTDOWN;
    survive(|| shared.driver().shutdown(deadline));
    shared.retirement.finish();
}
