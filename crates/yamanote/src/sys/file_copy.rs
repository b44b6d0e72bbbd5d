//! Calls that move the bytes of a file without a buffer of ours, each wrapped once.

use std::ffi::{c_long, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::fs::MAX_TRANSFER;

fn check(result: c_long) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Copies up to `len` bytes from the cursor of `from` to the cursor of `to`, and moves both. May
/// wait.
pub(crate) fn copy_file_range(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    len: usize,
) -> io::Result<usize> {
    // SAFETY: null pointers stand for the cursors, so the call touches no memory of ours.
    check(unsafe {
        libc::syscall(
            libc::SYS_copy_file_range,
            c_long::from(from.as_raw_fd()),
            ptr::null_mut::<i64>(),
            c_long::from(to.as_raw_fd()),
            ptr::null_mut::<i64>(),
            len.min(MAX_TRANSFER) as c_ulong,
            c_ulong::from(0u8),
        )
    })
}

/// Sends up to `len` bytes from the cursor of `file` to a socket or a pipe, and moves the cursor
/// over what that took. Waits for the file, and for the other end unless that is non-blocking. A
/// socket whose peer is gone raises SIGPIPE.
pub(crate) fn send_file(to: BorrowedFd<'_>, file: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    let len = len.min(MAX_TRANSFER);
    // SAFETY: a null pointer stands for the cursor, so the call touches no memory of ours.
    let sent = unsafe { libc::sendfile(to.as_raw_fd(), file.as_raw_fd(), ptr::null_mut(), len) };
    check(sent as c_long)
}

/// `struct cachestat` of Linux 6.5, counted in pages.
#[repr(C)]
#[derive(Default)]
struct CacheStat {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

#[repr(C)]
struct CacheStatRange {
    offset: u64,
    len: u64,
}

/// The same number on every machine; `libc` has it since 0.2.150, which is newer than Tokio allows
/// in a lock file.
const SYS_CACHESTAT: c_long = 451;

/// How many pages of a part of the file are in the page cache (Linux 6.5; since 6.13 only for
/// whoever owns the file or may write to it). Some of them may still be on their way from the disk.
pub(crate) fn cached_pages(file: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<u64> {
    let range = CacheStatRange { offset, len };
    let mut stat = CacheStat::default();
    // SAFETY: both structs are laid out as the kernel's and live through the call.
    check(unsafe {
        libc::syscall(
            SYS_CACHESTAT,
            c_long::from(file.as_raw_fd()),
            &raw const range,
            &raw mut stat,
            c_ulong::from(0u8),
        )
    })?;
    Ok(stat.cached)
}

/// The size of a page in bytes.
pub(crate) fn page_size() -> u64 {
    // SAFETY: touches no memory of ours.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}
