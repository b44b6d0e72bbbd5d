//! Where the core lies while nobody drives, and the threads that wait for it.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;

use super::main_future::Waiter;
use crate::loom::sync::{Mutex, MutexGuard};
use crate::util::poison::unpoisoned;

/// `C` is the core.
pub(super) struct Seat<C> {
    state: Mutex<State<C>>,
}

struct State<C> {
    core: Option<C>,
    /// Threads in `block_on` that do not drive and have not been told that the core is free.
    waiting: VecDeque<Arc<Waiter>>,
}

impl<C> Seat<C> {
    pub(super) fn new(core: C) -> Self {
        Seat {
            state: Mutex::new(State {
                core: Some(core),
                waiting: VecDeque::new(),
            }),
        }
    }

    pub(super) fn take(&self) -> Option<C> {
        self.lock().core.take()
    }

    /// Whether nobody drives.
    pub(super) fn is_free(&self) -> bool {
        self.lock().core.is_some()
    }

    /// Puts the core back and tells the thread that has waited longest.
    pub(super) fn give_back(&self, core: C) {
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

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        unpoisoned(self.state.lock())
    }
}

/// One thread's place in `block_on`, until it drives or leaves.
pub(super) struct Place<'a, C> {
    seat: &'a Seat<C>,
    waiter: &'a Arc<Waiter>,
    /// It was put in the queue. It may have been taken out of it, and told, since.
    was_queued: bool,
}

impl<'a, C> Place<'a, C> {
    pub(super) fn new(seat: &'a Seat<C>, waiter: &'a Arc<Waiter>) -> Self {
        Place {
            seat,
            waiter,
            was_queued: false,
        }
    }

    /// Takes the core, or gets (or stays) in the queue of the threads that are told when it is
    /// free.
    pub(super) fn take_or_wait(&mut self) -> Option<C> {
        let mut state = self.seat.lock();
        let core = state.core.take();
        if core.is_some() {
            if std::mem::take(&mut self.was_queued) {
                state.leave_queue(self.waiter);
            }
        } else if !self.was_queued || !state.is_queued(self.waiter) {
            // If it was told, another thread was faster: it waits again.
            state.waiting.push_back(self.waiter.clone());
            self.was_queued = true;
        }
        core
    }
}

impl<C> State<C> {
    fn is_queued(&self, waiter: &Arc<Waiter>) -> bool {
        self.waiting.iter().any(|other| Arc::ptr_eq(other, waiter))
    }

    fn leave_queue(&mut self, waiter: &Arc<Waiter>) {
        self.waiting.retain(|other| !Arc::ptr_eq(other, waiter));
    }
}

impl<C> Drop for Place<'_, C> {
    /// A thread that leaves after it was told passes it on, or nobody would ever drive.
    fn drop(&mut self) {
        if !self.was_queued {
            return;
        }
        let next = {
            let mut state = self.seat.lock();
            let was_told = !state.is_queued(self.waiter);
            state.leave_queue(self.waiter);
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
