//! Operations that were left behind by the thread that drove their slot.
//!
//! A current-thread runtime is driven by the thread that is in `block_on`. A future may give an
//! operation to the ring there and be awaited elsewhere later, by a thread that knows nothing of
//! rings. So while nobody drives, a thread of the blocking pool looks after what is in the kernel.
//! It need not know whether somebody drives again: a sibling may look after a slot at any time.
#![forbid(unsafe_code)]

use super::Driver;
use crate::sys;
use crate::util::first_panic::FirstPanic;
use std::sync::Arc;
use std::sync::atomic::Ordering::AcqRel;
use std::time::Duration;

/// Between two looks, the first and the longest. At first nobody waits for long; later a disk that
/// hangs costs nothing.
const PAUSES: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(10));

/// The duty to look after a slot. There is at most one for each.
pub(crate) struct Caretaker {
    driver: Arc<Driver>,
    slot: usize,
}

impl Driver {
    /// Whether `slot` has operations in its ring.
    pub(crate) fn has_ops(&self, slot: usize) -> bool {
        let ring = self.slots[slot].existing_ring();
        ring.is_some_and(|ring| ring.live_ops() > 0)
    }

    /// As [`has_ops`](Driver::has_ops) without a lock, for the owner of `slot`. Somebody else may
    /// have reaped the last one since.
    pub(crate) fn has_own_ops(&self, slot: usize) -> bool {
        let waker = self.slots[slot].ring_waker.get();
        waker.is_some_and(|waker| waker.has_ops())
    }

    /// To be called by a thread that no longer drives `slot`, which then has somebody
    /// [run](Caretaker::run) what it gets.
    #[inline]
    pub(crate) fn leave_ops(self: &Arc<Self>, slot: usize) -> Option<Caretaker> {
        // Without a waker there has never been a ring: so it is after each short `block_on`.
        self.slots[slot].ring_waker.get()?;
        self.leave_ops_of_ring(slot)
    }

    fn leave_ops_of_ring(self: &Arc<Self>, slot: usize) -> Option<Caretaker> {
        if !self.has_ops(slot) {
            return None;
        }
        // Pairs with the swap in `drop`: whoever has the duty sees what is left here.
        let taken = self.slots[slot].looked_after.swap(true, AcqRel);
        (!taken).then(|| Caretaker {
            driver: self.clone(),
            slot,
        })
    }
}

impl Caretaker {
    /// Returns when nothing is left, or the driver is shut down.
    pub(crate) fn run(self) {
        // Wakers are foreign code.
        let mut panics = FirstPanic::default();
        let mut next = Some(self);
        while let Some(duty) = next {
            let (driver, slot) = (duty.driver.clone(), duty.slot);
            let mut pause = PAUSES.0;
            while driver.has_ops(slot) && !driver.is_shutdown() {
                sys::futex::rest(pause);
                pause = (2 * pause).min(PAUSES.1);
                panics.catch(|| {
                    driver.rescue(slot);
                });
            }
            drop(duty);
            // Something may have been left since the last look.
            next = match driver.is_shutdown() {
                true => None,
                false => driver.leave_ops(slot),
            };
        }
        panics.resume();
    }
}

impl Drop for Caretaker {
    fn drop(&mut self) {
        self.driver.slots[self.slot]
            .looked_after
            .swap(false, AcqRel);
    }
}
