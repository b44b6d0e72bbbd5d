//! The error of asking for the current runtime where there is none.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;

/// Why there is no current runtime; see [`Handle::try_current`](super::Handle::try_current).
///
/// # Examples
///
/// ```
/// use yamanote::runtime::Handle;
///
/// let error = Handle::try_current().unwrap_err();
/// assert!(error.is_missing_context());
/// ```
#[derive(Debug)]
pub struct TryCurrentError {
    kind: Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    NoContext,
    ThreadLocalDestroyed,
}

impl TryCurrentError {
    pub(crate) fn no_context() -> Self {
        TryCurrentError {
            kind: Missing::NoContext,
        }
    }

    pub(crate) fn thread_local_destroyed() -> Self {
        TryCurrentError {
            kind: Missing::ThreadLocalDestroyed,
        }
    }

    /// Whether the call came from outside a runtime's context.
    pub fn is_missing_context(&self) -> bool {
        self.kind == Missing::NoContext
    }

    /// Whether the call came from the destructor of a thread-local, after the context was gone.
    pub fn is_thread_local_destroyed(&self) -> bool {
        self.kind == Missing::ThreadLocalDestroyed
    }
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Missing::NoContext => {
                "there is no reactor running, must be called from the context of a Tokio 1.x runtime"
            }
            Missing::ThreadLocalDestroyed => {
                "The Tokio context thread-local variable has been destroyed."
            }
        })
    }
}

impl Error for TryCurrentError {}
