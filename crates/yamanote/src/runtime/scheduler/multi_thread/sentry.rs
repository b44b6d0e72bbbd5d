//! What a worker does for siblings that are stuck in a task.
//!
//! A worker counts its turns of the driver. The sentry (see `role.rs`), before and after each sleep, and
//! in passing every busy worker, notes since when each sibling's count is what it is. A sibling that
//! is awake and has not turned for most of a nap runs a long task, or has none that ends: its
//! completions are reaped, its timers fired, and its tasks taken, also the one in the LIFO place. A
//! worker that only had bad luck loses nothing by that but a little locality.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::role::Report;
use super::shared::Public;
use super::worker::Worker;

/// How long the sentry sleeps at most. Together with the nap that may have been half over when the
/// sibling got stuck, what it holds is late by at most twice this.
const NAP: Duration = Duration::from_millis(5);

/// The same while a sibling has short polls (see `pace.rs`): nobody else looks at what waits in its queue.
const SHORT_NAP: Duration = Duration::from_millis(1);

/// Two looks this close to each other count as one: a sentry may be called every few microseconds.
const BETWEEN_LOOKS: Duration = Duration::from_micros(100);

/// What counts as most of a nap: naps may end early.
const fn most(nap: Duration) -> Duration {
    Duration::from_nanos(nap.as_nanos() as u64 / 5 * 4)
}

/// The siblings as this worker has last seen them.
pub(super) struct Watch {
    seen: Box<[Seen]>,
    looked_at: Instant,
}

#[derive(Clone, Copy)]
struct Seen {
    turns: u64,
    /// When it was first seen to have turned so often, or last seen asleep.
    since: Instant,
}

impl Watch {
    pub(super) fn new(workers: usize) -> Self {
        let now = Instant::now();
        let seen = Seen {
            turns: 0,
            since: now,
        };
        Watch {
            seen: vec![seen; workers].into_boxed_slice(),
            looked_at: now,
        }
    }
}

impl Worker {
    /// Called by the sentry before it sleeps; returns for how long at most.
    pub(super) fn begin_nap(&self) -> Duration {
        self.look_at_siblings(Instant::now());
        let (workers, idle) = (&self.shared.workers, &self.shared.idle);
        let mut siblings = self.shared.siblings(self.index.get());
        match siblings
            .any(|sibling| workers[sibling].pace.has_short_polls() && !idle.is_asleep(sibling))
        {
            true => SHORT_NAP,
            false => NAP,
        }
    }

    /// Notes who has turned; says whether somebody has, or may have.
    fn look_at_siblings(&self, now: Instant) -> bool {
        let (driver, idle) = (self.shared.driver(), &self.shared.idle);
        let siblings = self.shared.siblings(self.index.get());
        self.with_core(|core| {
            let Watch { seen, looked_at } = &mut core.watch;
            if now.duration_since(*looked_at) < BETWEEN_LOOKS {
                return true;
            }
            *looked_at = now;
            let mut lively = false;
            for sibling in siblings {
                let seen = &mut seen[sibling];
                let turns = driver.turns(sibling);
                let has_turned = seen.turns != turns;
                lively |= has_turned;
                if has_turned || idle.is_asleep(sibling) {
                    *seen = Seen { turns, since: now };
                }
            }
            lively
        })
    }

    /// What a busy worker does in passing.
    pub(super) fn check_siblings_in_passing(&self, now: Instant) {
        let looked_at = self.with_core(|core| core.watch.looked_at);
        if now.duration_since(looked_at) >= most(NAP) {
            self.check_siblings(now);
        }
    }

    /// Relieves siblings that are stuck.
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
            let is_stuck = self.with_core(|core| {
                let since = &mut core.watch.seen[sibling].since;
                let is_stuck = now.duration_since(*since) >= limit;
                if is_stuck {
                    // If it goes on like this, again in so long a time.
                    *since = now;
                }
                is_stuck
            });
            match is_stuck {
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
        self.as_driver(|worker| {
            worker.shared.driver().rescue(sibling);
        });
        let Public { queue, pace, .. } = &self.shared.workers[sibling];
        pace.clear_short_polls();
        let leaving = self.with_core(|core| {
            let taken = [queue.steal_lifo(), queue.steal_into(&core.local)];
            let taken = taken.into_iter().flatten();
            // Each push to a full queue sends half of it away.
            taken
                .filter_map(|task| core.local.push_back(task))
                .flatten()
                .collect::<Vec<_>>()
        });
        if !leaving.is_empty() {
            self.shared.inject(leaving);
        }
    }
}
