//! Which siblings have stood still, as far as this worker has seen. `sentry.rs` says what for.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::idle::Idle;
use crate::runtime::driver::Driver;

/// Two looks this close to each other count as one: a sentry may be called every few microseconds.
const BETWEEN_LOOKS: Duration = Duration::from_micros(100);

/// The siblings as this worker has last seen them.
pub(super) struct Watch {
    seen: Box<[Sighting]>,
    looked_at: Instant,
}

#[derive(Clone, Copy)]
struct Sighting {
    turns: u64,
    /// When it was first seen to have turned so often, or last seen asleep.
    since: Instant,
}

impl Watch {
    pub(super) fn new(workers: usize) -> Self {
        let now = Instant::now();
        let seen = Sighting {
            turns: 0,
            since: now,
        };
        Watch {
            seen: vec![seen; workers].into_boxed_slice(),
            looked_at: now,
        }
    }

    pub(super) fn looked_at(&self) -> Instant {
        self.looked_at
    }

    /// Notes which siblings have turned; says whether one has, or may have.
    pub(super) fn look(
        &mut self,
        siblings: impl Iterator<Item = usize>,
        driver: &Driver,
        idle: &Idle,
        now: Instant,
    ) -> bool {
        if now.duration_since(self.looked_at) < BETWEEN_LOOKS {
            return true;
        }
        self.looked_at = now;
        let mut lively = false;
        for sibling in siblings {
            let seen = &mut self.seen[sibling];
            let turns = driver.turns(sibling);
            let has_turned = seen.turns != turns;
            lively |= has_turned;
            if has_turned || idle.is_asleep(sibling) {
                *seen = Sighting { turns, since: now };
            }
        }
        lively
    }

    /// Whether a sibling, which is awake, has not turned for `limit`. If it goes on like this, it
    /// is said again only after the same time.
    pub(super) fn is_stuck(&mut self, sibling: usize, limit: Duration, now: Instant) -> bool {
        let since = &mut self.seen[sibling].since;
        let is_stuck = now.duration_since(*since) >= limit;
        if is_stuck {
            *since = now;
        }
        is_stuck
    }
}
