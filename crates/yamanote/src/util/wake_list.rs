//! Wakers collected under a lock and woken after it is released, so that no foreign code runs while
//! the driver is borrowed.
#![forbid(unsafe_code)]

use std::task::Waker;

use super::first_panic::FirstPanic;
use super::room::Room;

/// A batch of wakers. Dropping it wakes what is left, in the order of collection.
///
/// A waker that panics does not prevent the others: the first panic comes out when all are woken.
#[derive(Default)]
pub(crate) struct WakeList {
    wakers: Vec<Waker>,
}

impl WakeList {
    #[cfg(test)]
    pub(crate) const fn new() -> Self {
        WakeList { wakers: Vec::new() }
    }

    pub(crate) fn push(&mut self, waker: Waker) {
        self.wakers.push(waker);
    }

    pub(crate) fn len(&self) -> usize {
        self.wakers.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// Wakes all in order and keeps some room for the next batch.
    pub(crate) fn wake_all(&mut self) {
        let mut panics = FirstPanic::default();
        let mut rest = self.wakers.drain(..);
        while !panics.catch(|| rest.by_ref().for_each(Waker::wake)) {}
        drop(rest);
        self.wakers.free_excess();
        panics.resume();
    }
}

impl Drop for WakeList {
    fn drop(&mut self) {
        self.wake_all();
    }
}
