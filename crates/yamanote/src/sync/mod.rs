//! Channels, locks and signals between tasks.
//!
//! Nothing here knows a runtime: a task waits by leaving its waker, so everything works under any
//! executor, and across runtimes.

#[allow(dead_code, reason = "for the channels of many senders")]
pub(crate) mod atomic_waker;
mod notify;
pub mod oneshot;
#[allow(dead_code, reason = "for the locks and the bounded channel")]
pub(crate) mod semaphore_core;
mod waiters;
pub(crate) mod wake_batch;

pub use notify::Notify;
pub use semaphore_core::{AcquireError, TryAcquireError};

/// The futures that have names.
pub mod futures {
    pub use super::notify::{Notified, OwnedNotified};
}
