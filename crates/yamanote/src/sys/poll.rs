//! `ppoll(2)` on one descriptor, for waits shorter than epoll's millisecond.

use std::os::fd::RawFd;
use std::time::Duration;

/// Waits until `fd` is readable, at most for `timeout`; returns early on a signal. `false`: the
/// call is denied.
pub(crate) fn wait_readable(fd: RawFd, timeout: Duration) -> bool {
    let mut pollfd = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let timespec = libc::timespec {
        // Musl is about to widen the type, so it is not named here. 68 years are enough.
        tv_sec: timeout.as_secs().min(i32::MAX as u64) as _,
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // SAFETY: one pollfd and one timespec, both valid through the call; no signal mask is given.
    let answer = unsafe { libc::ppoll(&mut pollfd, 1, &timespec, std::ptr::null()) };
    answer >= 0 || std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
}
