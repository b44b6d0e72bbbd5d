//! `ppoll(2)` on one descriptor, for waits shorter than epoll's millisecond.

use std::os::fd::RawFd;
use std::time::Duration;

/// Waits until `fd` is readable, at most for `timeout`; returns early on a signal. An error shows
/// itself to the read that follows.
pub(crate) fn wait_readable(fd: RawFd, timeout: Duration) {
    let mut pollfd = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let timespec = libc::timespec {
        // Musl is about to widen the type, so it is not named here. 68 years will do.
        tv_sec: timeout.as_secs().min(i32::MAX as u64) as _,
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // SAFETY: one pollfd and one timespec, both valid through the call; no signal mask is given.
    unsafe { libc::ppoll(&mut pollfd, 1, &timespec, std::ptr::null()) };
}
