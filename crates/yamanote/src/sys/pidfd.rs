//! Pidfds: descriptors that a poll sees as readable once the process has exited.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// `pidfd_open(2)`. Close-on-exec. `pid` must be a child that nobody has waited for, otherwise
/// another process may have the number by now. Linux 5.3; seccomp filters may deny it.
pub(crate) fn open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are involved.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0u32) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// `pidfd_send_signal(2)`, which reaches this process or, once it was waited for, none. Linux 5.1;
/// seccomp filters may deny it.
pub(crate) fn send_signal(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    let (fd, no_info, no_flags) = (pidfd.as_raw_fd(), ptr::null::<libc::siginfo_t>(), 0u32);
    // SAFETY: the one pointer is null, for which the kernel makes the siginfo of kill(2).
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, no_info, no_flags) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
