//! The driver's end: nothing the kernel may still touch is freed.
//!
//! 1. Readiness and timers are closed; whatever waits for them is woken and learns of the end.
//! 2. Every operation that may be cancelled is, in all rings, and completions are reaped until no
//!    operation lives. When time is up the others are cancelled too, and given a moment to end.
//! 3. A ring with operations left is leaked together with their payloads, and they are counted.
//!    Closing its descriptor would not stop the kernel.
#![forbid(unsafe_code)]

use super::Driver;
use super::batch::Batch;
use super::ring::Ring;
use super::slot::{RingState, Slot};
use crate::sys;
use crate::util::poison::unpoisoned;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, SeqCst};
use std::time::{Duration, Instant};

/// How long a runtime that goes waits for operations that do not end when cancelled, such as a read
/// from a file system that hangs. What is still alive then is leaked, with its buffers.
pub(crate) const LONGEST_SHUTDOWN: Duration = Duration::from_secs(1);

/// What must not be cancelled, such as an accepted write to a pipe that nobody reads, is cancelled
/// after all when time is up, rather than leaked. This is the time for it to end: a kernel thread
/// needs a processor to give up.
const LAST_CALL: Duration = Duration::from_millis(100);

impl Driver {
    /// Ends the driver, waiting for the kernel until `deadline` at the latest. Every task is gone
    /// or will fail; a second call does nothing.
    pub(crate) fn shutdown(&self, deadline: Instant) {
        if self.is_forked() {
            return;
        }
        // The Release half pairs with the Acquire in `is_shutdown`.
        if self.is_shutdown.swap(true, AcqRel) {
            return;
        }
        let mut batch = Batch::default();
        if let Some(io) = &self.io {
            io.shutdown(&mut batch.wakers);
        }
        for slot in &self.slots {
            let mut wheel = slot.lock_wheel();
            wheel.clear(&mut batch.wakers);
            slot.next_deadline_ns.store(u64::MAX, SeqCst);
        }
        batch.finish();
        // All slots at once: one that holds out must not use up the time of the others.
        for slot in &self.slots {
            slot.refuse_first_ring();
            cancel(slot, Ring::cancel_all);
        }
        let stuck: Vec<&Slot> = self
            .slots
            .iter()
            .filter(|slot| !drain(slot, deadline))
            .collect();
        for slot in &stuck {
            cancel(slot, Ring::cancel_rest);
        }
        // From now on, not from the deadline: that may be long past if the process was stopped.
        let last_call = Instant::now() + LAST_CALL;
        for slot in stuck {
            drain(slot, last_call);
        }
        for slot in &self.slots {
            self.close_ring(slot);
        }
    }

    fn close_ring(&self, slot: &Slot) {
        let mut state = slot.lock_ring();
        if matches!(&*state, RingState::Ready(ring) if ring.live_ops() == 0 && !ring.is_vacant()) {
            // Futures outside the runtime have results to fetch. The ring takes nothing new and
            // goes with the driver.
            return;
        }
        let closed = std::mem::replace(&mut *state, RingState::Closed);
        drop(state);
        if let RingState::Ready(ring) = closed {
            *unpoisoned(self.closed_rings.lock()) += ring.counters();
            if ring.live_ops() > 0 || ring.has_lost_descriptor() {
                self.leaked_ops.fetch_add(ring.leak(), Relaxed);
            }
        }
    }
}

/// Asks the kernel to cancel operations of this slot's ring, if it has one.
fn cancel(slot: &Slot, which: fn(&mut Ring)) {
    if let Some(mut ring) = slot.existing_ring() {
        which(&mut ring);
        // `drain` gives the kernel what it has no room for now.
        ring.flush();
    }
}

/// Reaps until the kernel has nothing of this slot's left, or until `deadline`. True if it has
/// nothing.
fn drain(slot: &Slot, deadline: Instant) -> bool {
    loop {
        let is_last_look = Instant::now() >= deadline;
        let mut batch = Batch::default();
        let Some(mut ring) = slot.existing_ring() else {
            return true;
        };
        ring.flush();
        ring.recall(&mut batch);
        ring.reap(&mut batch, usize::MAX);
        let (fd, live) = (ring.raw_fd(), ring.live_ops());
        let may_enter = ring.is_usable() && ring.look_again_in().is_none();
        drop(ring);
        // Payloads of orphans may be values of the user, whose destructors must run without a lock.
        batch.finish();
        if live == 0 || is_last_look {
            return live == 0;
        }
        // Short, because nobody else may reap a completion, but it could be posted to a thread that
        // has left.
        let short = Duration::from_millis(1);
        if !may_enter || sys::uring::wait(fd, 0, Some(short), false).is_err() {
            sys::futex::rest(short);
        }
    }
}
