//! The future that a thread gave to `block_on`: when it is to be polled.
//!
//! While its thread drives, its waker is the scheduler itself ([`Woken`] in `Shared`): one thread
//! drives at a time, so there is one such future. A future whose thread only waits for the core has
//! a waker of its own, a [`Waiter`].
//!
//! # Memory ordering
//!
//! The promise: a wake-up that comes before the thread blocks leads to a poll, one that comes later
//! ends the blocking. A waker sets the flag, then unparks: thread and driver keep that token, so a
//! sleep that begins between the two ends at once. The poll sees what the waker did before: the
//! swap that sets the flag (release half) pairs with the one that takes it (acquire half).
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::task::Wake;

use crate::loom::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire};
use crate::loom::thread::{self, Thread};

/// Whether a future is to be polled.
pub(super) struct Woken(AtomicBool);

impl Woken {
    pub(super) fn new(is_set: bool) -> Self {
        Woken(AtomicBool::new(is_set))
    }

    /// `false` if it was set already: that caller unparks the thread.
    #[must_use = "the thread may sleep"]
    pub(super) fn set(&self) -> bool {
        !self.0.swap(true, AcqRel)
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Acquire)
    }

    /// Clears it, before the poll that answers it.
    pub(super) fn take(&self) -> bool {
        self.is_set() && self.0.swap(false, AcqRel)
    }
}

/// A thread in `block_on` that does not drive.
pub(super) struct Waiter {
    thread: Thread,
    woken: Woken,
}

impl Waiter {
    /// For the calling thread; counts as woken, for the first poll.
    pub(super) fn new() -> Self {
        Waiter {
            thread: thread::current(),
            woken: Woken::new(true),
        }
    }

    pub(super) fn take_woken(&self) -> bool {
        self.woken.take()
    }

    /// Blocks until it is woken or unparked because the core is free. May return early.
    pub(super) fn park(&self) {
        thread::park();
    }

    /// Ends a `park`, or the next one.
    pub(super) fn unpark(&self) {
        self.thread.unpark();
    }
}

impl Wake for Waiter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.woken.set() {
            self.unpark();
        }
    }
}
