//! The event loop of one worker: `turn` looks, `park` blocks once and then looks.
//!
//! ```text
//! flush submissions -> reap completions -> drain readiness -> fire timers -> wake what was found
//! ```
//!
//! The scheduler runs tasks between two calls. Everything is collected under locks into a [`Batch`]
//! and woken or dropped after they are released: no waker and no destructor of a user's value runs
//! while the driver is borrowed.
#![forbid(unsafe_code)]

use super::Driver;
use super::batch::Batch;
use super::parker::{Place, Unpark};
use super::readiness::Readiness;
use super::ring::Ring;
use super::slot::Slot;
use crate::sys;
use std::cell::Cell;
use std::io;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Completions reaped under one lock, so that a flood of them does not starve tasks. The next turn
/// finds the rest.
const MAX_COMPLETIONS: usize = 1024;

/// A sleep in the ring is no longer than this, in case every way to end it fails. A worker sleeps
/// there only for operations under way, and most of them take less.
const LONGEST_IN_RING: Duration = Duration::from_millis(250);

/// Whether a turn looks at sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PollIo {
    /// Only if the ring says that the set has events.
    Skip,
    /// Ask the set, at the cost of a system call.
    Drain,
}

/// What a parked worker watches beside its own ring and timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The readiness set. One worker at a time has this role.
    Watcher,
    /// Nothing. A sentry sleeps like this, with the timeout it needs.
    None,
}

/// Which thread turns a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turner {
    Owner,
    Sibling,
}

impl Driver {
    /// Looks at everything without blocking. The caller holds `slot`. Returns how many wakers were
    /// woken.
    pub(crate) fn turn(&self, slot: usize, poll_io: PollIo) -> usize {
        self.slots[slot].count_turn();
        self.collect(slot, poll_io, Turner::Owner)
    }

    /// Looks at a slot whose owner is busy: submits and reaps for it and fires its timers. For
    /// worker threads only, because what is submitted here ends if this thread exits.
    pub(crate) fn rescue(&self, slot: usize) -> usize {
        self.collect(slot, PollIo::Skip, Turner::Sibling)
    }

    fn collect(&self, slot: usize, poll_io: PollIo, by: Turner) -> usize {
        self.assert_not_forked();
        if poll_io == PollIo::Skip && self.slots[slot].is_bare() && !self.clock.is_paused() {
            return 0;
        }
        let mut batch = take_batch();
        let mut took_wake = false;
        let mut told_by_ring = false;
        if let Some(mut ring) = self.slots[slot].existing_ring() {
            if ring.needs_enter() {
                // What the kernel does not take stays with the ring, which offers it again at the
                // next turn.
                ring.flush();
                if by == Turner::Sibling {
                    ring.note_foreign_enter();
                }
            }
            ring.recall(&mut batch);
            ring.reap(&mut batch, MAX_COMPLETIONS);
            took_wake = ring.take_woken();
            told_by_ring = ring.take_readiness_event();
        }
        if took_wake && by == Turner::Sibling {
            // It was meant for the owner, which may be about to wait for it.
            self.wake_from_ring(&self.slots[slot]);
        }
        match (poll_io, &self.io) {
            (PollIo::Drain, Some(io)) => {
                note_look(io, io.drain_some(&mut batch.wakers), &mut batch);
            }
            (PollIo::Skip, Some(_)) if told_by_ring => self.drain_readiness(&mut batch),
            _ => {}
        }
        self.fire_due(slot, &mut batch);
        finish_batch(batch)
    }

    /// Whether there are sockets or other descriptors in the readiness set.
    pub(crate) fn watches_sockets(&self) -> bool {
        self.io.as_ref().is_some_and(Readiness::is_watching)
    }

    /// Hands to the kernel what was pushed, and looks at nothing.
    #[inline]
    pub(crate) fn submit(&self, slot: usize) {
        if let Some(mut ring) = self.slots[slot].existing_ring() {
            if ring.needs_enter() {
                // As in `collect`.
                ring.flush();
            }
        }
    }

    /// As [`submit`](Self::submit), of the slot that this thread holds.
    pub(crate) fn submit_own(&self) {
        if let Some(slot) = self.local_slot() {
            self.submit(slot);
        }
    }

    /// Takes the token of an [`unpark`](Self::unpark) that came while the slot's owner was awake.
    /// Called by the owner, which looks at everything again before it sleeps.
    pub(crate) fn take_token(&self, slot: usize) {
        self.slots[slot].parker.take_token();
    }

    fn drain_readiness(&self, batch: &mut Batch) {
        if let Some(io) = &self.io {
            let answer = io.drain(Some(Duration::ZERO), &mut batch.wakers);
            note_look(io, answer, batch);
        }
    }

    /// Blocks until something happens, a timer is due or [`unpark`](Self::unpark) is called, at
    /// most for `timeout`; then turns. The caller holds `slot` and has nothing to run.
    pub(crate) fn park(&self, slot_index: usize, role: Role, timeout: Option<Duration>) -> usize {
        self.assert_not_forked();
        let slot = &self.slots[slot_index];
        let mut batch = take_batch();

        // What can be seen without a sleep comes first, and makes the sleep unnecessary.
        let (place, at_most) = self.choose_place(slot, role, &mut batch);
        if !batch.is_empty() {
            slot.count_turn();
            self.fire_due(slot_index, &mut batch);
            return finish_batch(batch);
        }

        if slot.parker.prepare(place) {
            let _sleep = SleepGuard(slot);
            let limit = self.time_to_sleep(slot, timeout);
            match limit {
                Limit::Sleep(limit) => {
                    let limit = limit.into_iter().chain(at_most).min();
                    self.sleep(slot, place, limit, &mut batch);
                }
                Limit::AutoAdvance { to_ns } => {
                    // Paused clock: everything that is ready comes before time moves.
                    self.sleep(slot, place, Some(Duration::ZERO), &mut batch);
                    self.look_again(slot, role, &mut batch);
                    if batch.is_empty() && slot.parker.is_parked() && self.live_ops() == 0 {
                        self.clock.advance_to_ns(to_ns);
                    }
                }
            }
        }
        let woken = finish_batch(batch);
        // A sleep in epoll has drained the set; a ring says whether there is something to drain.
        woken + self.turn(slot_index, PollIo::Skip)
    }

    /// What a sleep of no length in the ring has told.
    fn look_again(&self, slot: &Slot, role: Role, batch: &mut Batch) {
        let Some(mut ring) = slot.existing_ring() else {
            return;
        };
        ring.reap(batch, MAX_COMPLETIONS);
        let fired = ring.take_readiness_event();
        drop(ring);
        if fired && role == Role::Watcher {
            self.drain_readiness(batch);
        }
    }

    /// Where to sleep, and for how long at most, with that place made ready. What was found on the
    /// way is in `batch`.
    ///
    /// | | the ring has operations | it has none, rests or was given up |
    /// |---|---|---|
    /// | **a watcher** sleeps in | the ring, which polls the readiness set | epoll |
    /// | **another** sleeps in | the ring | a futex |
    ///
    /// Without operations a sleep in the ring would be no better: the kernel takes whoever waits in
    /// a ring that has so much as a poll armed for one that waits for a disk, and says so in the
    /// machine's figures.
    fn choose_place(
        &self,
        slot: &Slot,
        role: Role,
        batch: &mut Batch,
    ) -> (Place, Option<Duration>) {
        let io = match role {
            Role::Watcher => self.io.as_ref(),
            Role::None => None,
        };
        let listens_in = io.and_then(Readiness::listens_in);
        if let (Some(io), Some(_)) = (io, listens_in) {
            io.answer_unrung(&mut batch.wakers);
        }
        let io = io.filter(|io| !io.has_failed());
        let without_ring = match io {
            Some(_) => Place::Epoll,
            None => Place::Futex,
        };
        let Some(mut ring) = slot.existing_ring() else {
            return (without_ring, listens_in);
        };
        let place = match is_worth_a_sleep(&mut ring) {
            true => Place::Ring,
            false => without_ring,
        };
        let polled = io.filter(|_| place == Place::Ring);
        match polled {
            Some(io) => ring.arm_readiness(io.epoll_fd()),
            None => ring.disarm_readiness(),
        }
        // A sleep in the ring takes submissions along in its one system call.
        if place != Place::Ring && ring.needs_enter() {
            ring.flush();
        }
        ring.recall(batch);
        ring.reap(batch, MAX_COMPLETIONS);
        let at_most = match place {
            Place::Ring => Some(LONGEST_IN_RING),
            // It rested, and has just submitted what it has: the next sleep is in it.
            _ if is_worth_a_sleep(&mut ring) => Some(Duration::ZERO),
            _ => ring.look_again_in(),
        };
        if let Some(io) = polled {
            let fired = ring.take_readiness_event();
            drop(ring);
            if fired || io.has_left_some() {
                self.drain_readiness(batch);
            }
        }
        (place, at_most.into_iter().chain(listens_in).min())
    }

    /// How long the owner may sleep. To be asked after the sleep was announced, see `timer_add`.
    fn time_to_sleep(&self, slot: &Slot, timeout: Option<Duration>) -> Limit {
        let deadline_ns = slot.next_deadline_ns.load(SeqCst);
        if deadline_ns == u64::MAX {
            return Limit::Sleep(timeout);
        }
        let now_ns = self.clock.now_ns();
        // A clock that was moved by hand may have passed it.
        if self.clock.is_paused() && now_ns < deadline_ns {
            return match self.clock.can_auto_advance() && self.live_ops() == 0 {
                // By whole milliseconds, as in Tokio: one that has begun counts as past.
                true => Limit::AutoAdvance {
                    to_ns: deadline_ns.saturating_add(now_ns % 1_000_000),
                },
                false => Limit::Sleep(timeout),
            };
        }
        let until_due = Duration::from_nanos(deadline_ns.saturating_sub(now_ns));
        Limit::Sleep(Some(timeout.map_or(until_due, |t| t.min(until_due))))
    }

    fn sleep(&self, slot: &Slot, place: Place, limit: Option<Duration>, batch: &mut Batch) {
        match place {
            Place::Futex => slot.parker.wait_futex(limit),
            Place::Epoll => {
                let io = self
                    .io
                    .as_ref()
                    .expect("epoll was chosen, so there is a set");
                let parked = || slot.parker.is_parked();
                if let Err(error) = io.drain_while(limit, &mut batch.wakers, parked) {
                    let rest = io.note_failure(&error, &mut batch.wakers);
                    sys::futex::rest(limit.map_or(rest, |limit| rest.min(limit)));
                }
            }
            Place::Ring => {
                let Some(mut ring) = slot.existing_ring().filter(|ring| ring.is_usable()) else {
                    return;
                };
                let (fd, to_submit) = (ring.raw_fd(), ring.unsubmitted());
                let idle = ring.may_wait_idle();
                ring.begin_wait();
                drop(ring);
                let answer = sys::uring::wait(fd, to_submit, limit, idle);
                if let Some(mut ring) = slot.existing_ring() {
                    ring.note_wait(&answer);
                }
            }
        }
    }

    /// Ends the sleep of the slot's owner, or prevents its next one. Any thread.
    pub(crate) fn unpark(&self, slot_index: usize) {
        let slot = &self.slots[slot_index];
        match slot.parker.unpark() {
            Unpark::Noted => {}
            Unpark::InterruptEpoll => self.wake_from_epoll(),
            Unpark::InterruptRing => self.wake_from_ring(slot),
        }
    }

    fn wake_from_epoll(&self) {
        if let Some(Err(error)) = self.io.as_ref().map(|io| io.wake()) {
            panic!("a sleeping worker cannot be woken: {error}");
        }
    }

    fn wake_from_ring(&self, slot: &Slot) {
        let Some(waker) = slot.ring_waker.get() else {
            return;
        };
        let Err(error) = waker.wake() else {
            return;
        };
        // A ring whose waiter cannot be woken is of no use. The present waiter notices after
        // `LONGEST_IN_RING`, and at once if it watches readiness.
        if let Some(mut ring) = slot.existing_ring() {
            ring.give_up(waker.call(), error.raw_os_error().unwrap_or(libc::EIO));
        }
        if let Some(io) = &self.io {
            let _ = io.wake();
        }
    }

    /// Turns that the owner of `slot` has taken. Two equal readings some time apart mean that it
    /// runs a long task or sleeps.
    pub(crate) fn turns(&self, slot: usize) -> u64 {
        self.slots[slot]
            .turns
            .load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// Ends the owner's sleep also when something panics in it; otherwise it could never sleep again.
struct SleepGuard<'a>(&'a Slot);

impl Drop for SleepGuard<'_> {
    fn drop(&mut self) {
        let _told = self.0.parker.finish();
    }
}

enum Limit {
    /// `None` for a sleep until something happens.
    Sleep(Option<Duration>),
    /// The clock is paused and nothing else can happen: move it to the earliest timer.
    AutoAdvance { to_ns: u64 },
}

/// A look that failed leaves the events where they are, for the next turn. It counts as a failure
/// all the same: a worker that always has something to run never sleeps, so it makes nothing but
/// looks.
fn note_look(io: &Readiness, answer: io::Result<usize>, batch: &mut Batch) {
    if let Err(error) = answer {
        // The set remembers how long it is to be left alone.
        let _rest = io.note_failure(&error, &mut batch.wakers);
    }
}

/// Whether a sleep belongs in this ring.
fn is_worth_a_sleep(ring: &mut Ring) -> bool {
    ring.live_ops() > 0 && ring.is_usable() && ring.look_again_in().is_none()
}

thread_local! {
    /// One batch per thread keeps its allocations from turn to turn.
    static SPARE: Cell<Option<Batch>> = const { Cell::new(None) };
}

pub(super) fn take_batch() -> Batch {
    SPARE
        .try_with(Cell::take)
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// Wakes and drops what was collected; returns the number of wakers.
pub(super) fn finish_batch(mut batch: Batch) -> usize {
    let woken = batch.finish();
    let _ = SPARE.try_with(|spare| spare.set(Some(batch)));
    woken
}
