//! What makes the difference between the two kinds of channel: how many values may be in it.
#![forbid(unsafe_code)]

use std::fmt;

use super::channel::{Limit, Shared};
use super::queue::Consumer;
use crate::sync::semaphore_core::SemaphoreCore;

/// A permit for each value the channel has room for.
pub(super) struct BoundedLimit {
    pub(super) permits: SemaphoreCore,
    pub(super) bound: usize,
}

impl BoundedLimit {
    #[track_caller]
    pub(super) fn new(bound: usize) -> Self {
        BoundedLimit {
            permits: SemaphoreCore::new(bound),
            bound,
        }
    }
}

impl Limit for BoundedLimit {
    fn close<T>(queue: &mut Consumer<T, Shared<Self>>) {
        queue.extra().limit().permits.close();
    }

    fn is_closed(&self, _is_queue_closed: impl FnOnce() -> bool) -> bool {
        self.permits.is_closed()
    }

    fn is_idle(&self) -> bool {
        self.permits.available_permits() == self.bound
    }

    fn give_back(&self, n: usize) {
        self.permits.add_permits(n);
    }
}

/// The only limit is being closed, and where that is the queue knows.
pub(super) struct NoLimit;

impl Limit for NoLimit {
    fn close<T>(queue: &mut Consumer<T, Shared<Self>>) {
        queue.close_now();
    }

    fn is_closed(&self, is_queue_closed: impl FnOnce() -> bool) -> bool {
        is_queue_closed()
    }

    fn is_idle(&self) -> bool {
        false
    }

    fn give_back(&self, _n: usize) {}
}

/// As part of the text of [`channel`](super::channel), which is Tokio's.
impl fmt::Debug for BoundedLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("semaphore", &self.permits)
            .field("bound", &self.bound)
            .finish()
    }
}

/// As above.
impl fmt::Debug for NoLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Semaphore(..)")
    }
}
