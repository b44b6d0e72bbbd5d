//! A pipe, as `std::io::pipe` makes it since Rust 1.87; we build with older ones.

use std::fs::File;
use std::os::fd::{FromRawFd, OwnedFd};

/// The end to read from and the end to write to.
pub fn pipe() -> (File, File) {
    let mut ends = [-1; 2];
    // SAFETY: two descriptors are written to an array of two.
    let result = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(result, 0, "pipe2: {}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just given us these descriptors and nobody else knows them.
    ends.map(|end| File::from(unsafe { OwnedFd::from_raw_fd(end) }))
        .into()
}
