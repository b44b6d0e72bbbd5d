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
    /// transition to the kernel, and siblings can reap them.
    Shared,
    /// One thread for ever; cheaper, and completions appear only when it enters.
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
pub(super) fn set_up(params: RingParams) -> io::Result<(OwnedFd, Params)> {
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
