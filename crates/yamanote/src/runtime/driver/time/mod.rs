//! Time below the runtime: the clock it reads, and the wheel that holds its sleepers.
#![forbid(unsafe_code)]

pub(crate) mod clock;
pub(crate) mod wheel;
