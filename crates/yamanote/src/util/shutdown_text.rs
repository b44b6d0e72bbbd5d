//! The text by which Tokio's users know the end of a runtime: `is_rt_shutdown_err` looks for it, so
//! all errors that report the end take it from here.
#![forbid(unsafe_code)]

use std::io;

pub(crate) const SHUTTING_DOWN: &str = "A Tokio 1.x context was found, but it is being shutdown.";

/// The error of a resource whose runtime is gone.
pub(crate) fn shutting_down() -> io::Error {
    io::Error::other(SHUTTING_DOWN)
}
