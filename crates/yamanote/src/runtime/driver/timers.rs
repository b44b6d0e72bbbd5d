//! Timers as the upper layers see them: a key into one slot's wheel.
#![forbid(unsafe_code)]

use super::Driver;
use super::batch::Batch;
use super::park::{finish_batch, take_batch};
use super::slot::Slot;
use super::time::wheel::{Polled, Wheel};
use std::sync::MutexGuard;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::{Poll, Waker};
use std::time::Instant;

/// Names one timer until it is removed.
#[derive(Debug)]
pub(crate) struct TimerKey {
    slot: usize,
    index: u32,
    generation: u32,
}

impl Driver {
    /// Registers a timer with this thread's slot, or with a worker's slot if the thread has none.
    /// `None` if the deadline has passed; on a paused clock, and where things go turn by turn, if
    /// the last turn has seen it pass.
    pub(crate) fn timer_add(&self, deadline: Instant, waker: &Waker) -> Option<TimerKey> {
        self.assert_not_forked();
        let is_paused = self.clock.is_paused();
        let local = self.local_slot();
        if !is_paused && deadline <= self.clock.now() && !self.is_for_next_turn(local, deadline) {
            return None;
        }
        let slot_index = local.unwrap_or_else(|| self.foreign_slot());
        let slot = &self.slots[slot_index];
        let deadline_ns = self.clock.to_ns(deadline);
        let waker = waker.clone();

        let mut wheel = slot.lock_wheel();
        if is_paused && wheel.has_reached(deadline_ns) {
            drop(wheel);
            return None;
        }
        let (index, generation) = wheel.insert(deadline_ns, waker);
        self.publish_deadline(slot_index, wheel, local);
        Some(TimerKey {
            slot: slot_index,
            index,
            generation,
        })
    }

    /// Whether the slot's owner has not seen yet that the deadline has passed. Then it fires the
    /// timer at its next turn: what was runnable before comes first, as in Tokio.
    fn is_for_next_turn(&self, local: Option<usize>, deadline: Instant) -> bool {
        let slot = local.filter(|_| self.config.turn_by_turn);
        let looked_ns = slot.map(|slot| self.slots[slot].looked_ns.load(Relaxed));
        looked_ns.is_some_and(|looked_ns| looked_ns < self.clock.to_ns(deadline))
    }

    /// The owner of a slot begins a turn or has ended a sleep. To be called where things go turn by
    /// turn.
    pub(crate) fn note_time(&self, slot: usize, now: Instant) {
        let looked_ns = self.clock.now_ns_at(now);
        self.slots[slot].looked_ns.store(looked_ns, Relaxed);
    }

    /// Moves a timer that has not fired; it keeps its waker. If the new deadline has passed, the
    /// timer fires at once, not at the next turn. `false`, and nothing is changed, if it has fired.
    pub(crate) fn timer_reset(&self, key: &TimerKey, deadline: Instant) -> bool {
        let deadline_ns = self.clock.to_ns(deadline);
        let is_paused = self.clock.is_paused();
        let now_ns = self.clock.now_ns();
        let slot = &self.slots[key.slot];
        let mut wheel = slot.lock_wheel();
        let has_passed = match is_paused {
            true => wheel.has_reached(deadline_ns),
            false => deadline_ns <= now_ns,
        };
        if has_passed {
            let waker = wheel.expire(key.index, key.generation);
            slot.timers_fired.add(u64::from(waker.is_some()));
            if is_paused {
                note_next(slot, &wheel);
            }
            drop(wheel);
            return waker.map(Waker::wake).is_some();
        }
        let moved = wheel.reset(key.index, key.generation, deadline_ns);
        self.publish_deadline(key.slot, wheel, self.local_slot());
        moved
    }

    /// Makes an earlier deadline known to the slot's owner. If this thread is the owner, it is
    /// awake.
    fn publish_deadline(
        &self,
        slot_index: usize,
        wheel: MutexGuard<'_, Wheel>,
        local: Option<usize>,
    ) {
        let slot = &self.slots[slot_index];
        let must_tell = slot.publish_deadline(wheel.next_deadline_ns().unwrap_or(u64::MAX));
        drop(wheel);
        if must_tell && local != Some(slot_index) {
            self.unpark(slot_index);
        }
    }

    /// `Ready` once the timer has fired, which spends the key; else it will wake `waker`.
    pub(crate) fn timer_poll(&self, key: &TimerKey, waker: &Waker) -> Poll<()> {
        let slot = &self.slots[key.slot];
        loop {
            match slot.lock_wheel().poll(key.index, key.generation, waker) {
                Polled::Fired => return Poll::Ready(()),
                Polled::Waiting => return Poll::Pending,
                Polled::OtherWaker => {}
            }
            // Cloned and dropped outside the lock: both may run foreign code.
            let clone = waker.clone();
            let replaced = slot
                .lock_wheel()
                .replace_waker(key.index, key.generation, clone);
            if replaced.is_ok() {
                return Poll::Pending;
            }
        }
    }

    /// Whether a timer that outlives the runtime is ready.
    pub(crate) fn timers_end_ready(&self) -> bool {
        self.config.timers_end_ready
    }

    /// Whether the timer has fired and nobody has polled it since.
    pub(crate) fn timer_has_fired(&self, key: &TimerKey) -> bool {
        self.slots[key.slot]
            .lock_wheel()
            .has_fired(key.index, key.generation)
    }

    /// Forgets the timer, fired or not.
    pub(crate) fn timer_remove(&self, key: TimerKey) {
        if self.is_forked() {
            return;
        }
        let is_paused = self.clock.is_paused();
        let slot = &self.slots[key.slot];
        let mut wheel = slot.lock_wheel();
        let waker = wheel.remove(key.index, key.generation);
        // The earliest deadline is left as it is: that costs one idle wake-up, whereas looking for
        // the next would cost something at every cancelled timeout. But a paused clock would move
        // there.
        if is_paused {
            note_next(slot, &wheel);
        }
        drop(wheel);
        drop(waker);
    }

    /// Collects the wakers of due timers of `slot`.
    pub(super) fn fire_due(&self, slot: usize, batch: &mut Batch) {
        /// Timers fired under one lock; the next turn fires the rest.
        const MAX_PER_TURN: usize = 1024;

        if self.clock.is_paused() {
            return self.fire_paused_into(slot, batch);
        }
        let slot = &self.slots[slot];
        let next = slot.next_deadline_ns.load(SeqCst);
        if next == u64::MAX {
            return;
        }
        let now_ns = self.clock.now_ns();
        if self.config.turn_by_turn {
            slot.looked_ns.store(now_ns, Relaxed);
        }
        if now_ns < next {
            return;
        }
        let mut wheel = slot.lock_wheel();
        let fired = wheel.fire(now_ns, MAX_PER_TURN, &mut batch.wakers);
        slot.timers_fired.add(fired as u64);
        note_next(slot, &wheel);
    }

    /// On a paused clock a turn also tells the wheel what time it is. It fires everything that is
    /// due, so that all that is due at one time is woken before anything runs.
    fn fire_paused_into(&self, slot: usize, batch: &mut Batch) {
        let slot = &self.slots[slot];
        let now_ns = self.clock.now_ns();
        let mut wheel = slot.lock_wheel();
        let fired = wheel.fire(now_ns, usize::MAX, &mut batch.wakers);
        slot.timers_fired.add(fired as u64);
        note_next(slot, &wheel);
    }

    /// Fires the due timers of a slot; a turn that looks at nothing else.
    pub(crate) fn fire_timers(&self, slot: usize) {
        // A paused clock's turn tells the wheel what time it is.
        if self.clock.is_paused() || self.has_overdue_timer(slot) {
            let mut batch = take_batch();
            self.fire_due(slot, &mut batch);
            finish_batch(batch);
        }
    }

    /// Whether the next turn will fire a timer.
    pub(crate) fn has_overdue_timer(&self, slot: usize) -> bool {
        let next_ns = self.slots[slot].next_deadline_ns.load(SeqCst);
        next_ns != u64::MAX && next_ns <= self.clock.now_ns()
    }

    /// Whether there is a timer whose time has not come, and none whose time has, on a paused
    /// clock.
    pub(crate) fn has_timer_ahead(&self, slot: usize) -> bool {
        let next_ns = self.slots[slot].next_deadline_ns.load(SeqCst);
        next_ns != u64::MAX && self.clock.now_ns() < next_ns
    }

    /// Stops the clock. The error is the text to panic with.
    pub(crate) fn pause_clock(&self) -> Result<(), &'static str> {
        self.clock.pause()?;
        self.freeze_wheels();
        Ok(())
    }

    /// Lets the clock run again. The error is the text to panic with.
    pub(crate) fn resume_clock(&self) -> Result<(), &'static str> {
        self.clock.resume()?;
        let now_ns = self.clock.now_ns();
        for slot in &self.slots {
            let mut wheel = slot.lock_wheel();
            wheel.thaw(now_ns);
            note_next(slot, &wheel);
        }
        Ok(())
    }

    pub(super) fn freeze_wheels(&self) {
        let now_ns = self.clock.now_ns();
        for slot in &self.slots {
            let mut wheel = slot.lock_wheel();
            wheel.freeze(now_ns);
            note_next(slot, &wheel);
        }
    }
}

/// Makes the earliest deadline of a slot's wheel known.
fn note_next(slot: &Slot, wheel: &Wheel) {
    let next = wheel.next_deadline_ns().unwrap_or(u64::MAX);
    slot.next_deadline_ns.store(next, SeqCst);
}
