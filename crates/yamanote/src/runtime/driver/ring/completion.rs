//! What a completion says, and of which operation.
#![forbid(unsafe_code)]

use std::io;

use crate::sys::uring::abi;

/// How the kernel ends what it breaks off because the thread that submitted it exits: with
/// ECANCELED what waits in a poll or for a kernel thread, with the others what a kernel thread was
/// waiting in (ERESTARTSYS and its kin are not meant for user space, and yet come here from
/// `openat2`).
pub(crate) const BROKEN_OFF: &[i32] = &[libc::ECANCELED, libc::EINTR, 512, 513, 514, 516];

/// What one completion says.
#[derive(Debug)]
pub(crate) struct CqeResult {
    pub(crate) result: io::Result<u32>,
    pub(crate) flags: u32,
}

impl CqeResult {
    pub(crate) fn new(res: i32, flags: u32) -> Self {
        let result = if res < 0 {
            // `res` may be any number in a hostile stream; i32::MIN has no negative.
            Err(io::Error::from_raw_os_error(
                res.checked_neg().unwrap_or(libc::EIO),
            ))
        } else {
            Ok(res as u32)
        };
        CqeResult { result, flags }
    }

    /// What a plain system call says.
    pub(crate) fn of_call(result: io::Result<u32>) -> Self {
        CqeResult { result, flags: 0 }
    }

    pub(crate) fn failed(error: io::Error) -> Self {
        CqeResult::of_call(Err(error))
    }

    /// Of an operation that the kernel has not seen and never will, because no ring takes it, or
    /// its ring was given up. It may be done in another way.
    pub(crate) fn left_undone() -> Self {
        CqeResult::failed(io::Error::from_raw_os_error(libc::EAGAIN))
    }

    /// More completions of the same submission will follow.
    pub(crate) fn has_more(&self) -> bool {
        self.flags & abi::CQE_F_MORE != 0
    }

    /// The kernel broke the operation off.
    pub(crate) fn is_broken_off(&self) -> bool {
        let errno = self.result.as_ref().err().and_then(io::Error::raw_os_error);
        errno.is_some_and(|errno| BROKEN_OFF.contains(&errno))
    }
}

/// Names an operation in its ring: the entry in the ring's table, and the use of that entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl Key {
    /// This index names the ring's own submissions (wake-ups, readiness, cancellations).
    pub(crate) const INTERNAL_INDEX: u32 = u32::MAX;

    pub(crate) fn user_data(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_user_data(user_data: u64) -> Self {
        Key {
            index: user_data as u32,
            generation: (user_data >> 32) as u32,
        }
    }

    pub(crate) fn is_internal(self) -> bool {
        self.index == Self::INTERNAL_INDEX
    }
}

/// What a ring does with an operation that nobody waits for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDrop {
    /// Asks the kernel to cancel it (reads).
    Cancel,
    /// Lets it finish: what was accepted from the user must happen (writes).
    LetFinish,
}
