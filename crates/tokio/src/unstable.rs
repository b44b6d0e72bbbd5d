//! What is unstable in Tokio: here as there, it exists under `--cfg tokio_unstable` only.
//!
//! This is the one file of the crate that reads the cfg.
#![forbid(unsafe_code)]

/// Keeps its items under `--cfg tokio_unstable` and drops them otherwise.
#[cfg(tokio_unstable)]
#[allow(unused_macros)]
macro_rules! unstable {
    ($($item:item)*) => { $($item)* };
}

/// Keeps its items under `--cfg tokio_unstable` and drops them otherwise.
#[cfg(not(tokio_unstable))]
#[allow(unused_macros)]
macro_rules! unstable {
    ($($item:item)*) => {};
}

/// Keeps its items unless there are task dumps, which are unstable.
#[cfg(not(all(tokio_unstable, feature = "taskdump")))]
macro_rules! without_dumps {
    ($($item:item)*) => { $($item)* };
}

/// Keeps its items unless there are task dumps, which are unstable.
#[cfg(all(tokio_unstable, feature = "taskdump"))]
macro_rules! without_dumps {
    ($($item:item)*) => {};
}
