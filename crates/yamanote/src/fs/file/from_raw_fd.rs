//! The one unsafe way to make a [`File`]: from a bare descriptor number.

use std::fs::File as StdFile;
use std::os::fd::{FromRawFd, RawFd};

use super::File;

impl FromRawFd for File {
    unsafe fn from_raw_fd(fd: RawFd) -> Self {
        // SAFETY: the caller keeps the contract of this method, which is the same: `fd` is open
        // and nobody else owns it.
        File::from_std(unsafe { StdFile::from_raw_fd(fd) })
    }
}
