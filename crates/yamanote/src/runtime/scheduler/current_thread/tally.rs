//! What the driving thread counts where nobody else looks.
#![forbid(unsafe_code)]

use crate::runtime::scheduler::meter::Meter;
use crate::util::coop;

/// The counts since the start. They travel with the core.
#[derive(Default)]
pub(super) struct Tally {
    /// Polls of tasks.
    pub(super) polls: u64,
    /// Of these, polls of tasks from the injection queue.
    pub(super) injected: u64,
    /// Tasks that left the local queue without a poll.
    pub(super) freed: u64,
}

impl Tally {
    /// Brings `meter` up to date; `queued` tasks are in the local queue. Called by the thread that
    /// drives.
    pub(super) fn publish(&self, queued: usize, meter: &Meter) {
        let queued = queued as u64;
        meter.polls.set(self.polls);
        meter.queued.set(queued);
        // Every task that was queued here has been polled or freed, or is here.
        meter
            .local_schedules
            .set(self.polls - self.injected + self.freed + queued);
        meter.forced_yields.add(coop::take_used_up());
    }
}
