//! Channels, locks and signals between tasks.
//!
//! Nothing here knows a runtime: a task waits by leaving its waker, so everything works under any
//! executor, and across runtimes.

#[allow(dead_code, reason = "for the channels of many senders")]
pub(crate) mod atomic_waker;
pub mod oneshot;
#[allow(dead_code, reason = "for the locks and the bounded channel")]
pub(crate) mod semaphore_core;
#[allow(dead_code, reason = "for the locks and the bounded channel")]
pub(crate) mod wake_batch;

pub use semaphore_core::{AcquireError, TryAcquireError};
