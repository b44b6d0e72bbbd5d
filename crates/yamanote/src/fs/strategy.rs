//! Who does a file operation: the calling thread at once, the ring, or the blocking pool.
//!
//! Measured on Linux 6.18, ext4, two cores (microseconds per operation; "pool" is a thread of the
//! blocking pool and the way back, as every operation of `tokio::fs`):
//!
//! | operation | inline | ring | pool |
//! |---|---|---|---|
//! | read 4 KiB, in the page cache | 0.73 `RWF_NOWAIT` | 1.04 | 20-36 |
//! | open + read + close of a small file | 2.5 `RESOLVE_CACHED` | | 27-40 |
//! | stat | 1.9 `O_PATH` + statx(fd) | 13-45 + (io-wq) | 26-30 |
//! | write 4 KiB to ext4, buffered | refuses `RWF_NOWAIT` | 48 (io-wq), 2-5 at depth 32 | 25 |
//! | create, rename, mkdir, unlink, fsync | may wait | +13-45 (io-wq), 2-5 at depth 32 | 25 |
//! | read or write past the cache (`O_DIRECT`) | waits for the device, even with `NOWAIT` | native, 71-94k a second | a thread each |
//!
//! Hence: inline where the kernel promises not to wait, the ring where it is natively
//! asynchronous, the pool for the rest. The promises are narrow:
//!
//! * `RESOLVE_CACHED` covers the look-up of a name, not the opening: a FIFO would still wait. So
//!   the type is learned first, through `O_PATH`, which opens nothing.
//! * A file system that asks a server or a daemon (NFS, FUSE) may wait in anything. So only file
//!   systems known as local are touched inline; which one it is, is itself asked on the pool,
//!   once per mount.
//! * `RWF_NOWAIT` does not hold for `O_DIRECT`, and some file systems do not know it. A refusal
//!   (`EOPNOTSUPP`) is remembered for the mount.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File as StdFile;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::sys::fs::{self as sys, Identity, MountId, Wait};

/// The most one poll copies inline. A copy out of the page cache runs at 5-23 GB/s, so this is 25
/// to 100 microseconds; longer ones are worth a thread.
pub(super) const INLINE_MAX: usize = 512 * 1024;

/// Bytes that cost one unit of the cooperative budget: 128 units (one poll of a task) are then at
/// most 4 MiB, about a millisecond of copying.
const BYTES_PER_UNIT: usize = 32 * 1024;

/// Units of the cooperative budget that `bytes` copied inline cost beyond the one every operation
/// takes.
pub(super) fn extra_units(bytes: usize) -> usize {
    bytes / BYTES_PER_UNIT
}

/// How a file system may be touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Lives in memory (tmpfs, ramfs): plain calls do not wait, and `RWF_NOWAIT` is not known.
    Memory,
    /// A local disk: what is cached is at hand, and the kernel says when it is not.
    Disk,
    /// Asks somebody, or is unknown to us: nothing is done inline.
    Elsewhere,
}

impl Class {
    /// From the magic numbers of statfs(2).
    fn from_magic(magic: u32) -> Class {
        match magic {
            0x0102_1994 | 0x8584_58f6 => Class::Memory, // tmpfs, ramfs
            0xef53              // ext2, ext3, ext4
            | 0x5846_5342       // xfs
            | 0x9123_683e       // btrfs
            | 0xf2f5_2010       // f2fs
            | 0xca45_1a4e       // bcachefs
            | 0x4d44            // vfat
            | 0x2011_bab0       // exfat
            | 0x3153_464a       // jfs
            | 0xe0f5_e1e2       // erofs
            | 0x7371_7368       // squashfs
            | 0x9660            // iso9660
            => Class::Disk,
            _ => Class::Elsewhere,
        }
    }
}

/// What is known of one mounted file system.
#[derive(Debug)]
pub(super) struct Mount {
    class: Class,
    /// Answers seen: `RWF_NOWAIT` was refused. Relaxed throughout: a thread that does not see the
    /// flag yet makes one more refused call.
    refuses_nowait_read: AtomicBool,
    refuses_nowait_write: AtomicBool,
}

struct Known {
    mount: Arc<Mount>,
    learned: Instant,
}

impl Known {
    /// A mount number that the kernel may give to another file system later is trusted for a
    /// second only.
    fn is_fresh(&self, id: &MountId) -> bool {
        id.unique || self.learned.elapsed() < Duration::from_secs(1)
    }
}

/// More mounts than a sane system has; past it we start over rather than grow.
const MOUNTS_MAX: usize = 1024;

fn mounts() -> &'static RwLock<HashMap<MountId, Known>> {
    static MOUNTS: OnceLock<RwLock<HashMap<MountId, Known>>> = OnceLock::new();
    MOUNTS.get_or_init(Default::default)
}

fn known_mount(id: &MountId) -> Option<Arc<Mount>> {
    let mounts = mounts().read().unwrap_or_else(PoisonError::into_inner);
    let known = mounts.get(id)?;
    known.is_fresh(id).then(|| known.mount.clone())
}

/// Asks the file system what it is, which may wait: for threads of the blocking pool.
fn learn_mount(fd: BorrowedFd<'_>, id: MountId) -> io::Result<Arc<Mount>> {
    if let Some(mount) = known_mount(&id) {
        return Ok(mount);
    }
    let mount = Arc::new(Mount {
        class: Class::from_magic(sys::file_system_magic(fd)?),
        refuses_nowait_read: AtomicBool::new(false),
        refuses_nowait_write: AtomicBool::new(false),
    });
    let mut mounts = mounts().write().unwrap_or_else(PoisonError::into_inner);
    if mounts.len() >= MOUNTS_MAX {
        mounts.clear();
    }
    mounts.insert(
        id,
        Known {
            mount: mount.clone(),
            learned: Instant::now(),
        },
    );
    Ok(mount)
}

/// What decides how an open file may be read and written.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    mount: Arc<Mount>,
    regular: bool,
    stream: bool,
    direct: bool,
}

impl Facts {
    fn new(identity: &Identity, mount: Arc<Mount>, status_flags: i32) -> Facts {
        Facts {
            mount,
            regular: identity.file_type == libc::S_IFREG,
            stream: !matches!(
                identity.file_type,
                libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK | libc::S_IFLNK
            ),
            direct: status_flags & libc::O_DIRECT != 0,
        }
    }

    /// Without waiting; `None` when the file system has to be asked.
    pub(super) fn if_known(fd: BorrowedFd<'_>) -> Option<Facts> {
        let identity = sys::identify(fd).ok()?;
        let mount = known_mount(&identity.mount)?;
        Some(Facts::new(&identity, mount, sys::status_flags(fd).ok()?))
    }

    /// May wait: for threads of the blocking pool.
    pub(super) fn learn(fd: BorrowedFd<'_>) -> io::Result<Facts> {
        let identity = sys::identify(fd)?;
        let mount = learn_mount(fd, identity.mount)?;
        Ok(Facts::new(&identity, mount, sys::status_flags(fd)?))
    }

    pub(super) fn is_regular(&self) -> bool {
        self.regular
    }

    /// Whether it is a pipe, a socket, a terminal or the like: a read may wait for ever.
    pub(super) fn is_stream(&self) -> bool {
        self.stream
    }

    /// Whether calls that only look at the file (statx, lseek) return at once.
    pub(super) fn is_local(&self) -> bool {
        self.mount.class != Class::Elsewhere
    }

    /// How a read of `len` bytes may be tried inline; `None`: not at all.
    pub(super) fn inline_read(&self, len: usize) -> Option<Wait> {
        if !self.regular || self.direct || len > INLINE_MAX {
            return None;
        }
        match self.mount.class {
            Class::Memory => Some(Wait::Allowed),
            Class::Disk if !self.mount.refuses_nowait_read.load(Relaxed) => Some(Wait::Never),
            Class::Disk | Class::Elsewhere => None,
        }
    }

    /// How a write of `len` bytes may be tried inline; `None`: not at all. (ext4 refuses once and
    /// is not asked again; xfs and btrfs agree when pages and space are at hand.)
    pub(super) fn inline_write(&self, len: usize) -> Option<Wait> {
        if !self.regular || self.direct || len > INLINE_MAX {
            return None;
        }
        match self.mount.class {
            Class::Memory => Some(Wait::Allowed),
            Class::Disk if !self.mount.refuses_nowait_write.load(Relaxed) => Some(Wait::Never),
            Class::Disk | Class::Elsewhere => None,
        }
    }

    /// Whether a positioned read of `len` bytes that cannot be had inline goes to the ring: direct
    /// reads always, others if they are small enough that the kernel, finding them cached after
    /// all, does not copy for long on the submitting thread.
    pub(super) fn ring_read(&self, len: usize) -> bool {
        self.regular && self.mount.class == Class::Disk && (self.direct || len <= INLINE_MAX)
    }

    /// Whether a positioned write goes to the ring: direct ones only. For a buffered one the ring
    /// takes a thread each time, at twice the cost of ours.
    pub(super) fn ring_write(&self) -> bool {
        self.regular && self.direct && self.mount.class == Class::Disk
    }

    /// Whether fsync goes to the ring. The kernel gives it a thread of its own there too, so one
    /// alone is no faster; but many at once (a log per client) pass without our pool's limit and
    /// two hand-overs each.
    pub(super) fn ring_sync(&self) -> bool {
        self.regular && self.mount.class == Class::Disk
    }

    /// Judges the answer to an inline read: `None` means it has to be done where waiting is
    /// allowed.
    pub(super) fn judge_read(
        &self,
        wait: Wait,
        wanted: usize,
        answer: io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        match answer {
            Ok(0) if wait == Wait::Never && wanted > 0 && !sys::nowait_zero_is_end_of_file() => {
                None
            }
            Ok(n) => Some(Ok(n)),
            Err(error) => {
                if error.raw_os_error() == Some(libc::EOPNOTSUPP) {
                    self.mount.refuses_nowait_read.store(true, Relaxed);
                }
                final_error(error)
            }
        }
    }

    /// As [`Facts::judge_read`], for a write.
    pub(super) fn judge_write(&self, answer: io::Result<usize>) -> Option<io::Result<usize>> {
        match answer {
            Ok(n) => Some(Ok(n)),
            Err(error) => {
                if error.raw_os_error() == Some(libc::EOPNOTSUPP) {
                    self.mount.refuses_nowait_write.store(true, Relaxed);
                }
                final_error(error)
            }
        }
    }
}

/// An error that a call which may wait would give as well.
fn final_error(error: io::Error) -> Option<io::Result<usize>> {
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EOPNOTSUPP | libc::EINTR | libc::ENOSYS | libc::EPERM) => None,
        _ => Some(Err(error)),
    }
}

/// Set when the kernel does not know cached look-ups (before 5.12), or a sandbox forbids them.
static NO_CACHED_LOOKUP: AtomicBool = AtomicBool::new(false);

/// Look-ups on file systems that are left alone, since the last one that was not in vain.
static IN_VAIN: AtomicU32 = AtomicU32::new(0);

/// Whether a look-up should be tried inline. Where everything is on such a file system, as on the
/// overlay of a container, only each sixteenth is, so that the attempts cost next to nothing.
pub(super) fn is_worth_trying() -> bool {
    let in_vain = IN_VAIN.load(Relaxed);
    in_vain < 16 || IN_VAIN.fetch_add(1, Relaxed) % 16 == 0
}

/// These hold nothing that is ever done inline: a hint that saves the attempt.
fn is_kernel_made(path: &Path) -> bool {
    let path = path.as_os_str().as_bytes();
    path.starts_with(b"/proc/") || path.starts_with(b"/sys/")
}

/// Calls `f` with `path` as a C string, or answers `None` if it cannot be one: `std` then words
/// the error.
fn with_c_path<R>(path: &Path, f: impl FnOnce(&CStr) -> R) -> Option<R> {
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

/// How far a look-up came without waiting.
pub(super) enum Inline<T> {
    /// This is the answer; an error is one the plain call would give as well.
    Done(io::Result<T>),
    /// It has to be asked for where waiting is allowed.
    Refused(Refusal),
}

/// Why something is not done inline.
pub(super) enum Refusal {
    /// It would have to wait, or might.
    MayWait,
    /// It opens something else than a file or a directory: a pipe without a partner, a terminal
    /// without a line would wait for ever.
    Special,
    /// The file system is not known yet. A thread that may wait should
    /// [`learn`](Refusal::learn) it, so that the next look-up there may be inline.
    Stranger(OwnedFd, MountId),
}

impl Refusal {
    /// Asks an unknown file system what it is, which may wait.
    pub(super) fn learn(self) {
        if let Refusal::Stranger(fd, id) = self {
            // If it cannot say, it stays unknown, and its files are left to the pool.
            let _ = learn_mount(fd.as_fd(), id);
        }
    }
}

fn open_cached(dir: Option<BorrowedFd<'_>>, path: &CStr, flags: i32) -> Inline<OwnedFd> {
    let error = match sys::open_cached(dir, path, flags, 0) {
        Ok(fd) => return Inline::Done(Ok(fd)),
        Err(error) => error,
    };
    match error.raw_os_error() {
        // What the name cache itself says. Everything else (no descriptor left, a sandbox, an old
        // kernel, a lease to be broken) is left to the plain call to decide.
        Some(libc::ENOENT | libc::EACCES | libc::ENOTDIR | libc::ELOOP | libc::ENAMETOOLONG) => {
            Inline::Done(Err(error))
        }
        Some(libc::ENOSYS | libc::EINVAL | libc::E2BIG) => {
            NO_CACHED_LOOKUP.store(true, Relaxed);
            Inline::Refused(Refusal::MayWait)
        }
        _ => Inline::Refused(Refusal::MayWait),
    }
}

/// A file that was found without waiting, on a local file system.
pub(super) struct Found {
    pub(super) file: StdFile,
    pub(super) identity: Identity,
    pub(super) facts: Facts,
}

/// Finds `path` (relative to `dir`) without waiting and without opening it (`O_PATH`). `flags` may
/// be `O_NOFOLLOW`.
pub(super) fn find_inline(dir: Option<BorrowedFd<'_>>, path: &Path, flags: i32) -> Inline<Found> {
    with_usable_path(path, |path| find_c_path(dir, path, flags))
}

/// Calls `f` with `path` if a look-up of it may be tried inline.
fn with_usable_path(path: &Path, f: impl FnOnce(&CStr) -> Inline<Found>) -> Inline<Found> {
    if NO_CACHED_LOOKUP.load(Relaxed) || is_kernel_made(path) || !is_worth_trying() {
        return Inline::Refused(Refusal::MayWait);
    }
    with_c_path(path, f).unwrap_or(Inline::Refused(Refusal::MayWait))
}

fn find_c_path(dir: Option<BorrowedFd<'_>>, path: &CStr, flags: i32) -> Inline<Found> {
    let fd = match open_cached(dir, path, libc::O_PATH | flags) {
        Inline::Done(Ok(fd)) => fd,
        Inline::Done(Err(error)) => return Inline::Done(Err(error)),
        Inline::Refused(why) => return Inline::Refused(why),
    };
    let Ok(identity) = sys::identify(fd.as_fd()) else {
        return Inline::Refused(Refusal::MayWait);
    };
    let Some(mount) = known_mount(&identity.mount) else {
        if is_special(&identity) {
            return Inline::Refused(Refusal::Special);
        }
        return Inline::Refused(Refusal::Stranger(fd, identity.mount));
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
    Inline::Done(Ok(Found {
        file: StdFile::from(fd),
        identity,
        facts,
    }))
}

/// Opens the regular file or directory `path` without waiting. `flags` must create nothing and cut
/// nothing.
pub(super) fn open_inline(path: &Path, flags: i32) -> Inline<Found> {
    if NO_CACHED_LOOKUP.load(Relaxed) || is_kernel_made(path) {
        return Inline::Refused(Refusal::MayWait);
    }
    with_c_path(path, |path| open_c_path(path, flags)).unwrap_or(Inline::Refused(Refusal::MayWait))
}

/// Whether opening it may wait for ever. The memory devices (null, zero, full, random) do not, and
/// are opened too often for a detour.
fn is_special(identity: &Identity) -> bool {
    /// Linux's devices.txt: character device 1.
    const MEMORY_DEVICES: u32 = 1;
    match identity.file_type {
        libc::S_IFIFO => true,
        libc::S_IFCHR => identity.device_major != MEMORY_DEVICES,
        _ => false,
    }
}

fn open_c_path(path: &CStr, flags: i32) -> Inline<Found> {
    let name = match find_c_path(None, path, flags & libc::O_NOFOLLOW) {
        Inline::Done(Ok(found)) => found,
        other => return other,
    };
    match name.identity.file_type {
        libc::S_IFREG | libc::S_IFDIR => {}
        _ if is_special(&name.identity) => return Inline::Refused(Refusal::Special),
        _ => return Inline::Refused(Refusal::MayWait),
    }
    // The name may have become a FIFO's in the meantime: O_NONBLOCK keeps even that from waiting,
    // and makes a lease an EAGAIN. It says nothing on a regular file, but is taken off again for
    // whoever looks at the flags.
    let fd = match open_cached(None, path, flags | libc::O_NONBLOCK) {
        Inline::Done(Ok(fd)) => fd,
        Inline::Done(Err(error)) => return Inline::Done(Err(error)),
        Inline::Refused(why) => return Inline::Refused(why),
    };
    match sys::identify(fd.as_fd()) {
        Ok(identity)
            if (identity.inode, identity.mount) == (name.identity.inode, name.identity.mount)
                && sys::set_status_flags(fd.as_fd(), flags).is_ok() =>
        {
            Inline::Done(Ok(Found {
                facts: Facts::new(&identity, name.facts.mount, flags),
                identity,
                file: StdFile::from(fd),
            }))
        }
        _ => Inline::Refused(Refusal::MayWait),
    }
}

/// Opens the regular file `path` for being read once, from its beginning, and closed.
///
/// That spares what an [`open_inline`] needs for whoever keeps the file. The descriptor stays
/// `O_NONBLOCK`, which says nothing on a regular file. And what was opened is not identified again:
/// if the name has come to stand for something else since it was looked up, either that is refused
/// here, or a read at an offset that must not wait ([`Wait::Never`]) is a refusal, an error
/// (`ESPIPE`), or the right answer. [`Found::identity`] is thus a hint at the size, no more.
pub(super) fn open_once(path: &Path) -> Inline<Found> {
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
                false => Refusal::MayWait,
            });
        };
        let fd = match open_cached(None, path, flags) {
            Inline::Done(Ok(fd)) => fd,
            Inline::Done(Err(error)) => return Inline::Done(Err(error)),
            Inline::Refused(why) => return Inline::Refused(why),
        };
        // Where reads are not told not to wait, it must be known that they do not.
        if wait == Wait::Allowed && !is_still(fd.as_fd(), &name.identity) {
            return Inline::Refused(Refusal::MayWait);
        }
        Inline::Done(Ok(Found {
            file: StdFile::from(fd),
            ..name
        }))
    })
}

/// Whether `fd` is the file that `identity` was learned of.
pub(super) fn is_still(fd: BorrowedFd<'_>, identity: &Identity) -> bool {
    sys::identify(fd).is_ok_and(|now| (now.inode, now.mount) == (identity.inode, identity.mount))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("yamanote-strategy-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_mount_is_asked_once_and_then_known() {
        let path = scratch("mount");
        std::fs::write(&path, b"x").unwrap();
        let file = StdFile::open(&path).unwrap();
        let learned = Facts::learn(file.as_fd()).unwrap();
        let known = Facts::if_known(file.as_fd()).unwrap();
        assert!(Arc::ptr_eq(&learned.mount, &known.mount));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn nothing_that_may_wait_is_inline() {
        for special in ["/proc/self/stat", "/dev/null", "/dev/full"] {
            let file = StdFile::open(special).unwrap();
            let facts = Facts::learn(file.as_fd()).unwrap();
            assert_eq!(facts.inline_read(1), None, "{special}");
            assert_eq!(facts.inline_write(1), None, "{special}");
            let answer = open_inline(Path::new(special), libc::O_RDONLY);
            assert!(matches!(answer, Inline::Refused(_)), "{special}");
        }
    }

    #[test]
    fn an_inline_open_leaves_no_trace_in_the_flags() {
        let path = scratch("open");
        std::fs::write(&path, b"12345").unwrap();
        Facts::learn(StdFile::open(&path).unwrap().as_fd()).unwrap();
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

    #[test]
    fn paths_that_are_no_c_strings_are_left_to_std() {
        assert!(with_c_path(Path::new("a\0b"), |_| ()).is_none());
        let long = "x".repeat(5000);
        assert_eq!(
            with_c_path(Path::new(&long), |c| c.to_bytes().len()),
            Some(5000)
        );
    }

    #[test]
    fn a_refusal_is_remembered_for_the_mount() {
        let mount = Arc::new(Mount {
            class: Class::Disk,
            refuses_nowait_read: AtomicBool::new(false),
            refuses_nowait_write: AtomicBool::new(false),
        });
        let facts = Facts {
            mount,
            regular: true,
            stream: false,
            direct: false,
        };
        assert_eq!(facts.inline_write(1), Some(Wait::Never));
        let refusal = io::Error::from_raw_os_error(libc::EOPNOTSUPP);
        assert!(facts.judge_write(Err(refusal)).is_none());
        assert_eq!(facts.clone().inline_write(1), None);
        assert_eq!(facts.inline_read(INLINE_MAX), Some(Wait::Never));
        assert_eq!(facts.inline_read(INLINE_MAX + 1), None);
    }
}
