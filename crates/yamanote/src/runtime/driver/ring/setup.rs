//! How a ring is asked for: the flags we need, those we could do without, and how many entries.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use crate::sys::uring;
use crate::sys::uring::abi::{self, Params};

/// Who may touch the ring, which decides how the kernel runs its completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Any thread under the slot's lock: completions run on whichever thread entered, at its next
    /// transition to the kernel, and siblings can reap them. The price: they interrupt a blocking
    /// call of that thread, the program's own too (200 of 200 direct reads of 256 KiB under
    /// `epoll_wait`, on Linux 6.18; with neither flag as many).
    Shared,
    /// One thread for ever; cheaper, and completions appear only when it enters. They interrupt
    /// nothing (0 of 200), and nobody else sees them (0 of 200 without an enter): behind a task that
    /// computes or blocks they would wait for its end.
    Pinned,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RingParams {
    /// Submission queue entries; a power of two. The completion queue has twice as many.
    pub(crate) entries: u32,
    pub(crate) profile: Profile,
}

/// Fewer entries than this are not worth a ring.
const MIN_ENTRIES: u32 = 8;

/// The kernel's limit.
const MAX_ENTRIES: u32 = 32_768;

/// `io_uring_setup`, with fewer entries if the kernel has no memory for that many, and without the
/// flags we could do without if it refuses them.
pub(in crate::runtime::driver) fn set_up(params: RingParams) -> io::Result<(OwnedFd, Params)> {
    let required = match params.profile {
        Profile::Shared => abi::SETUP_COOP_TASKRUN | abi::SETUP_TASKRUN_FLAG,
        Profile::Pinned => {
            abi::SETUP_SINGLE_ISSUER | abi::SETUP_DEFER_TASKRUN | abi::SETUP_TASKRUN_FLAG
        }
    };
    let mut optional = abi::SETUP_SUBMIT_ALL | abi::SETUP_NO_SQARRAY;
    let mut entries = params
        .entries
        .clamp(MIN_ENTRIES, MAX_ENTRIES)
        .next_power_of_two();
    loop {
        let mut kernel_params = Params {
            flags: required | optional,
            ..Params::default()
        };
        match uring::setup(entries, &mut kernel_params) {
            Ok(fd) => return Ok((fd, kernel_params)),
            Err(error) => match error.raw_os_error() {
                Some(libc::EINVAL) if optional & abi::SETUP_NO_SQARRAY != 0 => {
                    optional &= !abi::SETUP_NO_SQARRAY;
                }
                Some(libc::EINVAL) if optional != 0 => optional = 0,
                Some(libc::ENOMEM) if entries > MIN_ENTRIES => entries /= 2,
                _ => return Err(error),
            },
        }
    }
}
