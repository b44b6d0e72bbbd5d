//! The hosts' disks: files and directories, what is synced of them, and what a crash leaves.
#![forbid(unsafe_code)]

use super::Kernel;
use super::files::{Errno, FileId};
use super::host::HostId;
use std::io::{IoSlice, IoSliceMut};

/// A file or directory that is open.
#[derive(Debug)]
pub(crate) struct Open {}

/// The disks of all hosts.
#[derive(Default)]
pub(crate) struct Disk {}

impl Kernel {
    /// Reads at a place, or at the cursor, which moves.
    pub(crate) fn disk_read(
        &mut self,
        _file: FileId,
        _bufs: &mut [IoSliceMut<'_>],
        _at: Option<u64>,
    ) -> Result<usize, Errno> {
        Err(libc::EBADF)
    }

    /// Writes at a place, or at the cursor, which moves.
    pub(crate) fn disk_write(
        &mut self,
        _file: FileId,
        _bufs: &[IoSlice<'_>],
        _at: Option<u64>,
    ) -> Result<usize, Errno> {
        Err(libc::EBADF)
    }

    /// The last reference to the open file is gone.
    pub(crate) fn disk_close(&mut self, _file: FileId, _open: Open) {}

    /// The host has crashed: what was not synced may be lost.
    pub(crate) fn disk_crash(&mut self, _host: HostId) {}
}
