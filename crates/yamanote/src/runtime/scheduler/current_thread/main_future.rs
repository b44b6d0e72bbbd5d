//! The waker of the future that a thread gave to `block_on`.
//!
//! # Memory ordering
//!
//! The promise: a wake-up that comes before the thread blocks is polled for, one that comes later
//! ends the blocking. A waiting thread blocks in `thread::park`, the driving thread in the driver.
//! The waker sets `woken`, then reads `driving` to choose whom to unpark; the thread sets `driving`,
//! then reads `woken` before it blocks. All four are `SeqCst`, so one of the two sees the other.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::Wake;
use std::thread::{self, Thread};

use super::shared::Shared;
use super::{SLOT, local};

pub(super) struct Main {
    shared: Arc<Shared>,
    thread: Thread,
    /// Set by the waker, cleared before the poll that answers it.
    woken: AtomicBool,
    /// The thread runs the scheduler.
    driving: AtomicBool,
}

impl Main {
    /// Of the calling thread; counts as woken, for the first poll.
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Main {
            shared: shared.clone(),
            thread: thread::current(),
            woken: AtomicBool::new(true),
            driving: AtomicBool::new(false),
        }
    }

    pub(super) fn set_driving(&self) {
        self.driving.store(true, SeqCst);
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(SeqCst)
    }

    pub(super) fn take_woken(&self) -> bool {
        self.is_woken() && self.woken.swap(false, SeqCst)
    }

    /// Blocks a waiting thread, at most until it is woken or told that the core is free. May return
    /// early.
    pub(super) fn park(&self) {
        thread::park();
    }

    /// Ends a `park`, or the next one.
    pub(super) fn unpark(&self) {
        self.thread.unpark();
    }
}

impl Wake for Main {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.woken.swap(true, SeqCst) {
            return;
        }
        if !self.driving.load(SeqCst) {
            self.thread.unpark();
        } else if !local::drives(&self.shared) {
            self.shared.driver().unpark(SLOT);
        }
        // Else this is the driving thread itself, which looks at `woken` before it blocks.
    }
}
