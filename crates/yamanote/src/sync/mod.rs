//! Synchronization.
#![forbid(unsafe_code)]
