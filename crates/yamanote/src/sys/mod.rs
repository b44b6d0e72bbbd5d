//! Raw system calls, each wrapped once.

pub(crate) mod eventfd;
#[allow(dead_code)]
pub(crate) mod fork;
#[allow(dead_code)]
pub(crate) mod fs;
pub(crate) mod futex;
pub(crate) mod net;
pub(crate) mod poll;
#[allow(dead_code)]
pub(crate) mod uring;
