//! The `LocalSet`s that are polled in a runtime, for whoever wants to see their tasks.
//!
//! Only a set's thread may look at them, and only while it polls the set. So it is asked: the set
//! is woken, and looks when it is polled for that. One that is not polled does not answer.
#![forbid(unsafe_code)]

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};

use super::id::Id;
use super::task::{Looks, View};
use crate::sys::thread;
use crate::util::poison::unpoisoned;

/// Is shown all tasks of a set, and those of them that wait, on the set's thread. The future is to
/// be a task of the set. If it is dropped instead, nobody will show them.
pub(crate) type Request =
    Box<dyn FnOnce(Vec<View>, Box<dyn Looks>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// A set, as it is known to others.
pub(crate) trait Known: Send + Sync {
    fn standing(&self) -> &Standing;

    /// Leaves the request to the set's thread, and wakes the set.
    fn ask(&self, request: Request);
}

/// What may be said of a set on any thread.
pub(crate) struct Standing {
    pub(crate) id: Id,
    pub(crate) made_at: &'static Location<'static>,
    /// The thread that it belongs to.
    pub(crate) thread: i32,
    /// The runtime in which it was polled last; 0: none. Relaxed: a number, and only the set's
    /// thread writes it.
    runtime: AtomicU64,
    /// It is in a poll. Relaxed: so a report says.
    is_polled: AtomicBool,
}

impl Standing {
    /// Of a set that the caller makes for this thread.
    #[track_caller]
    pub(crate) fn new() -> Standing {
        Standing {
            id: Id::next(),
            made_at: Location::caller(),
            thread: thread::id(),
            runtime: AtomicU64::new(0),
            is_polled: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_polled(&self) -> bool {
        self.is_polled.load(Relaxed)
    }

    /// A poll begins, and lasts until what this returns is dropped.
    pub(crate) fn begin_poll(&self) -> InPoll<'_> {
        let outer = self.is_polled();
        self.is_polled.store(true, Relaxed);
        InPoll(self, outer)
    }

    /// The set is polled in that runtime; returns whether it was in another one before.
    pub(crate) fn move_to(&self, runtime: Id) -> bool {
        let is_new = self.runtime.load(Relaxed) != runtime.number();
        if is_new {
            self.runtime.store(runtime.number(), Relaxed);
        }
        is_new
    }

    /// The set has ended, though wakers and handles may still know it.
    pub(crate) fn end(&self) {
        self.runtime.store(0, Relaxed);
    }
}

/// Its drop goes back to what was before: a set may be polled inside of a poll of its own.
pub(crate) struct InPoll<'a>(&'a Standing, bool);

impl Drop for InPoll<'_> {
    fn drop(&mut self) {
        self.0.is_polled.store(self.1, Relaxed);
    }
}

/// Of one runtime.
#[derive(Default)]
pub(crate) struct LocalSets(Mutex<Vec<Weak<dyn Known>>>);

impl LocalSets {
    pub(crate) fn add(&self, set: Weak<dyn Known>) {
        let mut sets = unpoisoned(self.0.lock());
        if sets.len() == sets.capacity() {
            sets.retain(|set| set.strong_count() > 0);
        }
        sets.push(set);
    }

    /// Those that were polled last in `runtime`, whose sets these are.
    pub(super) fn present(&self, runtime: Id) -> Vec<Arc<dyn Known>> {
        let sets = unpoisoned(self.0.lock());
        let mut present: Vec<_> = sets.iter().filter_map(Weak::upgrade).collect();
        drop(sets);
        present.retain(|set| set.standing().runtime.load(Relaxed) == runtime.number());
        // Once each, also if it was elsewhere in between.
        present.sort_by_key(|set| set.standing().id.number());
        present.dedup_by_key(|set| set.standing().id);
        present
    }
}
