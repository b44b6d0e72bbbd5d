//! The runtime: schedulers, drivers, and the values that configure and reach them.

pub(crate) mod blocking;
pub(crate) mod driver;
pub(crate) mod scheduler;
pub(crate) mod task;
