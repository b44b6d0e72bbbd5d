//! Calls on a name in an open directory, each wrapped once.

use std::ffi::{CStr, c_int, c_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::fs::{Identity, ask, check, open_how};

/// A name in a directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameIn<'a> {
    pub(crate) dir: BorrowedFd<'a>,
    /// Without a slash.
    pub(crate) name: &'a CStr,
}

/// What the name stands for; a symbolic link is not followed.
pub(crate) fn identify(name: NameIn<'_>) -> io::Result<Identity> {
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    ask(name.dir, name.name, flags)
}

/// Opens or creates the file, which must be on the mount of its directory (`EXDEV` otherwise) and
/// no symbolic link (`ELOOP`).
pub(crate) fn open(name: NameIn<'_>, flags: c_int, mode: libc::mode_t) -> io::Result<OwnedFd> {
    let resolve = libc::RESOLVE_NO_XDEV | libc::RESOLVE_NO_SYMLINKS;
    let flags = flags | libc::O_LARGEFILE;
    open_how(name.dir.as_raw_fd(), name.name, flags, mode, resolve)
}

pub(crate) fn create_dir(name: NameIn<'_>, mode: libc::mode_t) -> io::Result<()> {
    // SAFETY: a NUL-terminated name that lives through the call.
    done(unsafe { libc::mkdirat(name.dir.as_raw_fd(), name.name.as_ptr(), mode) })
}

pub(crate) fn remove_file(name: NameIn<'_>) -> io::Result<()> {
    remove(name, 0)
}

pub(crate) fn remove_dir(name: NameIn<'_>) -> io::Result<()> {
    remove(name, libc::AT_REMOVEDIR)
}

fn remove(name: NameIn<'_>, flags: c_int) -> io::Result<()> {
    // SAFETY: as in `create_dir`.
    done(unsafe { libc::unlinkat(name.dir.as_raw_fd(), name.name.as_ptr(), flags) })
}

pub(crate) fn rename(from: NameIn<'_>, to: NameIn<'_>) -> io::Result<()> {
    let (from_dir, to_dir) = (from.dir.as_raw_fd(), to.dir.as_raw_fd());
    // SAFETY: as in `create_dir`, for both names.
    done(unsafe { libc::renameat(from_dir, from.name.as_ptr(), to_dir, to.name.as_ptr()) })
}

/// Gives a file a second name. A symbolic link is not followed.
pub(crate) fn hard_link(original: NameIn<'_>, link: NameIn<'_>) -> io::Result<()> {
    let (from_dir, to_dir) = (original.dir.as_raw_fd(), link.dir.as_raw_fd());
    let (from, to) = (original.name.as_ptr(), link.name.as_ptr());
    // SAFETY: as in `create_dir`, for both names.
    done(unsafe { libc::linkat(from_dir, from, to_dir, to, 0) })
}

pub(crate) fn symlink(target: &CStr, link: NameIn<'_>) -> io::Result<()> {
    let (dir, name) = (link.dir.as_raw_fd(), link.name.as_ptr());
    // SAFETY: as in `create_dir`, for both strings.
    done(unsafe { libc::symlinkat(target.as_ptr(), dir, name) })
}

fn done(result: c_int) -> io::Result<()> {
    check(c_long::from(result)).map(drop)
}
