//! See `tests/sim.rs`.
#![forbid(unsafe_code)]
