//! The driver: rings, readiness, timers.

pub(crate) mod time;
