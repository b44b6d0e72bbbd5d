//! Raw system calls, each wrapped once.

#[allow(dead_code)]
pub(crate) mod fork;
#[allow(dead_code)]
pub(crate) mod uring;
