//! `pidfd_open(2)`: a descriptor that a poll sees as readable once the process has exited.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Close-on-exec. `pid` must be a child that nobody has waited for, else the number may be that of
/// another process by now. Linux 5.3; seccomp filters may deny it.
pub(crate) fn open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are involved.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0u32) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}
