//! The wheel on a paused clock.
//!
//! A wheel can be [frozen](Wheel::freeze) and [thawed](Wheel::thaw). In a frozen wheel a tick is a
//! millisecond, deadlines are rounded up to it, and timers of one tick fire together, in the order
//! in which they came to its bucket. In all that can be observed this is Tokio's wheel, because the
//! order of a test's timers is part of what is tested: it has six levels, the highest of which
//! wraps around; a timer that is moved to a later tick stays in its bucket until time reaches that
//! bucket; and the next deadline is that of a bucket.
#![forbid(unsafe_code)]

use super::{BUCKETS, LEVEL_BITS, State, Wheel};

/// A tick of a frozen wheel.
pub(super) const FROZEN_TICK_NS: u64 = 1_000_000;

/// The highest level of a frozen wheel. Its buckets come around every 2^36 ticks, and also hold
/// whatever is later.
pub(super) const FROZEN_TOP: u32 = 5;

impl Wheel {
    /// Whether a timer with this deadline would be due as far as the wheel has looked.
    pub(crate) fn has_reached(&self, deadline_ns: u64) -> bool {
        self.tick_of(deadline_ns) <= self.elapsed
    }

    /// The clock was paused at `now_ns`.
    pub(crate) fn freeze(&mut self, now_ns: u64) {
        self.rebuild(true, now_ns);
    }

    /// The clock runs again from `now_ns` on.
    pub(crate) fn thaw(&mut self, now_ns: u64) {
        self.rebuild(false, now_ns);
    }

    fn rebuild(&mut self, is_frozen: bool, now_ns: u64) {
        let is_listed = |&index: &u32| {
            let state = self.entries[index as usize].state;
            matches!(state, State::Listed(_))
        };
        let mut listed: Vec<u32> = (0..self.entries.len() as u32).filter(is_listed).collect();
        // The oldest first: generations are counted up, and around.
        let age = |&index: &u32| {
            let generation = self.entries[index as usize].generation;
            generation.wrapping_sub(self.next_generation)
        };
        listed.sort_unstable_by_key(age);
        for &index in &listed {
            self.unlink(index);
        }
        self.is_frozen = is_frozen;
        self.elapsed = self.tick_at(now_ns);
        for index in listed {
            let list = self.list_for(self.entries[index as usize].deadline_ns);
            self.link(index, list);
        }
    }

    /// As `first_bucket`, on the highest level: the buckets after that of `elapsed` come first, and
    /// its own comes last.
    pub(super) fn first_of_top(&self, occupied: u64) -> (usize, u64) {
        let digit = FROZEN_TOP * LEVEL_BITS;
        let next = (self.elapsed >> digit) + 1;
        let ahead = occupied
            .rotate_right((next % BUCKETS as u64) as u32)
            .trailing_zeros();
        let start = next + u64::from(ahead);
        let list = FROZEN_TOP as usize * BUCKETS + start as usize % BUCKETS;
        (list, start << digit)
    }
}
