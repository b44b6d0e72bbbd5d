//! How a ring is asked for: the flags we need, those we could do without, and how many entries.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use crate::sys::uring;
use crate::sys::uring::abi::{self, Params};

/// Fewer entries than this are not worth a ring.
const MIN_ENTRIES: u32 = 8;

/// The kernel's limit.
const MAX_ENTRIES: u32 = 32_768;

/// `io_uring_setup` with a submission queue of that length, rounded up to a power of two; the
/// completion queue is twice as long. With fewer entries if the kernel has no memory for that many,
/// and without the flags we could do without if it refuses them.
///
/// Any thread may use the ring under its lock: its completions run on whichever thread entered, at
/// that thread's next transition to the kernel, and siblings can reap them. The price: they
/// interrupt a blocking call of that thread, the program's own too (200 of 200 direct reads of 256
/// KiB under `epoll_wait`, on Linux 6.18; without our flags as many). With SINGLE_ISSUER and
/// DEFER_TASKRUN they interrupt nothing (0 of 200), and nobody else sees them (0 of 200 without an
/// enter): behind a task that computes or blocks they would wait for its end.
pub(in crate::runtime::driver) fn set_up(entries: u32) -> io::Result<(OwnedFd, Params)> {
    const REQUIRED: u32 = abi::SETUP_COOP_TASKRUN | abi::SETUP_TASKRUN_FLAG;
    let mut optional = abi::SETUP_SUBMIT_ALL | abi::SETUP_NO_SQARRAY;
    let mut entries = entries.clamp(MIN_ENTRIES, MAX_ENTRIES).next_power_of_two();
    loop {
        let mut params = Params {
            flags: REQUIRED | optional,
            ..Params::default()
        };
        match uring::setup(entries, &mut params) {
            Ok(fd) => return Ok((fd, params)),
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
