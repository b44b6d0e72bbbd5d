//! Raw system calls, each wrapped once.

pub(crate) mod child_pipe;
pub(crate) mod eventfd;
pub(crate) mod file_copy;
pub(crate) mod fork;
pub(crate) mod fs;
pub(crate) mod futex;
pub(crate) mod names;
pub(crate) mod net;
pub(crate) mod pidfd;
pub(crate) mod poll;
pub(crate) mod signal;
pub(crate) mod splice;
pub(crate) mod stack;
pub(crate) mod switches;
pub(crate) mod thread;
pub(crate) mod ticks;
pub(crate) mod uring;
pub(crate) mod user;
