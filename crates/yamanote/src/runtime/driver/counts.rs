//! What the driver has counted, over all slots.
#![forbid(unsafe_code)]

use super::Driver;
use super::ring::Counters;
use crate::util::poison::unpoisoned;

impl Driver {
    /// Operations handed to rings since the start.
    pub(crate) fn ops_submitted(&self) -> u64 {
        self.ring_counters().submitted
    }

    /// What all rings have counted, those that are closed too.
    pub(crate) fn ring_counters(&self) -> Counters {
        let mut total = *unpoisoned(self.closed_rings.lock());
        for ring in self.existing_rings() {
            total += ring.counters();
        }
        total
    }

    /// Operations whose last completion has not been seen.
    pub(crate) fn live_ops(&self) -> usize {
        self.existing_rings().map(|ring| ring.live_ops()).sum()
    }

    /// Timers that wait.
    pub(crate) fn timers_alive(&self) -> usize {
        self.slots.iter().map(|slot| slot.lock_wheel().len()).sum()
    }

    /// Timers that have fired since the start.
    pub(crate) fn timers_fired(&self) -> u64 {
        self.slots.iter().map(|slot| slot.timers_fired.get()).sum()
    }
}
