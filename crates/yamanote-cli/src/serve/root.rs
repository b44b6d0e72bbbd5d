//! The served directory: opens what a request names, and nothing outside.
//!
//! The kernel keeps the promise, not string comparison: paths are opened with `openat2(2)` and
//! `RESOLVE_BENEATH`, which refuses `..` and symbolic links that lead out, even if a directory is
//! exchanged for a link at that moment.
#![forbid(unsafe_code)]

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub struct Root {
    directory: Arc<File>,
    resolve: ResolveFlags,
}

/// Why a request's path is not opened.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has a segment that no file can be named by.
    BadPath,
    NotFound,
    Forbidden,
    /// A component is too long, or there are too many links.
    TooLong,
}

/// Why opening has failed.
#[derive(Debug)]
pub enum OpenError {
    Refused(Refusal),
    /// As many files are open as may be.
    Busy,
    Failed(io::Error),
}

impl Root {
    pub fn open(directory: &Path, follow_links_outside: bool) -> io::Result<Root> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, directory, flags, Mode::empty())?;
        let root = Root {
            directory: Arc::new(File::from(directory)),
            resolve: match follow_links_outside {
                true => ResolveFlags::empty(),
                false => ResolveFlags::BENEATH,
            },
        };
        // Tried once here, so that an old kernel is reported at the start and not by every request.
        openat2(
            &root.directory,
            ".",
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH,
        )
        .map_err(|errno| match errno {
            Errno::NOSYS | Errno::PERM => io::Error::new(
                io::ErrorKind::Unsupported,
                "openat2 is not allowed here: it needs Linux 5.6, and a seccomp filter that knows it",
            ),
            errno => errno.into(),
        })?;
        Ok(root)
    }

    /// The metadata of the entry `name` of the directory that a URL path names, links followed.
    /// Blocks.
    pub fn metadata(&self, url_path: &str, name: &OsStr) -> io::Result<Metadata> {
        let mut path = relative_path(url_path).map_err(|_| io::ErrorKind::NotFound)?;
        path.push(name);
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let opened = open_retrying(&self.directory, &path, flags, self.resolve)?;
        File::from(opened).metadata()
    }

    /// Opens the file or directory that a URL path names.
    pub async fn open_path(&self, url_path: &str) -> Result<File, OpenError> {
        let path = relative_path(url_path).map_err(OpenError::Refused)?;
        // Non-blocking matters only for FIFOs, whose opening would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        // What the kernel has in its caches is opened here; the rest may wait for a disk and goes
        // to the pool.
        let cached = self.resolve | ResolveFlags::CACHED;
        let opened = match openat2(&self.directory, &path, flags, Mode::empty(), cached) {
            Err(Errno::AGAIN | Errno::INVAL) => {
                let (directory, resolve) = (Arc::clone(&self.directory), self.resolve);
                yamanote::task::spawn_blocking(move || {
                    open_retrying(&directory, &path, flags, resolve)
                })
                .await
                .map_err(|error| OpenError::Failed(error.into()))?
            }
            result => result,
        };
        opened.map(File::from).map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::NXIO => OpenError::Refused(Refusal::NotFound),
            // XDEV: the path leads out of the directory.
            Errno::ACCESS | Errno::PERM | Errno::XDEV | Errno::LOOP => {
                OpenError::Refused(Refusal::Forbidden)
            }
            Errno::NAMETOOLONG => OpenError::Refused(Refusal::TooLong),
            errno => OpenError::Failed(errno.into()),
        })
    }
}

/// EAGAIN means that a rename elsewhere made the kernel unsure: it asks to try again.
fn open_retrying(
    directory: &File,
    path: &Path,
    flags: OFlags,
    resolve: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    loop {
        match openat2(directory, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
}

/// What to do about a directory that cannot be opened.
pub fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => ": name a directory that exists, or none for the present one",
        io::ErrorKind::NotADirectory => ": name the directory it is in",
        io::ErrorKind::PermissionDenied => ": this user may not read it",
        _ => "",
    }
}

/// The percent-decoded path, relative to the root; `.` for the root itself.
fn relative_path(url_path: &str) -> Result<PathBuf, Refusal> {
    let mut path = PathBuf::new();
    for segment in url_path.split('/').filter(|segment| !segment.is_empty()) {
        let name: Vec<u8> = percent_encoding::percent_decode_str(segment).collect();
        // A decoded slash would be part of a name, and no name has one.
        if name == b".." || name.contains(&b'/') || name.contains(&0) {
            return Err(Refusal::BadPath);
        }
        path.push(OsStr::from_bytes(&name));
    }
    match path.as_os_str().is_empty() {
        true => Ok(PathBuf::from(".")),
        false => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_paths_become_relative_paths() {
        let path = |url| relative_path(url).map(|path| path.into_os_string());
        assert_eq!(path("/").unwrap(), ".");
        assert_eq!(path("/a//b/").unwrap(), "a/b");
        assert_eq!(path("/a%20b/%C3%BC").unwrap(), "a b/ü");
        assert_eq!(path("/%ff").unwrap(), OsStr::from_bytes(b"\xff"));
        assert_eq!(path("/100%").unwrap(), "100%");
        for bad in ["/..", "/a/../b", "/%2e%2e/x", "/a%2fb", "/a%00b"] {
            assert_eq!(path(bad), Err(Refusal::BadPath), "{bad}");
        }
    }

    #[test]
    fn nothing_outside_is_opened() {
        let temp = yamanote_test::TempDir::new();
        let root_path = temp.path().join("root");
        std::fs::create_dir(&root_path).unwrap();
        std::fs::write(temp.path().join("secret"), "x").unwrap();
        std::fs::write(root_path.join("open"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", root_path.join("out")).unwrap();
        std::os::unix::fs::symlink("open", root_path.join("in")).unwrap();
        let runtime = yamanote::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let strict = Root::open(&root_path, false).unwrap();
            assert!(strict.open_path("/open").await.is_ok());
            assert!(strict.open_path("/in").await.is_ok());
            for (path, refusal) in [
                ("/out", Refusal::Forbidden),
                ("/missing", Refusal::NotFound),
                ("/open/below", Refusal::NotFound),
                ("/../secret", Refusal::BadPath),
            ] {
                match strict.open_path(path).await {
                    Err(OpenError::Refused(found)) => assert_eq!(found, refusal, "{path}"),
                    other => panic!("{path}: {other:?}"),
                }
            }
            let loose = Root::open(&root_path, true).unwrap();
            assert!(loose.open_path("/out").await.is_ok());
        });
    }
}
