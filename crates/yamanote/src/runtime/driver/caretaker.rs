//! Operations that were left behind by the thread that drove their slot.
//!
//! A current-thread runtime is driven by whoever is in `block_on`. What a future gave to the ring there
//! may be awaited elsewhere later, by a thread that knows nothing of rings. So while nobody drives, a
//! thread of the blocking pool looks after what is in the kernel. It needs not know whether somebody
//! drives again: a slot may be looked after by a sibling at any time.
#![forbid(unsafe_code)]

use super::Driver;
use crate::sys;
use crate::util::first_panic::FirstPanic;
use std::sync::Arc;
use std::sync::atomic::Ordering::AcqRel;
use std::time::Duration;

/// Between two looks. At first so short that nobody waits for long, then so long that a disk that hangs
/// costs nothing.
const PAUSES: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(10));

/// The duty to look after a slot; at most one is out for each.
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

    /// As [`has_ops`](Driver::has_ops), without a lock, for the owner of `slot`: it may be that
    /// somebody else has reaped the last one.
    pub(crate) fn has_own_ops(&self, slot: usize) -> bool {
        let waker = self.slots[slot].ring_waker.get();
        waker.is_some_and(|waker| waker.has_ops())
    }

    /// To be called by a thread that no longer drives `slot`; what it gets, somebody has to
    /// [run](Caretaker::run).
    pub(crate) fn leave_ops(self: &Arc<Self>, slot: usize) -> Option<Caretaker> {
        if !self.has_ops(slot) {
            return None;
        }
        // Who finds the duty taken pairs with the swap in `drop`: that one sees what is left here.
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
