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
//! Hence: inline what takes microseconds, the ring where it is natively asynchronous, the pool for
//! the rest. What the kernel promises is narrower than it sounds:
//!
//! * `RESOLVE_CACHED` covers the look-up of a name, not the opening: a FIFO would still wait. So
//!   the type is learned first, through `O_PATH`, which opens nothing.
//! * A file system that asks a server or a daemon (NFS, FUSE) may wait in anything. So only file
//!   systems known as local are touched inline; which one it is, is itself asked on the pool,
//!   once per mount.
//! * `RWF_NOWAIT` does not hold for `O_DIRECT`, and some file systems do not know it. A refusal
//!   (`EOPNOTSUPP`) is remembered for the mount.
//! * Neither covers a listener that is asked for permission (fanotify(7)), in the opening and in each
//!   read. Nothing tells in advance whether there is one, so each inline call is watched by the
//!   clock, and one that waited is the last of its kind on that mount for a while ([`super::trust`]).
//! * `RWF_NOWAIT` does not hold for a write to a frozen file system (`fsfreeze`, snapshots), which
//!   waits until it is thawed. So no write to a disk is inline.
//! * A write to memory waits for other writers of the file, which hold it for as long as they copy or
//!   allocate. So only small files are written inline.
//! * A sandbox may deny any of these calls, at any time. A denial is nobody's answer: the plain call
//!   is asked, on the pool, and if it is not denied the other is refused for a while.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::mount::{BY_DESCRIPTOR, Class, Mount, known_mount, learn_mount};
use super::trust::{Trial, limit};
use crate::runtime::context;
use crate::runtime::driver::op::BROKEN_OFF;
use crate::sys::fs::{self as sys, Identity, Wait};
use crate::util::coop;

/// The most one poll copies inline. A copy out of the page cache runs at 5-23 GB/s, so this is 25
/// to 100 microseconds; longer ones are worth a thread.
pub(super) const INLINE_MAX: usize = 512 * 1024;

/// The largest file in memory that is written inline. Whoever else writes to it holds it for as long
/// as that takes: a quarter of a second for a gigabyte, a millisecond for this.
const WRITTEN_INLINE_MAX: u64 = 4 * 1024 * 1024;

/// Bytes that cost one unit of the cooperative budget: 128 units (one poll of a task) are then at
/// most 4 MiB, about a millisecond of copying.
const BYTES_PER_UNIT: usize = 32 * 1024;

/// Takes the units of the cooperative budget that `bytes` copied inline cost beyond the one every
/// operation takes.
fn charge(bytes: usize) {
    coop::consume(bytes / BYTES_PER_UNIT);
}

/// Whether the current runtime was not told to leave all files to the pool.
pub(super) fn is_inline_allowed() -> bool {
    context::with_current(|runtime| runtime.inline_files()).unwrap_or(true)
}

/// What decides how an open file may be read and written.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) mount: Arc<Mount>,
    regular: bool,
    direct: bool,
}

impl Facts {
    pub(super) fn new(identity: &Identity, mount: Arc<Mount>, status_flags: i32) -> Facts {
        Facts {
            mount,
            regular: identity.file_type == libc::S_IFREG,
            direct: status_flags & libc::O_DIRECT != 0,
        }
    }

    /// Without waiting; `None` when the file system has to be asked.
    pub(super) fn if_known(fd: BorrowedFd<'_>) -> Option<Facts> {
        let identity = match BY_DESCRIPTOR.inline_untried(limit(0), || sys::identify(fd))? {
            Ok(identity) => identity,
            Err(_) => {
                // The descriptor is ours and open: the call itself is denied.
                BY_DESCRIPTOR.refuse();
                return None;
            }
        };
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

    pub(super) fn is_local(&self) -> bool {
        self.mount.class != Class::Other
    }

    /// Makes a call that only looks at the open file (statx, lseek) inline; `None`: it has to be made
    /// where waiting is allowed.
    pub(super) fn look<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        match self.is_local() && is_inline_allowed() {
            true => BY_DESCRIPTOR.inline_untried(limit(0), call),
            false => None,
        }
    }

    fn may_copy_inline(&self, len: usize) -> bool {
        self.regular && !self.direct && len <= INLINE_MAX && is_inline_allowed()
    }

    /// How reads are told not to wait; `None`: they cannot be.
    fn wait_of_reads(&self) -> Option<Wait> {
        match self.mount.class {
            Class::Memory => Some(Wait::Allowed),
            Class::Disk => Some(Wait::Never),
            Class::Other => None,
        }
    }

    /// How a read of `len` bytes may be tried inline; `None`: not at all.
    pub(super) fn inline_read(&self, len: usize) -> Option<Wait> {
        match self.may_copy_inline(len) && self.mount.reads.is_given() {
            true => self.wait_of_reads(),
            false => None,
        }
    }

    /// Reads up to `len` bytes inline by `call`; `None`: it has to be done where waiting is allowed.
    pub(super) fn read(
        &self,
        len: usize,
        call: impl FnOnce(Wait) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let wait = self.inline_read(len)?;
        let answer = self.mount.read_inline(len, || call(wait))?;
        self.judge_read(wait, len, answer)
    }

    /// Judges the answer to an inline read: `None` means it has to be done where waiting is
    /// allowed.
    fn judge_read(
        &self,
        wait: Wait,
        wanted: usize,
        answer: io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let error = match (answer, wait) {
            (Ok(0), Wait::Never) if wanted > 0 && !sys::nowait_zero_is_end_of_file() => {
                return None;
            }
            (Ok(n), _) => {
                charge(n);
                return Some(Ok(n));
            }
            (Err(error), Wait::Allowed) => return final_error(error),
            (Err(error), Wait::Never) => error,
        };
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR) => {}
            Some(libc::EOPNOTSUPP) => self.mount.reads.never(),
            _ if is_denial(&error) => self.mount.reads.suspend(),
            _ => {}
        }
        None
    }

    /// On a thread that may wait and is about to read `fd`: tries whether reads of this mount may be
    /// inline, if that is to be tried. Reads one byte of the file, from its beginning.
    pub(super) fn try_out_reads(&self, fd: BorrowedFd<'_>) {
        let Some(wait) = self.wait_of_reads() else {
            return;
        };
        if !self.regular || !is_inline_allowed() {
            return;
        }
        let read = |wait| sys::read(fd, &mut &mut [0][..], 1, 0, wait);
        self.mount.reads.try_out(limit(0), || {
            let tried = match read(wait) {
                Ok(_) => Trial::Done,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => Trial::Done,
                    Some(libc::EBADF | libc::EINTR) => Trial::InVain,
                    Some(libc::EOPNOTSUPP) if !self.direct => {
                        self.mount.reads.never();
                        Trial::InVain
                    }
                    _ => compare_with_plain(&error, read(Wait::Allowed)),
                },
            };
            ((), tried)
        });
    }

    /// Writes `len` bytes inline by `call`, which is the plain call; `None`: it has to be done where
    /// waiting is allowed.
    pub(super) fn write(
        &self,
        fd: BorrowedFd<'_>,
        len: usize,
        call: impl FnOnce() -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        if self.mount.class != Class::Memory || !self.may_copy_inline(len) {
            return None;
        }
        let guarded = || match is_small(fd) {
            true => Some(call()),
            false => None,
        };
        let answer = self.mount.writes.inline_untried(limit(len), guarded)??;
        match answer {
            Ok(n) => {
                charge(n);
                Some(Ok(n))
            }
            Err(error) => final_error(error),
        }
    }

    /// How a positioned read of `len` bytes that cannot be had inline goes to the ring; `None`: not at
    /// all. Direct reads always do, others if they are small enough that the kernel, finding them cached
    /// after all, does not copy for long on the submitting thread. Handing it over makes the same first
    /// steps as the inline call, so what waits there is not handed over either.
    pub(super) fn ring_read(&self, len: usize) -> Option<ByRing<'_>> {
        if !self.mount.reads.is_given() {
            return None;
        }
        let cached = || self.mount.reads_by_itself && self.inline_read(len).is_some();
        let wait = match self.is_direct_by_ring() {
            true => Wait::Never,
            false if cached() => Wait::Allowed,
            false => return None,
        };
        Some(ByRing {
            mount: &self.mount,
            wait,
            watch: |mount, submit| mount.read_inline(0, submit),
        })
    }

    /// As [`ring_read`](Facts::ring_read) for a positioned write: direct ones only. For a buffered one
    /// the ring takes a thread of the kernel each time, at twice the cost of ours.
    pub(super) fn ring_write(&self) -> Option<ByRing<'_>> {
        self.is_direct_by_ring().then_some(ByRing {
            mount: &self.mount,
            wait: Wait::Never,
            watch: |mount, submit| mount.write_direct(submit),
        })
    }

    fn is_direct_by_ring(&self) -> bool {
        let direct = self.regular && self.direct && self.mount.class == Class::Disk;
        let trust = &self.mount.direct;
        let allowed = (trust.is_given() || trust.wants_trial()) && is_inline_allowed();
        direct && allowed
    }
}

/// How an operation goes to the ring.
#[derive(Debug)]
pub(super) struct ByRing<'a> {
    pub(super) mount: &'a Mount,
    pub(super) wait: Wait,
    /// Makes the call that hands it over under the clock; `None`: it may not be made now.
    pub(super) watch: fn(&Mount, &dyn Fn()) -> Option<()>,
}

impl ByRing<'_> {
    /// Whether the ring has not done the operation, by its answer: it would have had to wait, the file
    /// system cannot promise not to, there is no ring (any more), the kernel has broken it off. The
    /// pool is to do it then.
    pub(super) fn is_undone<T>(&self, answer: &io::Result<T>) -> bool {
        match answer.as_ref().err().and_then(io::Error::raw_os_error) {
            Some(libc::EOPNOTSUPP) => {
                self.mount.direct.never();
                true
            }
            Some(errno) => errno == libc::EAGAIN || BROKEN_OFF.contains(&errno),
            None => false,
        }
    }
}

/// Whether other writers of the file cannot hold it for long.
fn is_small(fd: BorrowedFd<'_>) -> bool {
    sys::identify(fd).is_ok_and(|file| file.size.max(file.allocated) <= WRITTEN_INLINE_MAX)
}

/// What a sandbox answers to calls it does not know, and what a kernel without memory for them does.
pub(super) fn is_denial(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EPERM
                | libc::ENOSYS
                | libc::EINVAL
                | libc::E2BIG
                | libc::ENOMEM
                | libc::EOPNOTSUPP
        )
    )
}

/// Whether `error` is of the call itself: the plain one has another answer.
pub(super) fn compare_with_plain<T>(error: &io::Error, plain: io::Result<T>) -> Trial {
    match plain {
        Err(plain) if plain.raw_os_error() == error.raw_os_error() => Trial::Done,
        _ => Trial::Denied,
    }
}

/// An error of a plain call that would come again on a thread of the pool.
fn final_error(error: io::Error) -> Option<io::Result<usize>> {
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EINTR) => None,
        _ if is_denial(&error) => None,
        _ => Some(Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use yamanote_test::TempDir;

    use super::*;
    use std::fs::File as StdFile;
    use std::os::fd::AsFd;

    fn facts(class: Class) -> Facts {
        let mount = Arc::new(Mount::new(class));
        mount.reads.give();
        Facts {
            mount,
            regular: true,
            direct: false,
        }
    }

    fn refuse(errno: i32) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn a_mount_is_asked_once_and_then_known() {
        let directory = TempDir::new();
        let path = directory.path().join("mount");
        std::fs::write(&path, b"x").unwrap();
        let file = StdFile::open(&path).unwrap();
        let learned = Facts::learn(file.as_fd()).unwrap();
        let known = Facts::if_known(file.as_fd()).unwrap();
        assert!(Arc::ptr_eq(&learned.mount, &known.mount));
    }

    #[test]
    fn nothing_that_may_wait_is_inline() {
        for special in ["/proc/self/stat", "/dev/null", "/dev/full"] {
            let file = StdFile::open(special).unwrap();
            let facts = Facts::learn(file.as_fd()).unwrap();
            facts.mount.reads.give();
            assert_eq!(facts.inline_read(1), None, "{special}");
            let write = facts.write(file.as_fd(), 1, || panic!("{special} is written to"));
            assert!(write.is_none());
        }
        let disk = facts(Class::Disk);
        let file = StdFile::open("/dev/null").unwrap();
        assert!(
            disk.write(file.as_fd(), 1, || panic!("a disk is"))
                .is_none()
        );
    }

    #[test]
    fn a_read_is_tried_inline_up_to_a_size() {
        let facts = facts(Class::Disk);
        assert_eq!(facts.inline_read(INLINE_MAX), Some(Wait::Never));
        assert_eq!(facts.inline_read(INLINE_MAX + 1), None);
    }

    #[test]
    fn what_the_file_system_does_not_know_is_not_asked_again() {
        let facts = facts(Class::Disk);
        assert!(facts.read(1, |_| refuse(libc::EAGAIN)).is_none());
        assert!(facts.read(1, |_| refuse(libc::EOPNOTSUPP)).is_none());
        assert_eq!(facts.clone().inline_read(1), None);
        assert!(!facts.mount.reads.wants_trial());
    }

    /// Of a file that can be read, and of one that cannot by anybody.
    #[test]
    fn the_plain_call_decides_whose_a_denial_is() {
        if !yamanote_test::require(yamanote_test::Capability::Ext4) {
            return;
        }
        let directory = TempDir::on_ext4();
        let path = directory.path().join("denied");
        std::fs::write(&path, b"x").unwrap();
        let file = StdFile::open(&path).unwrap();
        for errno in [libc::EPERM, libc::ENOSYS, libc::ENOMEM, libc::EINVAL] {
            let facts = facts(Class::Disk);
            assert!(facts.read(1, |_| refuse(errno)).is_none());
            assert_eq!(facts.inline_read(1), None, "on trial");
            // The trial finds that this file is read without a denial.
            while !facts.mount.reads.is_given() {
                assert!(facts.mount.reads.wants_trial());
                facts.try_out_reads(file.as_fd());
            }
        }
        let denial = io::Error::from_raw_os_error(libc::EPERM);
        let plain = io::Error::from_raw_os_error(libc::EPERM);
        assert_eq!(
            compare_with_plain(&denial, Err::<(), _>(plain)),
            Trial::Done
        );
        assert_eq!(compare_with_plain(&denial, Ok(())), Trial::Denied);
    }

    #[test]
    fn only_small_files_in_memory_are_written_inline() {
        let directory = TempDir::new();
        let path = directory.path().join("large");
        let file = StdFile::create(&path).unwrap();
        file.set_len(WRITTEN_INLINE_MAX).unwrap();
        let facts = facts(Class::Memory);
        let written = facts.write(file.as_fd(), 1, || Ok(1));
        assert!(matches!(written, Some(Ok(1))));
        file.set_len(WRITTEN_INLINE_MAX + 1).unwrap();
        assert!(facts.write(file.as_fd(), 1, || panic!("large")).is_none());
    }
}
