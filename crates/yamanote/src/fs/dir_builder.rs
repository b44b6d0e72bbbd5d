//! [`DirBuilder`]: how a directory is created.
#![forbid(unsafe_code)]

use std::io;
use std::path::Path;

use super::in_memory::Change;

/// Creates directories, if wanted with their parents or with other permissions.
///
/// # Examples
///
/// ```no_run
/// use yamanote::fs::DirBuilder;
///
/// # async fn example() -> std::io::Result<()> {
/// DirBuilder::new().recursive(true).mode(0o700).create("a/private/place").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    mode: Option<u32>,
}

impl DirBuilder {
    /// Not recursive, and with the permissions that the process's umask leaves.
    pub fn new() -> Self {
        DirBuilder::default()
    }

    /// Whether missing parents are created too (with the same permissions), and the directory may
    /// exist already.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// The permissions of a new directory, less those in the umask (0o777 by default).
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Creates the directory.
    ///
    /// # Errors
    ///
    /// As [`std::fs::DirBuilder::create`].
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: once polled, the directory may be created although the future is dropped.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mode = self.mode.unwrap_or(0o777);
        let change = match self.recursive {
            true => Change::CreateDirAll(mode),
            false => Change::CreateDir(mode),
        };
        change.make(path.as_ref()).await
    }
}
