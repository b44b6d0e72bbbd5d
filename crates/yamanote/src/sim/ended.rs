//! Why something was waited for in vain.
#![forbid(unsafe_code)]

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use yamanote_sim::signals;

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
    /// With this code, if it is known.
    Exited(Option<i32>),
    Signalled(i32),
}

impl Ended {
    /// Whether the program has panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.kind, Kind::Panicked(_))
    }

    /// Whether the program has called [`std::process::exit`].
    pub fn is_exit(&self) -> bool {
        matches!(self.kind, Kind::Exited(_))
    }

    /// What it has called [`std::process::exit`] with.
    ///
    /// `None` if it has not, and for all exits of a run but those of the thread that was the first
    /// to call it: `std` lets one thread of a process exit, and keeps to itself what others ask
    /// for.
    pub fn code(&self) -> Option<i32> {
        match self.kind {
            Kind::Exited(code) => code,
            _ => None,
        }
    }

    /// The signal that has ended it: one that it did not listen to, of
    /// [`Host::signal`](super::Host::signal), or `SIGABRT` of [`std::process::abort`].
    pub fn signal(&self) -> Option<i32> {
        match self.kind {
            Kind::Signalled(signal) => Some(signal),
            _ => None,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        match &self.kind {
            Kind::Panicked(message) => write!(f, "host {host:?} panicked: {message}"),
            Kind::Replaced => write!(f, "host {host:?} was given another program"),
            Kind::Exited(Some(code)) => write!(f, "host {host:?} has exited with code {code}"),
            Kind::Exited(None) => write!(f, "host {host:?} has exited"),
            Kind::Signalled(signal) => {
                let signal = signals::name(*signal);
                write!(f, "host {host:?} was ended by {signal}")
            }
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
