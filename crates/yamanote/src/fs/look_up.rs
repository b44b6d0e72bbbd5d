//! Looking up names and opening files without waiting.
#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::fs::File as StdFile;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::mount::{BY_NAME, known_mount, learn_mount};
use super::strategy::{Facts, compare_with_plain, is_denial, is_inline_allowed};
use super::trust::{Trial, limit};
use crate::sys::fs::{self as sys, Identity, MountId, Wait};

/// Look-ups in vain since the last useful one: they led to file systems that are not touched
/// inline.
static IN_VAIN: AtomicU32 = AtomicU32::new(0);

/// Whether a look-up should be tried inline. Where everything is on such a file system, as on the
/// overlay of a container, only every sixteenth is tried, so that the attempts cost next to
/// nothing.
fn is_worth_trying() -> bool {
    let in_vain = IN_VAIN.load(Relaxed);
    in_vain < 16 || IN_VAIN.fetch_add(1, Relaxed) % 16 == 0
}

/// A hint that saves an attempt: nothing there is ever done inline.
fn is_kernel_made(path: &Path) -> bool {
    let path = path.as_os_str().as_bytes();
    path.starts_with(b"/proc/") || path.starts_with(b"/sys/")
}

/// Calls `f` with `path` as a C string. `None`: it cannot be one, and `std` is to word the error.
pub(super) fn with_c_path<R>(path: &Path, f: impl FnOnce(&CStr) -> R) -> Option<R> {
    const ON_STACK: usize = 384;
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() < ON_STACK {
        let mut buf = [0; ON_STACK];
        buf[..bytes.len()].copy_from_slice(bytes);
        Some(f(CStr::from_bytes_with_nul(&buf[..=bytes.len()]).ok()?))
    } else {
        Some(f(&std::ffi::CString::new(bytes).ok()?))
    }
}

/// What a look-up came to without waiting.
pub(super) enum Inline<T> {
    /// This is the answer; an error is one the plain call would give as well.
    Done(io::Result<T>),
    /// A thread that may wait has to do it.
    Refused(Refusal),
}

impl<T> Inline<T> {
    /// Goes on with what was found.
    pub(super) fn and_then<U>(self, f: impl FnOnce(T) -> Inline<U>) -> Inline<U> {
        match self {
            Inline::Done(Ok(found)) => f(found),
            Inline::Done(Err(error)) => Inline::Done(Err(error)),
            Inline::Refused(why) => Inline::Refused(why),
        }
    }
}

/// Why something is not done inline.
pub(super) enum Refusal {
    /// It would have to wait, or might.
    MayWait,
    /// What it opens is neither a file nor a directory: a pipe without a partner or a terminal
    /// without a line would wait for ever.
    Special,
    /// A thread that may wait has to try it out first.
    OnTrial,
    /// The file system is not known yet. A thread that may wait should [`learn`](Refusal::learn)
    /// what it is, so that the next look-up there may be inline.
    Unknown(OwnedFd, MountId),
}

impl Refusal {
    /// Of what may not be done inline now.
    pub(super) fn untried(wants_trial: bool) -> Refusal {
        match wants_trial {
            true => Refusal::OnTrial,
            false => Refusal::MayWait,
        }
    }

    /// Whether a thread that may wait should open and read in the inline way, to see how long it
    /// takes.
    pub(super) fn asks_for_trial(&self) -> bool {
        matches!(self, Refusal::OnTrial | Refusal::Unknown(..))
    }

    /// On a thread that may wait and is about to look `path` up: asks an unknown file system what
    /// it is, and tries out inline look-ups, if a trial is due.
    pub(super) fn learn(self, path: &Path) {
        if let Refusal::Unknown(fd, id) = self {
            // If it cannot say, it stays unknown, and its files go to the pool.
            let _ = learn_mount(fd.as_fd(), id);
        }
        try_out_look_ups(path);
    }
}

/// On a thread that may wait: tries out whether names may be looked up inline, if a trial is due.
pub(super) fn try_out_look_ups(path: &Path) {
    BY_NAME.try_out(limit(0), || {
        let tried = match with_c_path(path, |path| look(None, path, 0)) {
            Some(Ok(_)) => Trial::Done,
            Some(Err(error)) if is_denial(&error) => {
                compare_with_plain(&error, &find_plainly(path))
            }
            // An answer of the cache, or of a full table of descriptors.
            Some(Err(_)) => Trial::Done,
            None => Trial::InVain,
        };
        ((), tried)
    });
}

/// What [`look`] does, by a call that may wait.
fn find_plainly(path: &Path) -> io::Result<()> {
    let mut options = StdFile::options();
    options.read(true).custom_flags(libc::O_PATH);
    options.open(path).map(drop)
}

/// Finds `path` (relative to `dir`) in the kernel's cache of names, without opening it. `flags` may
/// be `O_NOFOLLOW` and `O_DIRECTORY`.
fn look(dir: Option<BorrowedFd<'_>>, path: &CStr, flags: i32) -> io::Result<(OwnedFd, Identity)> {
    let fd = sys::open_cached(dir, path, libc::O_PATH | flags, 0)?;
    let identity = sys::identify(fd.as_fd())?;
    Ok((fd, identity))
}

/// What the error of a look-up or an opening means for the caller.
pub(super) fn refuse<T>(error: io::Error) -> Inline<T> {
    match error.raw_os_error() {
        // The name cache itself says these. Everything else (no permission, no descriptor left, a
        // sandbox, an old kernel, a lease to be broken) is for the plain call to decide.
        Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::ENAMETOOLONG) => {
            Inline::Done(Err(error))
        }
        _ => Inline::Refused(Refusal::MayWait),
    }
}

/// A file that was found without waiting, on a local file system.
pub(super) struct FoundFile {
    pub(super) file: StdFile,
    pub(super) identity: Identity,
    pub(super) facts: Facts,
}

impl Facts {
    /// Why the file is not opened or read inline.
    fn refusal(&self) -> Refusal {
        Refusal::untried(self.mount.opens.wants_trial() || self.mount.reads.wants_trial())
    }
}

/// Finds `path` (relative to `dir`) without waiting and without opening it (`O_PATH`). `flags` may
/// be `O_NOFOLLOW` and `O_DIRECTORY`.
pub(super) fn find_inline(
    dir: Option<BorrowedFd<'_>>,
    path: &Path,
    flags: i32,
) -> Inline<FoundFile> {
    if !is_worth_trying() {
        return Inline::Refused(Refusal::MayWait);
    }
    with_usable_path(path, |path| find_c_path(dir, path, flags))
}

/// Calls `f` with `path` if a look-up of it may be tried inline.
fn with_usable_path(path: &Path, f: impl FnOnce(&CStr) -> Inline<FoundFile>) -> Inline<FoundFile> {
    if is_kernel_made(path) || !is_inline_allowed() {
        return Inline::Refused(Refusal::MayWait);
    }
    with_c_path(path, f).unwrap_or(Inline::Refused(Refusal::MayWait))
}

/// [`find_inline`] for a path that is usable.
fn find_c_path(dir: Option<BorrowedFd<'_>>, path: &CStr, flags: i32) -> Inline<FoundFile> {
    match BY_NAME.inline(limit(0), || look(dir, path, flags)) {
        Some(Ok((fd, identity))) => judge_found(fd, identity),
        Some(Err(error)) => {
            if is_denial(&error) {
                BY_NAME.suspend();
            }
            refuse(error)
        }
        None => Inline::Refused(Refusal::MayWait),
    }
}

/// Refuses what is not on a file system that may be touched inline.
fn judge_found(fd: OwnedFd, identity: Identity) -> Inline<FoundFile> {
    let Some(mount) = known_mount(&identity.mount) else {
        if is_special(&identity) {
            return Inline::Refused(Refusal::Special);
        }
        return Inline::Refused(Refusal::Unknown(fd, identity.mount));
    };
    let facts = Facts::new(&identity, mount, 0);
    if !facts.is_local() {
        if is_special(&identity) {
            return Inline::Refused(Refusal::Special);
        }
        // Relaxed: a hint.
        IN_VAIN.fetch_add(1, Relaxed);
        return Inline::Refused(Refusal::MayWait);
    }
    if IN_VAIN.load(Relaxed) != 0 {
        IN_VAIN.store(0, Relaxed);
    }
    Inline::Done(Ok(FoundFile {
        file: StdFile::from(fd),
        identity,
        facts,
    }))
}

/// Whether opening it may wait for ever. The memory devices (null, zero, full, random) never wait,
/// and are opened too often for a detour.
fn is_special(identity: &Identity) -> bool {
    /// Linux's devices.txt: character device 1.
    const MEMORY_DEVICES: u32 = 1;
    match identity.file_type {
        libc::S_IFIFO => true,
        libc::S_IFCHR => identity.device_major != MEMORY_DEVICES,
        _ => false,
    }
}

/// Opens the regular file or directory `path` without waiting. `flags` must neither create nor
/// truncate anything.
pub(super) fn open_inline(path: &Path, flags: i32) -> Inline<FoundFile> {
    with_usable_path(path, |path| {
        let name = match find_c_path(None, path, flags & libc::O_NOFOLLOW) {
            Inline::Done(Ok(found)) => found,
            other => return other,
        };
        match name.identity.file_type {
            libc::S_IFREG | libc::S_IFDIR => {}
            _ if is_special(&name.identity) => return Inline::Refused(Refusal::Special),
            _ => return Inline::Refused(Refusal::MayWait),
        }
        let mount = &name.facts.mount;
        let opened = mount.open_inline(|| open_found(path, flags, &name));
        opened.unwrap_or_else(|| Inline::Refused(name.facts.refusal()))
    })
}

/// On a thread that may wait: opens `path` as [`open_inline`] does, if a trial of that is due for
/// its file system. `None`: open it plainly.
pub(super) fn try_out_open(path: &Path, flags: i32) -> Option<io::Result<FoundFile>> {
    if is_kernel_made(path) || !is_inline_allowed() {
        return None;
    }
    with_c_path(path, |path| {
        let (fd, identity) = look(None, path, flags & libc::O_NOFOLLOW).ok()?;
        if !matches!(identity.file_type, libc::S_IFREG | libc::S_IFDIR) {
            return None;
        }
        let Inline::Done(Ok(name)) = judge_found(fd, identity) else {
            return None;
        };
        let opened =
            name.facts
                .mount
                .opens
                .try_out(limit(0), || match open_found(path, flags, &name) {
                    Inline::Done(Ok(found)) => (Some(Ok(found)), Trial::Done),
                    Inline::Done(Err(error)) => (Some(Err(error)), Trial::InVain),
                    Inline::Refused(_) => (None, Trial::InVain),
                });
        opened?
    })?
}

/// On a thread that may wait, where `path` was opened plainly: tries out whether that could have
/// been inline, and whether the file could be read so.
pub(super) fn try_out_opens(path: &Path) {
    if let Some(Ok(found)) = try_out_open(path, libc::O_RDONLY) {
        found.facts.try_out_reads(found.file.as_fd());
    }
}

/// Opens the file that was found as `name`, by its path once more.
fn open_found(path: &CStr, flags: i32, name: &FoundFile) -> Inline<FoundFile> {
    // The name may stand for a FIFO by now: O_NONBLOCK keeps even that from waiting, and turns a
    // lease into an EAGAIN. It has no effect on a regular file, but is taken off again for programs
    // that look at the flags.
    let fd = match sys::open_cached(None, path, flags | libc::O_NONBLOCK, 0) {
        Ok(fd) => fd,
        Err(error) => return refuse(error),
    };
    match sys::identify(fd.as_fd()) {
        Ok(identity)
            if is_same(&identity, &name.identity)
                && sys::set_status_flags(fd.as_fd(), flags).is_ok() =>
        {
            Inline::Done(Ok(FoundFile {
                facts: Facts::new(&identity, name.facts.mount.clone(), flags),
                identity,
                file: StdFile::from(fd),
            }))
        }
        _ => Inline::Refused(Refusal::MayWait),
    }
}

/// Opens the regular file `path`, to be read once, from its beginning, and closed.
///
/// This skips two steps of [`open_inline`], which matter only if the file is kept. The descriptor
/// stays `O_NONBLOCK`, which has no effect on a regular file. And what was opened is not identified
/// again: if the name stands for something else since it was looked up, either that is refused
/// here, or a read at an offset that must not wait ([`Wait::Never`]) is a refusal, an error
/// (`ESPIPE`), or the right answer. So [`FoundFile::identity`] is no more than a hint at the size.
pub(super) fn open_once(path: &Path) -> Inline<FoundFile> {
    if !is_worth_trying() {
        return Inline::Refused(Refusal::MayWait);
    }
    let flags = libc::O_RDONLY | libc::O_NONBLOCK;
    with_usable_path(path, |path| {
        let name = match find_c_path(None, path, 0) {
            Inline::Done(Ok(found)) => found,
            other => return other,
        };
        let size = usize::try_from(name.identity.size).unwrap_or(usize::MAX);
        let Some(wait) = name.facts.inline_read(size) else {
            return Inline::Refused(match is_special(&name.identity) {
                true => Refusal::Special,
                false => name.facts.refusal(),
            });
        };
        let mount = &name.facts.mount;
        let fd = match mount.open_inline(|| sys::open_cached(None, path, flags, 0)) {
            Some(Ok(fd)) => fd,
            Some(Err(error)) => return refuse(error),
            None => return Inline::Refused(name.facts.refusal()),
        };
        // A read that may wait by its flags must be known not to.
        if wait == Wait::Allowed && !is_still(fd.as_fd(), &name.identity) {
            return Inline::Refused(Refusal::MayWait);
        }
        Inline::Done(Ok(FoundFile {
            file: StdFile::from(fd),
            ..name
        }))
    })
}

/// Whether `fd` is the file that `identity` describes.
pub(super) fn is_still(fd: BorrowedFd<'_>, identity: &Identity) -> bool {
    sys::identify(fd).is_ok_and(|now| is_same(&now, identity))
}

pub(super) fn is_same(a: &Identity, b: &Identity) -> bool {
    (a.inode, a.mount) == (b.inode, b.mount)
}

#[cfg(test)]
mod tests {
    use yamanote_test::TempDir;

    use super::*;

    /// Lets files on the file system of `path` be opened inline.
    fn trust(path: &Path) {
        let facts = Facts::learn(StdFile::open(path).unwrap().as_fd()).unwrap();
        facts.mount.opens.give();
    }

    #[test]
    fn nothing_that_may_wait_is_opened_inline() {
        for special in ["/proc/self/stat", "/dev/null", "/dev/full"] {
            trust(Path::new(special));
            let answer = open_inline(Path::new(special), libc::O_RDONLY);
            assert!(matches!(answer, Inline::Refused(_)), "{special}");
        }
    }

    #[test]
    fn an_inline_open_leaves_no_trace_in_the_flags() {
        let directory = TempDir::new();
        let path = directory.path().join("open");
        std::fs::write(&path, b"12345").unwrap();
        trust(&path);
        let Inline::Done(found) = open_inline(&path, libc::O_RDWR | libc::O_APPEND) else {
            return; // Not a local file system here.
        };
        let found = found.unwrap();
        assert_eq!(found.identity.size, 5);
        let flags = sys::status_flags(found.file.as_fd()).unwrap();
        assert_eq!(flags & libc::O_NONBLOCK, 0);
        assert_eq!(flags & libc::O_APPEND, libc::O_APPEND);
        std::fs::remove_file(&path).unwrap();
        assert!(!path.exists());
        let Inline::Done(Err(error)) = open_inline(&path, libc::O_RDONLY) else {
            panic!("a name just looked up is known to be missing");
        };
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    }

    /// The first opening on a mount is made on a thread that may wait, and lets the next be inline.
    #[test]
    fn openings_are_tried_out_before_they_are_inline() {
        let directory = TempDir::new();
        let path = directory.path().join("trial");
        std::fs::write(&path, b"12345").unwrap();
        let facts = Facts::learn(StdFile::open(&path).unwrap().as_fd()).unwrap();
        if facts.is_local() {
            // Other tests share the mount.
            while facts.mount.opens.wants_trial() {
                let found = try_out_open(&path, libc::O_RDONLY);
                assert!(found.is_none_or(|found| found.is_ok_and(|f| f.identity.size == 5)));
            }
            assert!(try_out_open(&path, libc::O_RDONLY).is_none());
        }
    }

    #[test]
    fn paths_that_are_no_c_strings_are_left_to_std() {
        assert!(with_c_path(Path::new("a\0b"), |_| ()).is_none());
        let long = "x".repeat(5000);
        assert_eq!(
            with_c_path(Path::new(&long), |c| c.to_bytes().len()),
            Some(5000)
        );
    }
}
