//! The driver: rings, readiness, timers.

pub(crate) mod readiness;
pub(crate) mod time;

#[allow(dead_code)]
pub(crate) mod batch;
#[allow(dead_code)]
pub(crate) mod op;
#[allow(dead_code)]
pub(crate) mod ring;
