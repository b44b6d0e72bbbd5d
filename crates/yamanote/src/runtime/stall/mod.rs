//! Workers that are held up by one poll: who polls what, and the thread that notices.
//!
//! `polling` is what a worker says of itself, with plain stores; `watchdog` is the thread that
//! looks at all workers of the process from time to time; `activity` is what the kernel says of a
//! thread that is held up, and `stack` what it says itself; `rouser` is how a worker that wakes up
//! gets the watchdog up.

mod rouser;

mod polling;

mod activity;

mod stack;

mod watchdog;

pub(crate) use activity::of as activity_of;
pub use activity::{Activity, Call};
pub(crate) use polling::{Polled, Polling};
pub(crate) use rouser::Rouser;
pub use stack::Stack;
pub(crate) use watchdog::{Finding, Registration, Settings, Watchdog, Workers};

#[cfg(all(test, loom))]
mod loom_tests;
