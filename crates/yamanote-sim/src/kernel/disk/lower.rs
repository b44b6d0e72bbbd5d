//! What is really there, below the disk of a host. Nothing here changes it.
#![forbid(unsafe_code)]

use crate::kernel::files::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// The most bytes of a file that are copied when it is changed.
const MOST: u64 = 64 << 20;

#[derive(Debug)]
pub(super) enum Below {
    Nothing,
    File,
    Link,
    Dir {
        mode: u32,
        modified: i128,
    },
    /// A device and the like.
    Other,
}

pub(super) fn join(dir: &Path, name: &[u8]) -> PathBuf {
    dir.join(OsStr::from_bytes(name))
}

pub(super) fn number(error: &io::Error) -> Errno {
    error.raw_os_error().unwrap_or(libc::EIO)
}

pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

pub(super) fn what(path: &Path) -> Result<Below, Errno> {
    let facts = match path.symlink_metadata() {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Below::Nothing),
        Err(error) => return Err(number(&error)),
    };
    let kind = facts.file_type();
    Ok(if kind.is_file() {
        Below::File
    } else if kind.is_symlink() {
        Below::Link
    } else if kind.is_dir() {
        Below::Dir {
            mode: facts.mode() & 0o7777,
            modified: i128::from(facts.mtime()) * 1_000_000_000 + i128::from(facts.mtime_nsec()),
        }
    } else if kind.is_socket() {
        // Whoever listens there is in no world.
        Below::Nothing
    } else {
        Below::Other
    })
}

pub(super) fn mode(path: &Path) -> u32 {
    path.symlink_metadata()
        .map_or(0o644, |facts| facts.mode() & 0o7777)
}

pub(super) fn names(path: &Path) -> Result<Vec<Vec<u8>>, Errno> {
    let entries = path.read_dir().map_err(|error| number(&error))?;
    let named = entries.map(|entry| Ok(entry?.file_name().into_vec()));
    named
        .collect::<io::Result<_>>()
        .map_err(|error| number(&error))
}

pub(super) fn target(path: &Path) -> Result<Vec<u8>, Errno> {
    let target = path.read_link().map_err(|error| number(&error))?;
    Ok(target.into_os_string().into_vec())
}

/// The contents of a file that will be changed.
pub(super) fn contents(path: &Path) -> Result<Vec<u8>, Errno> {
    let facts = path.metadata().map_err(|error| number(&error))?;
    if facts.len() > MOST {
        return Err(libc::EROFS);
    }
    std::fs::read(path).map_err(|error| number(&error))
}

/// Files in which machines differ, and which no host has.
pub(super) fn is_hidden(path: &Path) -> bool {
    if path.starts_with("/sys/fs/cgroup") {
        return true;
    }
    path.starts_with("/proc") && path.file_name().is_some_and(|name| name == "cgroup")
}
