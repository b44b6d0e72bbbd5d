//! What went through a ring, and what went wrong.
#![forbid(unsafe_code)]

use std::ops::AddAssign;

/// Counts since the ring was made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    /// Operations pushed.
    pub(crate) submitted: u64,
    /// System calls that entered the ring, to submit, to reap or to sleep.
    pub(crate) enters: u64,
    /// Operations whose futures were dropped before they were over.
    pub(crate) orphaned: u64,
    /// Orphans whose cancellation was asked for.
    pub(crate) cancelled: u64,
    /// Completions that belonged to nobody.
    pub(crate) unknown_completions: u64,
    /// Completions the kernel has lost, by its own account.
    pub(crate) lost_completions: u64,
    /// Times the completion queue had overflowed when we came to reap.
    pub(crate) overflows: u64,
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Counters) {
        self.submitted += other.submitted;
        self.enters += other.enters;
        self.orphaned += other.orphaned;
        self.cancelled += other.cancelled;
        self.unknown_completions += other.unknown_completions;
        self.lost_completions += other.lost_completions;
        self.overflows += other.overflows;
    }
}
