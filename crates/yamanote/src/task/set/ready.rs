//! The places of the tasks that have ended, in that order.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};

use super::slab::Place;
use crate::loom::sync::{Mutex, MutexGuard};
use crate::util::poison::unpoisoned;
use crate::util::room::Room;

pub(super) struct Ready {
    state: Mutex<State>,
}

struct State {
    places: VecDeque<Place>,
    /// To be woken when there is a place, and taken away for it.
    waker: Option<Waker>,
}

impl State {
    fn pop(&mut self) -> Option<Place> {
        let place = self.places.pop_front();
        self.places.free_excess();
        place
    }
}

impl Ready {
    pub(super) fn new() -> Ready {
        Ready {
            state: Mutex::new(State {
                places: VecDeque::new(),
                waker: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }

    fn push(&self, place: Place) {
        let waker = {
            let mut state = self.lock();
            state.places.push_back(place);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The place that has been ready for longest.
    pub(super) fn pop(&self) -> Option<Place> {
        self.lock().pop()
    }

    /// As [`pop`](Self::pop); when there is none, `waker` is woken for the next one. Wakers of
    /// earlier calls are not.
    pub(super) fn pop_or_wait(&self, waker: &Waker) -> Option<Place> {
        {
            let mut state = self.lock();
            if let Some(place) = state.pop() {
                return Some(place);
            }
            if matches!(&state.waker, Some(known) if known.will_wake(waker)) {
                return None;
            }
        }
        // A clone and a drop of a waker are user code, and stay outside of the lock.
        let new = waker.clone();
        let stale;
        let place = {
            let mut state = self.lock();
            let place = state.pop();
            stale = match place {
                Some(_) => Some(new),
                None => state.waker.replace(new),
            };
            place
        };
        drop(stale);
        place
    }
}

/// What the task at `place` wakes when it ends.
pub(super) fn waker(ready: &Arc<Ready>, place: Place) -> Waker {
    Waker::from(Arc::new(MemberWaker {
        ready: ready.clone(),
        place,
    }))
}

struct MemberWaker {
    ready: Arc<Ready>,
    place: Place,
}

impl Wake for MemberWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.push(self.place);
    }
}
