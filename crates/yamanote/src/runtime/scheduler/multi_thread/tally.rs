//! What a worker counts where nobody else looks.
#![forbid(unsafe_code)]

use std::cell::Cell;

use crate::runtime::scheduler::meter::Meter;
use crate::util::coop;

/// The counts of one worker since the start. They travel with its core.
#[derive(Default)]
pub(super) struct Tally {
    polls: u64,
    /// What [`Pace::begun`](super::pace::Pace::begun) said last.
    polls_seen: u32,
    /// Tasks queued here by this worker's thread.
    pub(super) scheduled: Cell<u64>,
    stolen: u64,
    steal_operations: u64,
}

impl Tally {
    pub(super) fn note_scheduled(&self) {
        self.scheduled.set(self.scheduled.get() + 1);
    }

    /// So many tasks were taken from a sibling at once, perhaps none.
    pub(super) fn note_stolen(&mut self, tasks: usize) {
        self.stolen += tasks as u64;
        self.steal_operations += u64::from(tasks > 0);
    }

    /// Brings `meter` up to date; `begun` is the worker's pace's, the mean its tuning's. Returns
    /// the polls since the start.
    pub(super) fn publish(&mut self, begun: u32, mean_poll_ns: u64, meter: &Meter) -> u64 {
        self.polls += u64::from(begun.wrapping_sub(self.polls_seen) / 2);
        self.polls_seen = begun;
        meter.polls.set(self.polls);
        meter.local_schedules.set(self.scheduled.get());
        meter.mean_poll_ns.set(mean_poll_ns);
        meter.steals.set(self.stolen);
        meter.steal_operations.set(self.steal_operations);
        meter.forced_yields.add(coop::take_used_up());
        self.polls
    }
}
