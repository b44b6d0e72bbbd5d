//! `eventfd`: a counter whose changes a poll notices.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Non-blocking, close-on-exec, at zero.
pub(crate) fn new() -> io::Result<OwnedFd> {
    // SAFETY: no pointers are involved.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Adds one, which an edge-triggered poll notices each time.
pub(crate) fn add_one(eventfd: &OwnedFd) -> io::Result<()> {
    let one = 1u64;
    // SAFETY: writes eight bytes from a live integer.
    let written = unsafe { libc::write(eventfd.as_raw_fd(), (&raw const one).cast(), 8) };
    if written < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
