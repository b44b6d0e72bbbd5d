//! What can be learned of a file by its name: [`metadata`], [`symlink_metadata`], [`try_exists`].
#![forbid(unsafe_code)]

use std::fs::Metadata;
use std::io;
use std::path::Path;

use super::look_up::{Inline, find_inline};
use super::pool;
use crate::runtime::punts::FileOperation;

/// The metadata of the file `path` names, following symbolic links.
///
/// # Errors
///
/// As [`std::fs::metadata`]: it does not exist, or a directory on the way may not be searched.
///
/// # Cancel safety
///
/// Cancel safe: dropping the future stops the waiting only.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let metadata = yamanote::fs::metadata("/etc/hosts").await?;
/// println!("{} bytes", metadata.len());
/// # Ok(())
/// # }
/// ```
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    pool::begin().await?;
    match find_inline(None, path, 0) {
        Inline::Done(found) => found?.file.metadata(),
        Inline::Refused(why) => {
            pool::look_up(FileOperation::Look, path, why, |path| {
                std::fs::metadata(path)
            })
            .await
        }
    }
}

/// As [`metadata`], but of a symbolic link itself if `path` names one.
///
/// # Errors
///
/// As [`std::fs::symlink_metadata`].
///
/// # Cancel safety
///
/// Cancel safe: dropping the future stops the waiting only.
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    pool::begin().await?;
    match find_inline(None, path, libc::O_NOFOLLOW) {
        Inline::Done(found) => found?.file.metadata(),
        Inline::Refused(why) => {
            pool::look_up(FileOperation::Look, path, why, |path| {
                std::fs::symlink_metadata(path)
            })
            .await
        }
    }
}

/// Whether `path` names something that exists, following symbolic links.
///
/// # Errors
///
/// It cannot be found out, for example because a directory on the way may not be searched.
///
/// # Cancel safety
///
/// Cancel safe: dropping the future stops the waiting only.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    match metadata(path).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
