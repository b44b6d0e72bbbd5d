//! The driver: rings, readiness, timers.

pub(crate) mod readiness;
pub(crate) mod time;
