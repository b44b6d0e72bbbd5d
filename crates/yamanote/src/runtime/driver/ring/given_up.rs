//! Why a ring was given up, and how soon its owner looks for completions all the same.
#![forbid(unsafe_code)]

use std::io;
use std::time::Duration;

/// How soon the owner of a ring that was given up looks for completions: at first, and at most.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(64);

/// Why a ring is given up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GivenUp {
    /// The system call that failed.
    call: &'static str,
    errno: i32,
    next_look: Duration,
}

impl GivenUp {
    pub(super) fn new(call: &'static str, errno: i32) -> Self {
        GivenUp {
            call,
            errno,
            next_look: SHORTEST_LOOK,
        }
    }

    /// In how long to look for completions; each time later, until there are some.
    pub(super) fn next_look(&mut self) -> Duration {
        let next_look = self.next_look;
        self.next_look = (next_look * 2).min(LONGEST_LOOK);
        next_look
    }

    pub(super) fn look_soon(&mut self) {
        self.next_look = SHORTEST_LOOK;
    }

    /// The descriptor is closed, or its number another's: it must not be closed again.
    pub(super) fn has_lost_descriptor(self) -> bool {
        matches!(self.errno, libc::EBADF | libc::EOPNOTSUPP)
    }
}

impl std::fmt::Display for GivenUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let GivenUp { call, errno, .. } = self;
        let cause = match *errno {
            libc::EBADF | libc::EOPNOTSUPP => {
                "the program closed the descriptor of a runtime's io_uring (close_range, \
                 closefrom, dup2?)"
            }
            libc::EPERM | libc::EACCES | libc::ENOSYS => {
                "denied since the runtime has its rings (a seccomp filter set up later?)"
            }
            libc::ENOMEM | libc::EAGAIN | libc::EBUSY => "the kernel is short of memory",
            _ => "unknown",
        };
        let error = io::Error::from_raw_os_error(*errno);
        write!(
            f,
            "io_uring was given up: {call}: {error}; likely cause: {cause}"
        )
    }
}
