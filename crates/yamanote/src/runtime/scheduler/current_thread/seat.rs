//! Where the core lies while nobody drives, and who waits for it.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;

use super::main_future::Waiter;
use super::shared::Notified;
use crate::loom::sync::{Mutex, MutexGuard};
use crate::util::poison::unpoisoned;

/// What the driving thread owns.
pub(super) struct Core {
    pub(super) queue: VecDeque<Notified>,
    /// Counts polls; says when the injection queue is asked first.
    pub(super) tick: u32,
}

pub(super) struct Seat {
    state: Mutex<State>,
}

struct State {
    core: Option<Core>,
    /// Threads in `block_on` that do not drive and have not been told that the core is free.
    waiting: VecDeque<Arc<Waiter>>,
}

impl Seat {
    pub(super) fn new() -> Self {
        Seat {
            state: Mutex::new(State {
                core: Some(Core {
                    queue: VecDeque::with_capacity(64),
                    tick: 0,
                }),
                waiting: VecDeque::new(),
            }),
        }
    }

    pub(super) fn take(&self) -> Option<Core> {
        self.lock().core.take()
    }

    /// Lays the core down and tells the thread that has waited longest.
    pub(super) fn give_back(&self, core: Core) {
        let next = {
            let mut state = self.lock();
            assert!(state.core.is_none(), "two cores for one seat");
            state.core = Some(core);
            state.waiting.pop_front()
        };
        if let Some(next) = next {
            next.unpark();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }
}

/// One thread's place in `block_on`, until it drives or leaves.
pub(super) struct Place<'a> {
    seat: &'a Seat,
    waiter: &'a Arc<Waiter>,
    state: Waiting,
}

#[derive(PartialEq, Eq)]
enum Waiting {
    No,
    /// Was put in the queue; may have been taken out of it, and told, since.
    Yes,
}

impl<'a> Place<'a> {
    pub(super) fn new(seat: &'a Seat, waiter: &'a Arc<Waiter>) -> Self {
        Place {
            seat,
            waiter,
            state: Waiting::No,
        }
    }

    /// Takes the core, or gets (or stays) in the queue of those who are told when it is free.
    pub(super) fn take_or_wait(&mut self) -> Option<Core> {
        let mut state = self.seat.lock();
        match state.core.take() {
            Some(core) => {
                if self.state == Waiting::Yes {
                    state
                        .waiting
                        .retain(|other| !Arc::ptr_eq(other, self.waiter));
                    self.state = Waiting::No;
                }
                Some(core)
            }
            None => {
                // Told, but another thread was faster: wait again.
                if self.state == Waiting::No
                    || !state
                        .waiting
                        .iter()
                        .any(|other| Arc::ptr_eq(other, self.waiter))
                {
                    state.waiting.push_back(self.waiter.clone());
                    self.state = Waiting::Yes;
                }
                None
            }
        }
    }
}

impl Drop for Place<'_> {
    /// A thread that leaves after it was told hands the news on, or nobody would ever drive.
    fn drop(&mut self) {
        if self.state == Waiting::No {
            return;
        }
        let next = {
            let mut state = self.seat.lock();
            let before = state.waiting.len();
            state
                .waiting
                .retain(|other| !Arc::ptr_eq(other, self.waiter));
            let was_told = before == state.waiting.len();
            if was_told && state.core.is_some() {
                state.waiting.pop_front()
            } else {
                None
            }
        };
        if let Some(next) = next {
            next.unpark();
        }
    }
}
