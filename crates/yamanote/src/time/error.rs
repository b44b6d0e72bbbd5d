//! Errors of timers and timeouts.
#![forbid(unsafe_code)]

use std::error;
use std::fmt;
use std::io;

/// Why a timer could not be set.
///
/// Nothing in this crate returns it today: timers have no capacity to exceed, and using one whose
/// runtime has shut down panics. It exists so that signatures which name it keep compiling.
#[derive(Debug, Copy, Clone)]
pub struct Error(Kind);

#[derive(Debug, Clone, Copy, Eq, PartialEq)]
enum Kind {
    Shutdown,
    AtCapacity,
    Invalid,
}

impl Error {
    /// The timers are shut down; this will not change.
    pub fn shutdown() -> Error {
        Error(Kind::Shutdown)
    }

    /// Whether the timers are shut down.
    pub fn is_shutdown(&self) -> bool {
        self.0 == Kind::Shutdown
    }

    /// There are too many timers at the moment.
    pub fn at_capacity() -> Error {
        Error(Kind::AtCapacity)
    }

    /// Whether there were too many timers.
    pub fn is_at_capacity(&self) -> bool {
        self.0 == Kind::AtCapacity
    }

    /// The timer was asked for something impossible.
    pub fn invalid() -> Error {
        Error(Kind::Invalid)
    }

    /// Whether the timer was asked for something impossible.
    pub fn is_invalid(&self) -> bool {
        self.0 == Kind::Invalid
    }
}

impl error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Shutdown => {
                "the timer is shutdown, must be called from the context of Tokio runtime"
            }
            Kind::AtCapacity => "timer is at capacity and cannot create a new entry",
            Kind::Invalid => "timer duration exceeds maximum duration",
        })
    }
}

/// The deadline of a [`Timeout`](super::Timeout) came before its future was done.
///
/// # Examples
///
/// ```
/// use yamanote::time::{Duration, timeout};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// async fn too_late() -> std::io::Result<()> {
///     // It turns into an `io::Error` of the kind `TimedOut`.
///     Ok(timeout(Duration::from_millis(1), std::future::pending()).await?)
/// }
/// assert_eq!(too_late().await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
/// # }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl Elapsed {
    pub(crate) fn new() -> Self {
        Elapsed(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("deadline has elapsed")
    }
}

impl error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(_: Elapsed) -> io::Error {
        io::ErrorKind::TimedOut.into()
    }
}
