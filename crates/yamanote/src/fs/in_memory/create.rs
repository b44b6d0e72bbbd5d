//! Files that are created, or emptied, and opened.
#![forbid(unsafe_code)]

use std::fs::{File as StdFile, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::look_up::{self, FoundFile, Inline, Refusal};
use super::super::strategy::{self, Facts};
use super::super::trust::limit;
use super::{Target, at};
use crate::sys::fs::{self as sys, Identity};
use crate::sys::names;

/// How a file is opened.
#[derive(Clone, Copy)]
struct How<'a> {
    /// As open(2) takes them.
    flags: i32,
    /// The permissions of a file that is created, less those in the umask.
    mode: u32,
    /// Must be another file.
    original: Option<&'a Identity>,
    /// Whether it is for the program, which may look at its flags.
    is_kept: bool,
}

/// Opens `path` as open(2) does with `flags`, which may create it with the permissions `mode`, or
/// empty it.
pub(in crate::fs) fn open(path: &Path, flags: i32, mode: u32) -> Inline<FoundFile> {
    let how = How {
        flags,
        mode,
        original: None,
        is_kept: true,
    };
    at(path, |target| target.open_timed(how))
}

impl Target<'_> {
    /// Writes `contents` as the whole of the file. If they are those of `original`, it gets its
    /// permissions too.
    pub(in crate::fs) fn write(&self, contents: &[u8], original: Option<&Identity>) -> Inline<()> {
        let refused = || Inline::Refused(Refusal::MayWait);
        if contents.len() > strategy::INLINE_MAX {
            return refused();
        }
        let how = How {
            flags: libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC,
            mode: original.map_or(0o666, |original| original.permissions),
            original,
            is_kept: false,
        };
        self.open_timed(how)
            .and_then(|FoundFile { file, facts, .. }| {
                let permissions = Permissions::from_mode(how.mode);
                if original.is_some() && file.set_permissions(permissions).is_err() {
                    return refused();
                }
                let write = || sys::write(file.as_fd(), contents, 0);
                let trust = &facts.mount.writes;
                match trust.inline_untried(limit(contents.len()), write) {
                    Some(Ok(n)) if n == contents.len() => {
                        strategy::charge(n);
                        Inline::Done(Ok(()))
                    }
                    _ => refused(),
                }
            })
    }

    /// Opens it under the eye of the clock.
    fn open_timed(&self, how: How<'_>) -> Inline<FoundFile> {
        let mount = self.mount();
        let opened = mount.open_inline(|| self.open(how));
        opened.unwrap_or_else(|| Inline::Refused(Refusal::untried(mount.opens.wants_trial())))
    }

    fn open(&self, how: How<'_>) -> Inline<FoundFile> {
        let opened = match self.small_file() {
            Some(Some(found)) if how.flags & libc::O_EXCL == 0 => self.open_found(&found, how),
            Some(Some(_)) => return Inline::Done(Err(errno(libc::EEXIST))),
            Some(None) if how.flags & libc::O_CREAT != 0 => self.create(how),
            Some(None) => return Inline::Done(Err(errno(libc::ENOENT))),
            None => None,
        };
        match opened {
            Some(opened) => Inline::Done(Ok(opened)),
            None => Inline::Refused(Refusal::MayWait),
        }
    }

    fn create(&self, how: How<'_>) -> Option<FoundFile> {
        // A file that somebody else has created meanwhile has not been looked at.
        let flags = how.flags & !libc::O_TRUNC | libc::O_EXCL;
        let fd = names::open(self.name(), flags, how.mode & 0o7777).ok()?;
        let identity = Identity {
            file_type: libc::S_IFREG,
            size: 0,
            ..self.dir.identity
        };
        Some(FoundFile {
            file: StdFile::from(fd),
            facts: Facts::new(&identity, self.dir.facts.mount.clone(), how.flags),
            identity,
        })
    }

    /// Opens what was found, if it is a regular file and still there. As
    /// `O_TRUNC` does not look at the size, the file is emptied afterwards.
    fn open_found(&self, found: &Identity, how: How<'_>) -> Option<FoundFile> {
        let is_original = |original| look_up::is_same(original, found);
        if found.file_type != libc::S_IFREG || how.original.is_some_and(is_original) {
            return None;
        }
        // It may still create: who may not create a file here must not open those of everybody
        // either (proc(5), `protected_regular`). O_NONBLOCK keeps a lease, or what has the name by
        // now, from making this wait.
        let flags = how.flags & !libc::O_TRUNC | libc::O_NONBLOCK;
        let mode = match flags & libc::O_CREAT {
            0 => 0,
            _ => how.mode & 0o7777,
        };
        let file = StdFile::from(names::open(self.name(), flags, mode).ok()?);
        match how.flags & libc::O_TRUNC {
            0 => {
                let now = sys::identify(file.as_fd()).ok()?;
                look_up::is_same(&now, found).then_some(())?;
            }
            // Only a regular file can be emptied. If it is another one by now, that is what the
            // plain call would have done as well; if it is a large one, the clock finds out.
            _ => file.set_len(0).ok()?,
        }
        if how.is_kept {
            // O_NONBLOCK has no effect on a regular file, but programs may look at the flags.
            let _ = sys::set_status_flags(file.as_fd(), how.flags);
        }
        Some(FoundFile {
            facts: Facts::new(found, self.dir.facts.mount.clone(), how.flags),
            identity: *found,
            file,
        })
    }
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}
