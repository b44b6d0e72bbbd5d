//! One worker's share of the driver: its ring, its timers, the place it sleeps in.
//!
//! A slot belongs to a worker, and so to whichever thread runs that worker at the moment: a worker
//! in `block_in_place` hands its slot on, and a current-thread runtime has one slot, which each
//! `block_on` takes over. Siblings may lock a slot's ring and wheel while its owner is busy.
#![forbid(unsafe_code)]

use super::parker::{Parker, order_for_loom};
use super::probe::{self, may_pass};
use super::ring::{Ring, RingWaker};
use super::time::wheel::Wheel;
use crate::loom::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use crate::util::counter::Counter;
use crate::util::owner_cell::ThreadNumber;
use crate::util::poison::unpoisoned;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

/// A slot's ring is made by the first operation that needs one.
pub(super) enum RingState {
    Absent,
    Ready(Box<Ring>),
    /// Setup failed here: this slot's operations go to the pool.
    Refused(Refusal),
    Closed,
}

/// Why a slot has no ring, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    errno: i32,
    /// When to try again. As a rule never, so that a sandbox sees at most one attempt per worker.
    until: Option<Instant>,
}

impl Refusal {
    /// How long a slot does without a ring after descriptors or memory were short. Operations that
    /// go to the pool meanwhile lose microseconds each; a failed attempt costs more than that.
    const RETRY_AFTER: Duration = Duration::from_secs(1);

    pub(super) fn new(error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        let until = may_pass(errno).then(|| Instant::now() + Self::RETRY_AFTER);
        Refusal { errno, until }
    }

    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        io::Error::from_raw_os_error(refusal.errno)
    }
}

/// Alone on its cache lines, because owners write to their slots at every turn.
#[repr(align(128))]
pub(super) struct Slot {
    pub(super) parker: Parker,
    ring: Mutex<RingState>,
    /// Set once the ring exists. Whoever wants to wake the ring's waiter gets at it without the
    /// ring's lock.
    pub(super) ring_waker: OnceLock<RingWaker>,
    wheel: Mutex<Wheel>,
    /// Written under the wheel's lock.
    pub(super) timers_fired: Counter,
    /// The wheel's earliest deadline in nanoseconds of the driver's clock, or `u64::MAX`. Written
    /// under the wheel's lock; `Driver::timer_add` relies on its order.
    pub(super) next_deadline_ns: AtomicU64,
    /// Where things go turn by turn: when the owner last looked at its timers, in nanoseconds of
    /// the running clock, as far as it was worth a look at the clock. Relaxed: written and read by
    /// the owner.
    pub(super) looked_ns: AtomicU64,
    /// The thread that held the slot last; 0 for none. Relaxed: what hands the slot from one thread
    /// to the next also hands this over.
    last_owner: AtomicU64,
    /// Whether a caretaker looks after what was left here; see `caretaker.rs`.
    pub(super) looked_after: AtomicBool,
    /// Turns taken by the owner; a sibling compares two readings. Relaxed: a number that guards
    /// nothing.
    pub(super) turns: AtomicU64,
}

impl Slot {
    pub(super) fn new() -> Self {
        Slot {
            parker: Parker::default(),
            ring: Mutex::new(RingState::Absent),
            ring_waker: OnceLock::new(),
            wheel: Mutex::new(Wheel::new()),
            timers_fired: Counter::new(),
            next_deadline_ns: AtomicU64::new(u64::MAX),
            looked_ns: AtomicU64::new(0),
            last_owner: AtomicU64::new(0),
            looked_after: AtomicBool::new(false),
            turns: AtomicU64::new(0),
        }
    }

    pub(super) fn lock_ring(&self) -> MutexGuard<'_, RingState> {
        unpoisoned(self.ring.lock())
    }

    pub(super) fn lock_wheel(&self) -> MutexGuard<'_, Wheel> {
        unpoisoned(self.wheel.lock())
    }

    /// From now on a slot without a ring gets none.
    pub(super) fn refuse_first_ring(&self) {
        let mut state = self.lock_ring();
        if matches!(*state, RingState::Absent | RingState::Refused(_)) {
            *state = RingState::Closed;
        }
    }

    /// The ring, if this slot has one; does not make one.
    #[inline]
    pub(super) fn existing_ring(&self) -> Option<RingGuard<'_>> {
        // Without a waker there has never been a ring, and its lock need not be touched.
        self.ring_waker.get()?;
        RingGuard::new(self.lock_ring())
    }

    /// If it has tried to have a ring: why it has none, or cannot use it.
    pub(super) fn why_no_ring(&self) -> Option<String> {
        match &*self.lock_ring() {
            RingState::Refused(refusal) => Some(probe::explain(refusal.errno).to_string()),
            RingState::Ready(ring) => ring.given_up().map(|why| why.to_string()),
            RingState::Absent | RingState::Closed => None,
        }
    }

    /// Whether there is nothing to look at, neither ring nor timer, as in each short `block_on`.
    pub(super) fn is_bare(&self) -> bool {
        // SeqCst as everywhere. If another thread adds a timer meanwhile, it unparks the owner.
        self.ring_waker.get().is_none() && self.next_deadline_ns.load(SeqCst) == u64::MAX
    }

    /// This thread takes the slot. The poll that tells the ring of sockets belongs to the thread
    /// that armed it: it tells late while that thread computes, and not at all while that thread
    /// waits for a disk. So a new owner arms a poll of its own, at its next park.
    #[inline]
    pub(super) fn change_owner(&self) {
        let this = ThreadNumber::current().get();
        let before = self.last_owner.load(Relaxed);
        if before == this {
            return;
        }
        self.last_owner.store(this, Relaxed);
        if before != 0 {
            if let Some(mut ring) = self.existing_ring() {
                ring.disarm_readiness();
            }
        }
    }

    /// Makes the wheel's earliest deadline known. True if the owner sleeps and has to be woken for
    /// it.
    ///
    /// The owner announces its sleep, then reads the earliest deadline; here the deadline is
    /// stored, then the announcement read, all SeqCst: one of the two sees the other.
    #[must_use]
    pub(super) fn publish_deadline(&self, next_ns: u64) -> bool {
        let is_earlier = next_ns < self.next_deadline_ns.swap(next_ns, SeqCst);
        order_for_loom();
        is_earlier && self.parker.is_parked()
    }

    pub(super) fn count_turn(&self) {
        // One writer at a time (the slot's owner), so no read-modify-write is needed.
        self.turns
            .store(self.turns.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

/// A slot's ring, locked.
pub(crate) struct RingGuard<'a>(MutexGuard<'a, RingState>);

impl<'a> RingGuard<'a> {
    /// `None` if there is no ring under this lock.
    pub(super) fn new(state: MutexGuard<'a, RingState>) -> Option<Self> {
        matches!(*state, RingState::Ready(_)).then_some(RingGuard(state))
    }
}

impl Deref for RingGuard<'_> {
    type Target = Ring;

    fn deref(&self) -> &Ring {
        match &*self.0 {
            RingState::Ready(ring) => ring,
            _ => unreachable!("checked in RingGuard::new, and the lock is held since"),
        }
    }
}

impl DerefMut for RingGuard<'_> {
    fn deref_mut(&mut self) -> &mut Ring {
        match &mut *self.0 {
            RingState::Ready(ring) => ring,
            _ => unreachable!("checked in RingGuard::new, and the lock is held since"),
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::super::parker::{Place, Unpark};
    use super::*;

    /// A sleep without a limit, as `park` does it: true if it must not go on, because of a timer.
    fn sleep(slot: &Slot) -> bool {
        if !slot.parker.prepare(Place::Futex) {
            return false;
        }
        let sees_timer = slot.next_deadline_ns.load(SeqCst) != u64::MAX;
        if !sees_timer {
            slot.parker.wait_futex(None);
        }
        let _told = slot.parker.finish();
        sees_timer
    }

    /// A timer that another thread adds is seen before the sleep or ends it. If it were lost, the
    /// owner would yield for ever, and loom would say so.
    #[test]
    fn loom_parker_a_timer_added_meanwhile_is_seen() {
        loom::model(|| {
            let slot = loom::sync::Arc::new(Slot::new());
            let adder = {
                let slot = slot.clone();
                loom::thread::spawn(move || {
                    if slot.publish_deadline(5) {
                        assert_eq!(slot.parker.unpark(), Unpark::Noted);
                    }
                })
            };
            while !sleep(&slot) {}
            adder.join().unwrap();
        });
    }

    /// Two threads wake the owner, which sleeps as often as it likes. Neither wake-up is lost, and
    /// what came before each is seen.
    #[test]
    fn loom_parker_no_token_is_lost() {
        loom::model(|| {
            let slot = loom::sync::Arc::new(Slot::new());
            let told = loom::sync::Arc::new(AtomicU64::new(0));
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let (slot, told) = (slot.clone(), told.clone());
                    loom::thread::spawn(move || {
                        // Relaxed: the token orders.
                        told.fetch_add(1, Relaxed);
                        assert_eq!(slot.parker.unpark(), Unpark::Noted);
                    })
                })
                .collect();
            while told.load(Relaxed) < 2 {
                let _sees_no_timer = sleep(&slot);
            }
            for other in others {
                other.join().unwrap();
            }
        });
    }
}
