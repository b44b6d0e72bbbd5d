//! What takes a path, and what is done with an open file on a disk.

use crate::kernel::files::{Errno, FileId};
use crate::me::Me;
use std::io::{IoSlice, IoSliceMut};

pub(super) fn keep() {}

/// Reads from an open file on a disk; takes the time that takes.
pub(super) fn read(
    me: &Me,
    file: FileId,
    bufs: &mut [IoSliceMut<'_>],
    at: Option<u64>,
) -> Result<usize, Errno> {
    me.inside(|kernel| kernel.disk_read(file, bufs, at))
}

/// Writes to an open file on a disk; takes the time that takes.
pub(super) fn write(
    me: &Me,
    file: FileId,
    bufs: &[IoSlice<'_>],
    at: Option<u64>,
) -> Result<usize, Errno> {
    me.inside(|kernel| kernel.disk_write(file, bufs, at))
}
