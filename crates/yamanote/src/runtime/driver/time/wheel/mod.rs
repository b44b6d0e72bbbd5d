//! The timer wheel: a set of deadlines, each with a waker, which gives out cheaply those that are
//! due.
//!
//! # The machine
//!
//! Time is a `u64` of nanoseconds. A *tick* is 2^16 of them (65.5 µs); it groups timers, it does
//! not round them: a timer fires at the first [`Wheel::fire`] whose `now_ns` has reached its
//! deadline, exactly. Eight levels of 64 buckets cover all 48 bits of a tick, so every `u64` has
//! its place and none overflows.
//!
//! ```text
//!                 bits of a tick:   47..42   41..36   ...   11..6     5..0
//!                 level:               7        6               1        0
//! ```
//!
//! `elapsed` is the tick up to which everything has been looked at. A timer lives at the level of
//! the highest digit in which its tick differs from `elapsed`, in the bucket that this digit names.
//! From this follow rules that the code cites:
//!
//! 1. A bucket above level 0 holds timers later than everything on the levels below it, and its
//!    index is greater than the digit of `elapsed` on its level.
//! 2. So the earliest timer is in the first occupied bucket of the lowest occupied level.
//! 3. The bucket of `elapsed` itself, on level 0, holds what is due within this tick, and
//!    everything that was overdue when it was inserted.
//! 4. When time reaches a bucket, `elapsed` becomes its start, and one timer after another either
//!    fires or goes down to its place relative to the new `elapsed`. A call that stops half-way
//!    notes the bucket in `draining`; what is left there comes before every other bucket, because
//!    rule 1 does not hold for it.
//!
//! An entry is *listed* (in a bucket, with a waker), *fired* (in no list, its waker given away,
//! waiting for its owner to notice) or *free*.
//!
//! On a paused clock there are other rules: see `frozen`.
//!
//! Generations are counted per wheel, not per entry, so that an emptied wheel can give its memory
//! back and yet no old key ever fits a new entry.
#![forbid(unsafe_code)]

mod frozen;

use std::fmt;
use std::task::Waker;

use self::frozen::{FROZEN_TICK_NS, FROZEN_TOP};
use crate::util::wake_list::WakeList;

const TICK_SHIFT: u32 = 16;
const LEVEL_BITS: u32 = 6;
const BUCKETS: usize = 1 << LEVEL_BITS;
const LEVELS: usize = ((u64::BITS - TICK_SHIFT) / LEVEL_BITS) as usize;

/// Bucket `s` of level `l` is list `l * BUCKETS + s`.
const LISTS: usize = LEVELS * BUCKETS;

/// End of the free list, head of an empty list.
const NIL: u32 = u32::MAX;

/// An emptied wheel keeps room for this many entries (40 bytes each).
const KEPT_CAPACITY: usize = 1024;

/// What [`Wheel::poll`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Polled {
    /// The deadline was reached. The entry is free again and the key is spent.
    Fired,
    /// The timer waits and would wake this very waker.
    Waiting,
    /// The timer waits with another waker: clone yours outside the lock and hand it to
    /// [`Wheel::replace_waker`].
    OtherWaker,
}

/// A set of timers. See the [module](self).
pub(crate) struct Wheel {
    is_frozen: bool,
    elapsed: u64,
    /// Bit `l`: some bucket of level `l` is occupied.
    levels_occupied: u8,
    /// Bit `s` of entry `l`: bucket `s` of level `l` is occupied.
    buckets_occupied: [u64; LEVELS],
    /// The bucket left half-way by the last call of `fire` (rule 4).
    draining: Option<usize>,
    /// First entry of each list; the lists are circular.
    heads: [u32; LISTS],
    /// A bound below which no deadline of the list lies; exact unless a timer was removed or moved.
    earliest: [u64; LISTS],
    entries: Vec<Entry>,
    free: u32,
    /// Entries that are not free.
    in_use: usize,
    /// Entries that are listed.
    listed: usize,
    next_generation: u32,
}

const _: () = assert!(LEVELS <= u8::BITS as usize);

struct Entry {
    deadline_ns: u64,
    next: u32,
    prev: u32,
    generation: u32,
    state: State,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the list of this number.
    Listed(u16),
    Fired,
    Free,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Wheel {
            is_frozen: false,
            elapsed: 0,
            levels_occupied: 0,
            buckets_occupied: [0; LEVELS],
            draining: None,
            heads: [NIL; LISTS],
            earliest: [u64::MAX; LISTS],
            entries: Vec::new(),
            free: NIL,
            in_use: 0,
            listed: 0,
            next_generation: 0,
        }
    }

    /// Adds a timer and returns its key, `(index, generation)`. A deadline in the past is fired by
    /// the next [`fire`](Self::fire).
    pub(crate) fn insert(&mut self, deadline_ns: u64, waker: Waker) -> (u32, u32) {
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1);
        let entry = Entry {
            deadline_ns,
            next: NIL,
            prev: NIL,
            generation,
            state: State::Free,
            waker: Some(waker),
        };
        let index = if self.free == NIL {
            let index = u32::try_from(self.entries.len()).unwrap_or(NIL);
            assert!(index != NIL, "a wheel holds at most 2^32 - 1 timers");
            self.entries.push(entry);
            index
        } else {
            let index = self.free;
            let old = &mut self.entries[index as usize];
            assert!(old.state == State::Free);
            self.free = old.next;
            *old = entry;
            index
        };
        self.in_use += 1;
        self.listed += 1;
        let list = self.list_for(deadline_ns);
        self.link(index, list);
        (index, generation)
    }

    /// Asks whether a timer has fired. A key must not be polled again after [`Polled::Fired`].
    pub(crate) fn poll(&mut self, index: u32, generation: u32, waker: &Waker) -> Polled {
        let entry = self
            .get(index, generation)
            .expect("a timer was polled after it had fired or been removed");
        if entry.state == State::Fired {
            self.release(index);
            return Polled::Fired;
        }
        match &entry.waker {
            Some(current) if current.will_wake(waker) => Polled::Waiting,
            _ => Polled::OtherWaker,
        }
    }

    /// Gives a listed timer another waker and returns the old one; a waker that comes too late
    /// comes back as `Err`. The caller drops either once the lock is released.
    pub(crate) fn replace_waker(
        &mut self,
        index: u32,
        generation: u32,
        waker: Waker,
    ) -> Result<Option<Waker>, Waker> {
        match self.get_mut(index, generation) {
            Some(entry) if matches!(entry.state, State::Listed(_)) => {
                Ok(entry.waker.replace(waker))
            }
            _ => Err(waker),
        }
    }

    /// Moves a timer that has not fired yet to another deadline; it keeps its waker. Returns false,
    /// and changes nothing, if it has fired.
    pub(crate) fn reset(&mut self, index: u32, generation: u32, deadline_ns: u64) -> bool {
        let before_ns = match self.get_mut(index, generation) {
            Some(entry) if matches!(entry.state, State::Listed(_)) => {
                std::mem::replace(&mut entry.deadline_ns, deadline_ns)
            }
            _ => return false,
        };
        if self.is_frozen && self.tick_of(deadline_ns) >= self.tick_of(before_ns) {
            return true;
        }
        self.unlink(index);
        let list = self.list_for(deadline_ns);
        self.link(index, list);
        true
    }

    /// Fires a timer now, whatever its deadline, and returns its waker to be woken outside the
    /// lock; `None` if it has fired.
    pub(crate) fn expire(&mut self, index: u32, generation: u32) -> Option<Waker> {
        let state = self.get(index, generation)?.state;
        matches!(state, State::Listed(_)).then(|| {
            self.unlink(index);
            self.fired(index)
        })
    }

    /// Whether the timer has fired and its owner has not noticed yet.
    pub(crate) fn has_fired(&self, index: u32, generation: u32) -> bool {
        self.get(index, generation)
            .is_some_and(|entry| entry.state == State::Fired)
    }

    /// Forgets a timer, whatever its state, and returns its waker to be dropped outside the lock. A
    /// spent key is ignored.
    pub(crate) fn remove(&mut self, index: u32, generation: u32) -> Option<Waker> {
        let state = self.get(index, generation)?.state;
        if matches!(state, State::Listed(_)) {
            self.unlink(index);
            self.listed -= 1;
        }
        let waker = self.entries[index as usize].waker.take();
        self.release(index);
        waker
    }

    /// Takes the wakers of timers that are due at `now_ns`, and looks at no more than `max` timers.
    /// Returns how many fired.
    ///
    /// If it stops because of `max`, then [`next_deadline_ns`](Self::next_deadline_ns) is not later
    /// than `now_ns`, and another call goes on.
    pub(crate) fn fire(&mut self, now_ns: u64, max: usize, out: &mut WakeList) -> usize {
        let now_tick = self.tick_at(now_ns);
        let (mut fired, mut looked_at) = (0, 0);
        loop {
            let list = match (self.draining, self.first_bucket()) {
                (Some(list), _) => list,
                (None, Some((list, start))) if start <= now_tick => {
                    self.elapsed = self.elapsed.max(start);
                    list
                }
                _ => {
                    self.elapsed = self.elapsed.max(now_tick);
                    return fired;
                }
            };
            // What remains in the bucket of this very tick is due later within the tick (rule 3).
            // One pass goes through the bucket, by turning its list until the first timer it kept
            // comes by.
            let mut first_kept = NIL;
            let mut earliest_kept = u64::MAX;
            while self.heads[list] != first_kept {
                if looked_at == max {
                    self.draining = Some(list);
                    return fired;
                }
                looked_at += 1;
                let index = self.heads[list];
                let deadline_ns = self.entries[index as usize].deadline_ns;
                let is_due = match self.is_frozen {
                    true => self.tick_of(deadline_ns) <= self.elapsed,
                    false => deadline_ns <= now_ns,
                };
                if is_due {
                    self.unlink(index);
                    out.push(self.fired(index));
                    fired += 1;
                    continue;
                }
                let belongs_in = self.list_for(deadline_ns);
                if belongs_in == list {
                    earliest_kept = earliest_kept.min(deadline_ns);
                    self.heads[list] = self.entries[index as usize].next;
                    if first_kept == NIL {
                        first_kept = index;
                    }
                } else {
                    self.unlink(index);
                    self.link(index, belongs_in);
                }
            }
            self.draining = None;
            if first_kept != NIL {
                self.earliest[list] = earliest_kept;
                // If frozen, the bucket is on the highest level and comes around once more.
                if !self.is_frozen {
                    return fired;
                }
            }
        }
    }

    /// The earliest deadline, or a time before it, but never a time after it. If that deadline is
    /// overdue, any time that has passed.
    ///
    /// Once [`fire`](Self::fire) has done all of its work at some time, this is later than that
    /// time: a caller that waits until then, or moves a paused clock there, always gets on.
    pub(crate) fn next_deadline_ns(&self) -> Option<u64> {
        let tick_ns = self.tick_ns();
        if self.draining.is_some() {
            return Some(self.elapsed.saturating_mul(tick_ns));
        }
        let (list, start) = self.first_bucket()?;
        Some(match self.is_frozen {
            true => start.saturating_mul(tick_ns),
            false => self.earliest[list],
        })
    }

    /// Fires everything, due or not, because nobody will turn this wheel again.
    pub(crate) fn clear(&mut self, out: &mut WakeList) {
        // Most runtimes that go have none, and there are many lists.
        if self.listed == 0 {
            return;
        }
        for list in 0..LISTS {
            while self.heads[list] != NIL {
                let index = self.heads[list];
                self.unlink(index);
                out.push(self.fired(index));
            }
        }
    }

    /// The number of timers that have not fired.
    pub(crate) fn len(&self) -> usize {
        self.listed
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.listed == 0
    }

    fn tick_ns(&self) -> u64 {
        match self.is_frozen {
            true => FROZEN_TICK_NS,
            false => 1 << TICK_SHIFT,
        }
    }

    /// The tick in which `now_ns` lies.
    fn tick_at(&self, now_ns: u64) -> u64 {
        now_ns / self.tick_ns()
    }

    /// The tick of a deadline.
    fn tick_of(&self, deadline_ns: u64) -> u64 {
        match self.is_frozen {
            true => deadline_ns.div_ceil(FROZEN_TICK_NS),
            false => deadline_ns >> TICK_SHIFT,
        }
    }

    /// The list in which a timer belongs, relative to `elapsed`.
    fn list_for(&self, deadline_ns: u64) -> usize {
        let tick = self.tick_of(deadline_ns).max(self.elapsed);
        let differs = tick ^ self.elapsed;
        let mut level = differs.checked_ilog2().unwrap_or(0) / LEVEL_BITS;
        if self.is_frozen {
            level = level.min(FROZEN_TOP);
        }
        let bucket = (tick >> (level * LEVEL_BITS)) as usize % BUCKETS;
        level as usize * BUCKETS + bucket
    }

    /// The bucket with the earliest timers (rule 2) and the tick at which it starts.
    fn first_bucket(&self) -> Option<(usize, u64)> {
        if self.levels_occupied == 0 {
            return None;
        }
        let level = self.levels_occupied.trailing_zeros();
        let occupied = self.buckets_occupied[level as usize];
        let digit = level * LEVEL_BITS;
        if self.is_frozen && level == FROZEN_TOP {
            return Some(self.first_of_top(occupied));
        }
        let bucket = occupied.trailing_zeros();
        // The digits above this level are those of `elapsed`, the digits below it are zero. The
        // highest level has nothing above it, where `>>` by all of its bits is still in range.
        let above = self.elapsed >> (digit + LEVEL_BITS) << LEVEL_BITS;
        let start = (above | u64::from(bucket)) << digit;
        Some((level as usize * BUCKETS + bucket as usize, start))
    }

    /// Marks an unlinked entry as fired and returns the waker to wake.
    fn fired(&mut self, index: u32) -> Waker {
        let entry = &mut self.entries[index as usize];
        entry.state = State::Fired;
        self.listed -= 1;
        entry.waker.take().expect("a listed timer has a waker")
    }

    /// Appends an entry to a list.
    fn link(&mut self, index: u32, list: usize) {
        let head = self.heads[list];
        let tail = if head == NIL {
            self.heads[list] = index;
            self.buckets_occupied[list / BUCKETS] |= 1 << (list % BUCKETS);
            self.levels_occupied |= 1 << (list / BUCKETS);
            index
        } else {
            let tail = std::mem::replace(&mut self.entries[head as usize].prev, index);
            self.entries[tail as usize].next = index;
            tail
        };
        let entry = &mut self.entries[index as usize];
        entry.prev = tail;
        entry.next = if head == NIL { index } else { head };
        entry.state = State::Listed(list as u16);
        self.earliest[list] = self.earliest[list].min(entry.deadline_ns);
    }

    /// Takes an entry out of its list; the caller says what becomes of it.
    fn unlink(&mut self, index: u32) {
        let &Entry {
            next, prev, state, ..
        } = &self.entries[index as usize];
        let State::Listed(list) = state else {
            panic!("only a listed timer can be unlinked, not a {state:?} one");
        };
        let list = usize::from(list);
        if next == index {
            assert!(self.heads[list] == index && prev == index);
            self.heads[list] = NIL;
            self.earliest[list] = u64::MAX;
            let (level, bucket) = (list / BUCKETS, list % BUCKETS);
            self.buckets_occupied[level] &= !(1 << bucket);
            if self.buckets_occupied[level] == 0 {
                self.levels_occupied &= !(1 << level);
            }
            if self.draining == Some(list) {
                self.draining = None;
            }
        } else {
            self.entries[prev as usize].next = next;
            self.entries[next as usize].prev = prev;
            if self.heads[list] == index {
                self.heads[list] = next;
            }
        }
    }

    /// Puts an unlinked entry on the free list.
    fn release(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        debug_assert!(entry.waker.is_none());
        entry.state = State::Free;
        entry.next = self.free;
        self.free = index;
        self.in_use -= 1;
        if self.in_use == 0 && self.entries.capacity() > KEPT_CAPACITY {
            self.entries = Vec::new();
            self.free = NIL;
        }
    }

    fn get(&self, index: u32, generation: u32) -> Option<&Entry> {
        self.entries
            .get(index as usize)
            .filter(|entry| entry.generation == generation && entry.state != State::Free)
    }

    fn get_mut(&mut self, index: u32, generation: u32) -> Option<&mut Entry> {
        self.entries
            .get_mut(index as usize)
            .filter(|entry| entry.generation == generation && entry.state != State::Free)
    }
}

impl fmt::Debug for Wheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel")
            .field("elapsed_ticks", &self.elapsed)
            .field("timers", &self.listed)
            .field("next_deadline_ns", &self.next_deadline_ns())
            .finish()
    }
}

#[cfg(test)]
mod tests;
