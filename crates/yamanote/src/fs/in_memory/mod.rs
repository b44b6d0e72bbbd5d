//! Names on file systems in memory. Creating, replacing and removing files there waits for no disk
//! and takes microseconds, so it is done inline, under the conditions of [`super::strategy`].
//!
//! The way to a name leads over any file system. So it is looked up in the kernel's cache, as far
//! as the directory ([`super::look_up`]); what follows is done in that directory and does not leave
//! it: a name that is a symbolic link, a mount, or no file, is left to the plain calls.
//!
//! Whatever else hinders an inline call is no answer either: the plain call, on the pool, begins
//! anew. So a call that has changed something must have done all of it, or nothing that the plain
//! one would not do again.
#![forbid(unsafe_code)]

mod change;
pub(super) use change::Change;

mod create;
pub(super) use create::open;

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::look_up::{self, FoundFile, Inline, Refusal};
use super::mount::Mount;
use super::strategy::is_small_file;
use crate::sys::fs::Identity;
use crate::sys::names::{self, NameIn};

/// A name in a directory that is in memory. Whether there is such a file is another question.
pub(super) struct Target<'a> {
    dir: FoundFile,
    name: &'a CStr,
}

impl Target<'_> {
    fn mount(&self) -> &Mount {
        &self.dir.facts.mount
    }

    fn name(&self) -> NameIn<'_> {
        NameIn {
            dir: self.dir.file.as_fd(),
            name: self.name,
        }
    }

    /// What is there; `Some(None)`: nothing, `None`: it has to be left to the plain call, because
    /// it cannot be learned, or is so large that to remove it takes long.
    fn small_file(&self) -> Option<Option<Identity>> {
        match names::identify(self.name()) {
            Ok(file) if is_small_file(&file) && file.mount == self.dir.identity.mount => {
                Some(Some(file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(None),
            _ => None,
        }
    }
}

/// Names since the last one in memory that were not. Where everything is on disks, only every
/// sixteenth directory is looked up, so that the attempts cost next to nothing.
static ELSEWHERE: AtomicU32 = AtomicU32::new(0);

/// Relaxed, here and below: a hint.
fn may_be_in_memory() -> bool {
    let elsewhere = ELSEWHERE.load(Relaxed);
    elsewhere < 16 || ELSEWHERE.fetch_add(1, Relaxed) % 16 == 0
}

/// The directory and the name in it, if `path` ends with a name and the kernel would take it.
fn split(path: &Path) -> Option<(&Path, &Path)> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() >= libc::PATH_MAX as usize {
        return None;
    }
    let (dir, name) = match bytes.iter().rposition(|byte| *byte == b'/') {
        None => (&b"."[..], bytes),
        Some(0) => (&b"/"[..], &bytes[1..]),
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
    };
    let path = |bytes| Path::new(OsStr::from_bytes(bytes));
    (!matches!(name, b"" | b"." | b"..")).then(|| (path(dir), path(name)))
}

/// Finds the directory of `path`, and calls `f` if that is in memory. Its answer is the plain
/// call's, as is that of a directory that does not exist.
pub(super) fn at<T>(path: &Path, f: impl FnOnce(&Target<'_>) -> Inline<T>) -> Inline<T> {
    let may_wait = || Inline::Refused(Refusal::MayWait);
    if !may_be_in_memory() {
        return may_wait();
    }
    let Some((dir, name)) = split(path) else {
        return may_wait();
    };
    look_up::find_inline(None, dir, libc::O_DIRECTORY).and_then(|dir| {
        if !dir.facts.is_in_memory() {
            ELSEWHERE.fetch_add(1, Relaxed);
            return may_wait();
        }
        if ELSEWHERE.load(Relaxed) != 0 {
            ELSEWHERE.store(0, Relaxed);
        }
        look_up::with_c_path(name, |name| f(&Target { dir, name })).unwrap_or_else(may_wait)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_only_if_it_ends_with_a_name() {
        let of = |path: &str| {
            let (dir, name) = split(Path::new(path))?;
            Some((dir.to_str()?.to_owned(), name.to_str()?.to_owned()))
        };
        let split = |dir: &str, name: &str| Some((dir.to_owned(), name.to_owned()));
        assert_eq!(of("/dev/shm/x"), split("/dev/shm", "x"));
        assert_eq!(of("a//b"), split("a/", "b"));
        assert_eq!(of("/x"), split("/", "x"));
        assert_eq!(of("x"), split(".", "x"));
        for path in ["", "/", "a/", "a/.", "..", "/dev/shm/.."] {
            assert_eq!(of(path), None, "{path}");
        }
        let long = "d/".repeat(2047);
        assert!(of(&format!("{long}x")).is_some());
        assert_eq!(of(&format!("{long}xy")), None, "the kernel refuses it");
    }
}
