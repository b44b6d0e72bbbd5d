//! What a worker does for siblings that are stuck in a task.
//!
//! A worker counts its turns of the driver. The sentry (see `role/mod.rs`), before and after each
//! sleep, and every busy worker, in passing, note since when each sibling's count is what it is. A
//! sibling that is awake and has not turned for most of a nap runs a long task, or one that never
//! ends. Its completions are then reaped, its timers fired, and its tasks taken, also the one in
//! the LIFO place. A worker that only had bad luck loses nothing by that but a little locality.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::core::Public;
use super::current::Worker;
use super::role::Report;

/// How long the sentry sleeps at most. Together with the nap that may have been half over when the
/// sibling got stuck, what it holds is late by at most twice this.
const NAP: Duration = Duration::from_millis(5);

/// The same while a sibling has short polls (see `pace.rs`): nobody else looks at what waits in its
/// queue.
const SHORT_NAP: Duration = Duration::from_millis(1);

/// What counts as most of a nap: naps may end early.
const fn most(nap: Duration) -> Duration {
    Duration::from_nanos(nap.as_nanos() as u64 / 5 * 4)
}

impl Worker<'_> {
    /// Called by the sentry before it sleeps; returns for how long at most.
    pub(super) fn begin_nap(&self) -> Duration {
        self.look_at_siblings(Instant::now());
        let shared = &self.shared;
        let is_quick = |sibling: usize| shared.workers[sibling].pace.has_short_polls();
        match shared
            .siblings(self.index.get())
            .any(|sibling| is_quick(sibling) && !shared.idle.is_asleep(sibling))
        {
            true => SHORT_NAP,
            false => NAP,
        }
    }

    /// See [`Watch::look`](super::watch::Watch::look).
    fn look_at_siblings(&self, now: Instant) -> bool {
        let shared = &self.shared;
        let siblings = shared.siblings(self.index.get());
        self.with_core(|core| {
            core.watch
                .look(siblings, shared.driver(), &shared.idle, now)
        })
    }

    /// What a busy worker does in passing.
    pub(super) fn check_siblings_in_passing(&self, now: Instant) {
        let looked_at = self.with_core(|core| core.watch.looked_at());
        if now.duration_since(looked_at) >= most(NAP) {
            self.check_siblings(now);
        }
    }

    /// Rescues siblings that are stuck.
    pub(super) fn check_siblings(&self, now: Instant) -> Report {
        let (mut lively, mut stuck) = (self.look_at_siblings(now), false);
        for sibling in self.shared.siblings(self.index.get()) {
            if self.shared.idle.is_asleep(sibling) {
                continue;
            }
            let limit = match self.shared.workers[sibling].pace.has_short_polls() {
                true => most(SHORT_NAP),
                false => most(NAP),
            };
            match self.with_core(|core| core.watch.is_stuck(sibling, limit, now)) {
                true => {
                    stuck = true;
                    self.rescue(sibling);
                }
                // It may have turned, or be about to.
                false => lively = true,
            }
        }
        match stuck {
            true => Report::Stuck,
            false => Report::AllWell { lively },
        }
    }

    fn rescue(&self, sibling: usize) {
        self.outside_tasks(|worker| {
            worker.shared.driver().rescue(sibling);
        });
        let Public { queue, pace, .. } = &self.shared.workers[sibling];
        pace.clear_short_polls();
        self.with_core(|core| {
            if let Some(task) = queue.steal_lifo() {
                core.local.push_back(task);
                core.tally.note_stolen(1);
            }
            core.tally.note_stolen(queue.steal_into(&core.local));
        });
    }
}
