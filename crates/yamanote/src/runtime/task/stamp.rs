//! When a task became runnable, for runtimes that measure how long tasks wait to be run.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::unstable::SCHEDULE_LATENCY;

/// Takes no room in a build that cannot ask for it.
const PLACES: usize = SCHEDULE_LATENCY as usize;

/// Nanoseconds of the scheduler's clock; 0: nobody asked. Relaxed: the queue that hands the task on
/// hands this on, too.
pub(super) struct Stamp([AtomicU64; PLACES]);

impl Stamp {
    pub(super) const fn new() -> Stamp {
        Stamp([const { AtomicU64::new(0) }; PLACES])
    }

    pub(super) fn set(&self, ns: u64) {
        if let Some(place) = self.0.first() {
            place.store(ns, Relaxed);
        }
    }

    pub(super) fn get(&self) -> Option<u64> {
        let ns = self.0.first()?.load(Relaxed);
        (ns > 0).then_some(ns)
    }
}
