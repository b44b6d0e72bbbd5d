//! Why something was waited for in vain.
#![forbid(unsafe_code)]

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A host's program has ended without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub(super) host: String,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// With this message.
    Panicked(String),
    /// The host has another program now.
    Replaced,
}

impl Ended {
    /// Whether the program has panicked; if not, the host was given another program.
    pub fn is_panic(&self) -> bool {
        matches!(self.kind, Kind::Panicked(_))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Panicked(message) => write!(f, "host {:?} panicked: {message}", self.host),
            Kind::Replaced => write!(f, "host {:?} was given another program", self.host),
        }
    }
}

impl Error for Ended {}

/// What was waited for has not become true in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedOut {
    pub(super) limit: Duration,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not true within {:?} of virtual time", self.limit)
    }
}

impl Error for TimedOut {}

/// What `panic!` was called with.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message")
}
