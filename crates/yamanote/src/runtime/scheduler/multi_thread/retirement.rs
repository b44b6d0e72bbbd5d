//! Which worker is the last one to retire, and the others' wait for what it does.
#![forbid(unsafe_code)]

use std::sync::{Condvar, Mutex, MutexGuard};

use crate::util::poison::unpoisoned;

pub(super) struct Retirement {
    state: Mutex<State>,
    over: Condvar,
}

struct State {
    working: usize,
    /// Of the others, those that wait: a call costs a system call, also if there is none.
    waiting: usize,
    driver_is_down: bool,
}

impl Retirement {
    pub(super) fn new(workers: usize) -> Self {
        Retirement {
            state: Mutex::new(State {
                working: workers,
                waiting: 0,
                driver_is_down: false,
            }),
            over: Condvar::new(),
        }
    }

    /// `workers` have no tasks any more. `true`: they were the last.
    #[must_use]
    pub(super) fn arrive(&self, workers: usize) -> bool {
        let mut state = self.lock();
        state.working -= workers;
        state.working == 0
    }

    /// Until [`finish`](Self::finish).
    pub(super) fn wait(&self) {
        let mut state = self.lock();
        state.waiting += 1;
        while !state.driver_is_down {
            state = unpoisoned(self.over.wait(state));
        }
    }

    /// The last worker has shut the driver down.
    pub(super) fn finish(&self) {
        let has_waiting = {
            let mut state = self.lock();
            state.driver_is_down = true;
            state.waiting > 0
        };
        if has_waiting {
            self.over.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }
}
