//! Operations on names, by their twins of `std::fs` on the blocking pool.
//!
//! On a disk each of them may wait, and the ring would hand each to a thread of the kernel: a
//! thread of the pool is no worse, and one job can make all the calls of a `remove_dir_all`. On
//! file systems in memory those of one step are made inline ([`super::in_memory`]).
#![forbid(unsafe_code)]

use std::fs::Permissions;
use std::io;
use std::path::{Path, PathBuf};

use super::in_memory::Change;
use super::pool;
use crate::runtime::punts::FileOperation;

/// The absolute path with every symbolic link, `.` and `..` resolved.
///
/// # Errors
///
/// As [`std::fs::canonicalize`]: something on the way does not exist or is not a directory.
///
/// # Cancel safety
///
/// Cancel safe: dropping the future stops the waiting only.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let path = yamanote::fs::canonicalize("../a/../notes.md").await?;
/// # Ok(())
/// # }
/// ```
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    pool::with_path(FileOperation::Look, path.as_ref(), |path| {
        std::fs::canonicalize(path)
    })
    .await
}

/// Creates an empty directory.
///
/// # Errors
///
/// As [`std::fs::create_dir`]: its parent does not exist, it exists already, or it may not be
/// created.
///
/// # Cancel safety
///
/// Not cancel safe: once polled, the directory may be created although the future is dropped.
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    Change::CreateDir(0o777).make(path.as_ref()).await
}

/// Creates a directory and those of its parents that do not exist. It may exist already.
///
/// # Errors
///
/// As [`std::fs::create_dir_all`].
///
/// # Cancel safety
///
/// Not cancel safe: once polled, the directories may be created although the future is dropped.
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    Change::CreateDirAll(0o777).make(path.as_ref()).await
}

/// Gives the file `original` a second name, `link`.
///
/// # Errors
///
/// As [`std::fs::hard_link`]: `original` does not exist, `link` does, or they are on different
/// file systems.
///
/// # Cancel safety
///
/// Not cancel safe: once polled, the link may be made although the future is dropped.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let change = Change::HardLink(link.as_ref().into());
    change.make(original.as_ref()).await
}

/// Where the symbolic link `path` points to.
///
/// # Errors
///
/// As [`std::fs::read_link`]: `path` does not exist or is not a symbolic link.
///
/// # Cancel safety
///
/// Cancel safe: dropping the future stops the waiting only.
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    pool::with_path(FileOperation::Look, path.as_ref(), |path| {
        std::fs::read_link(path)
    })
    .await
}

/// Removes an empty directory.
///
/// # Errors
///
/// As [`std::fs::remove_dir`].
///
/// # Cancel safety
///
/// Not cancel safe: once polled, the directory may be removed although the future is dropped.
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    Change::RemoveDir.make(path.as_ref()).await
}

/// Removes a directory and everything in it. Symbolic links are removed, not followed.
///
/// # Errors
///
/// As [`std::fs::remove_dir_all`]. What was removed before the error stays removed.
///
/// # Cancel safety
///
/// Not cancel safe: once polled, everything may be removed although the future is dropped.
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    pool::with_path(FileOperation::Change, path.as_ref(), |path| {
        std::fs::remove_dir_all(path)
    })
    .await
}

/// Removes a name of a file. The file itself goes with its last name and its last handle.
///
/// # Errors
///
/// As [`std::fs::remove_file`]: it does not exist, is a directory, or may not be removed.
///
/// # Cancel safety
///
/// Not cancel safe: once polled, the file may be removed although the future is dropped.
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    Change::RemoveFile.make(path.as_ref()).await
}

/// Renames a file or directory, replacing a file of the new name.
///
/// # Errors
///
/// As [`std::fs::rename`]: `from` does not exist, or the names are on different file systems.
///
/// # Cancel safety
///
/// Not cancel safe: once polled, the file may be renamed although the future is dropped.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let change = Change::Rename(to.as_ref().into());
    change.make(from.as_ref()).await
}

/// Changes the permissions of a file or directory.
///
/// # Errors
///
/// As [`std::fs::set_permissions`]: it does not exist, or belongs to somebody else.
///
/// # Cancel safety
///
/// Not cancel safe: once polled, the permissions may change although the future is dropped.
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    pool::with_path(FileOperation::Change, path.as_ref(), |path| {
        std::fs::set_permissions(path, permissions)
    })
    .await
}

/// Creates the symbolic link `link`, which points to `original`, whether that exists or not.
///
/// # Errors
///
/// As [`std::os::unix::fs::symlink`]: `link` exists, or may not be created.
///
/// # Cancel safety
///
/// Not cancel safe: once polled, the link may be made although the future is dropped.
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let change = Change::Symlink(original.as_ref().into());
    change.make(link.as_ref()).await
}
