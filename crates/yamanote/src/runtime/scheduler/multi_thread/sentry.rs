//! What a worker does for siblings that are stuck in a task.
//!
//! A worker counts its turns of the driver. The sentry (see `role.rs`), and in passing every busy
//! worker, compares each awake sibling's count with what it saw at least most of a nap ago. A sibling that
//! has not turned since runs a long task, or has none that ends: its completions are reaped, its
//! timers fired, and its tasks taken, also the one in the LIFO place. A worker that only had bad luck
//! loses nothing by that but a little locality.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::role::Mood;
use super::shared::Desk;
use super::worker::Worker;

/// How long the sentry sleeps at most. Together with the nap that may have been half over when the
/// sibling got stuck, what it holds is late by at most twice this.
pub(super) const NAP: Duration = Duration::from_millis(5);

/// The same while a sibling is brisk (see `pace.rs`): nobody else looks at what waits in its queue.
const SHORT_NAP: Duration = Duration::from_millis(1);

/// The siblings' turns as this worker has last seen them.
pub(super) struct Watch {
    turns: Box<[u64]>,
    at: Instant,
}

impl Watch {
    pub(super) fn new(workers: usize) -> Self {
        Watch {
            turns: vec![0; workers].into_boxed_slice(),
            at: Instant::now(),
        }
    }
}

impl Worker {
    /// Called by the sentry before it sleeps; returns for how long at most.
    pub(super) fn begin_nap(&self) -> Duration {
        let mut siblings = self.shared.siblings(self.index.get());
        let nap = match siblings.any(|sibling| self.shared.desks[sibling].pace.is_brisk(0)) {
            true => SHORT_NAP,
            false => NAP,
        };
        self.with_core(|core| {
            // A recent reading is kept: a sentry that often has something to do would otherwise never
            // see two readings far enough apart.
            let now = Instant::now();
            if now.duration_since(core.watch.at) >= nap {
                for sibling in self.shared.siblings(core.index) {
                    core.watch.turns[sibling] = self.shared.driver().turns(sibling);
                }
                core.watch.at = now;
            }
        });
        nap
    }

    /// Relieves stuck siblings, if the last reading is old enough to tell: most of a `nap`, for naps may
    /// end early.
    pub(super) fn check_siblings(&self, nap: Duration) -> Mood {
        let index = self.index.get();
        let now = Instant::now();
        let early = self.with_core(|core| {
            let early = now.duration_since(core.watch.at) < nap / 5 * 4;
            if !early {
                core.watch.at = now;
            }
            early
        });
        if early {
            return Mood::Calm { lively: true };
        }
        let (mut lively, mut stuck) = (false, false);
        for sibling in self.shared.siblings(index) {
            let turns = self.shared.driver().turns(sibling);
            let seen =
                self.with_core(|core| std::mem::replace(&mut core.watch.turns[sibling], turns));
            if seen != turns {
                lively = true;
            } else if !self.shared.idle.is_asleep(sibling) {
                stuck = true;
                self.relieve(sibling);
            }
        }
        match stuck {
            true => Mood::Alarmed,
            false => Mood::Calm { lively },
        }
    }

    fn relieve(&self, sibling: usize) {
        self.as_driver(|worker| {
            worker.shared.driver().rescue(sibling);
        });
        let Desk { queue, pace, .. } = &self.shared.desks[sibling];
        pace.set_steady();
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
