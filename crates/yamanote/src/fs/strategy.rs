//! Where a file operation runs: on the calling thread at once, on the ring, or on the blocking
//! pool.
//!
//! Measured on Linux 6.18, ext4, two cores (microseconds per operation; "pool" is a thread of the
//! blocking pool and the way back, which is what every operation of `tokio::fs` takes):
//!
//! | operation | inline | ring | pool |
//! |---|---|---|---|
//! | read 4 KiB, in the page cache | 0.73 `RWF_NOWAIT` | 1.04 | 20-36 |
//! | open + read + close of a small file | 2.5 `RESOLVE_CACHED` | | 27-40 |
//! | stat | 1.9 `O_PATH` + statx(fd) | 13-45 + (io-wq) | 26-30 |
//! | write 4 KiB to ext4, buffered | refuses `RWF_NOWAIT` | 48 (io-wq), 2-5 at depth 32 | 25 |
//! | create, rename, mkdir, unlink, fsync | may wait | +13-45 (io-wq), 2-5 at depth 32 | 25 |
//! | read or write with `O_DIRECT` | waits, even with `NOWAIT` | native, 71-94k/s | a thread each |
//!
//! Hence: what takes microseconds is done inline, what io_uring does natively asynchronously goes
//! to the ring, and the rest goes to the pool. The kernel promises less than it seems to:
//!
//! * `RESOLVE_CACHED` covers looking up a name, not opening the file: opening a FIFO would still
//!   wait. So the type is learned first, through `O_PATH`, which opens nothing.
//! * On a file system that asks a server or a daemon (NFS, FUSE) any call may wait. So only file
//!   systems known to be local are touched inline; what kind one is, is itself asked on the pool,
//!   once per mount.
//! * `RWF_NOWAIT` does not hold for `O_DIRECT`, and some file systems do not know it. A refusal
//!   (`EOPNOTSUPP`) is remembered for the mount.
//! * Neither covers a listener that is asked for permission at the opening and at each read
//!   (fanotify(7)). Nothing tells in advance whether there is one, so each inline call is timed,
//!   and one that waited is the last of its kind on that mount for a while ([`super::trust`]).
//! * `RWF_NOWAIT` does not hold for a write to a frozen file system (`fsfreeze`, snapshots), which
//!   waits until it is thawed. So no write to a disk is inline.
//! * A write to memory waits for other writers of the file, which hold it for as long as they copy
//!   or allocate. So only small files are written inline, or created, replaced and removed
//!   ([`super::in_memory`]).
//! * A sandbox may deny any of these calls, at any time. A denial says nothing about the file: the
//!   plain call is then made on the pool, and if that is not denied, the denied one is refused for
//!   a while.
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

/// The most that one poll copies inline. Copying out of the page cache runs at 5-23 GB/s, so this
/// takes 25 to 100 microseconds; longer copies are worth a thread.
pub(super) const INLINE_MAX: usize = 512 * 1024;

/// The largest file in memory that is written, emptied or removed inline. Another writer holds the
/// file for as long as its write takes: a quarter of a second for a gigabyte, a millisecond for
/// this.
const WRITTEN_INLINE_MAX: u64 = 4 * 1024 * 1024;

/// Bytes that cost one unit of the cooperative budget. The 128 units of a task's poll are then at
/// most 4 MiB, about a millisecond of copying.
const BYTES_PER_UNIT: usize = 32 * 1024;

/// Takes the units of the cooperative budget that copying `bytes` inline costs beyond the one that
/// every operation takes.
pub(super) fn charge(bytes: usize) {
    coop::consume(bytes / BYTES_PER_UNIT);
}

/// Whether the current runtime does files inline at all.
pub(super) fn is_inline_allowed() -> bool {
    context::with_current(|runtime| runtime.inline_files()).unwrap_or(true)
}

/// What is known of an open file and decides how it may be read and written.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) mount: Arc<Mount>,
    regular: bool,
    direct: bool,
    append: bool,
    read_only: bool,
    /// When these facts were learned.
    size: u64,
}

impl Facts {
    pub(super) fn new(identity: &Identity, mount: Arc<Mount>, status_flags: i32) -> Facts {
        Facts {
            mount,
            regular: identity.file_type == libc::S_IFREG,
            direct: status_flags & libc::O_DIRECT != 0,
            append: status_flags & libc::O_APPEND != 0,
            read_only: status_flags & libc::O_ACCMODE == libc::O_RDONLY,
            size: identity.size,
        }
    }

    /// The facts that are known without waiting; `None` if the file system has to be asked.
    pub(super) fn if_known(fd: BorrowedFd<'_>) -> Option<Facts> {
        let identity = match BY_DESCRIPTOR.inline_untried(limit(0), || sys::identify(fd))? {
            Ok(identity) => identity,
            Err(_) => {
                // The descriptor is ours and open, so the call itself is denied.
                BY_DESCRIPTOR.refuse();
                return None;
            }
        };
        let mount = known_mount(&identity.mount)?;
        Some(Facts::new(&identity, mount, sys::status_flags(fd).ok()?))
    }

    /// Asks the file system, which may wait: for threads of the blocking pool.
    pub(super) fn learn(fd: BorrowedFd<'_>) -> io::Result<Facts> {
        let identity = sys::identify(fd)?;
        let mount = learn_mount(fd, identity.mount)?;
        Ok(Facts::new(&identity, mount, sys::status_flags(fd)?))
    }

    pub(super) fn is_regular(&self) -> bool {
        self.regular
    }

    /// Whether reads and writes may be of any size and begin anywhere.
    pub(super) fn is_plain(&self) -> bool {
        self.regular && !self.direct
    }

    /// Whether writes go to the end, wherever the cursor is.
    pub(super) fn is_append(&self) -> bool {
        self.append
    }

    /// How large the file was when it was opened, or first used here, if nobody writes to it
    /// through this descriptor; `None` if somebody may.
    pub(super) fn size_if_read_only(&self) -> Option<u64> {
        self.read_only.then_some(self.size)
    }

    /// Whether nobody can write to the file through this descriptor.
    pub(super) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether copy_file_range(2) may do better than to read and to write: by sharing blocks, or by
    /// leaving it to a server.
    pub(super) fn copies_ranges(&self) -> bool {
        self.mount.copies_ranges
    }

    pub(super) fn is_in_memory(&self) -> bool {
        self.mount.class == Class::Memory
    }

    pub(super) fn is_local(&self) -> bool {
        self.mount.class != Class::Other
    }

    /// Makes a call that only looks at the open file (statx, lseek) inline; `None`: it has to be
    /// made on a thread that may wait.
    pub(super) fn look<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        match self.is_local() && is_inline_allowed() {
            true => BY_DESCRIPTOR.inline_untried(limit(0), call),
            false => None,
        }
    }

    fn may_copy_inline(&self, len: usize) -> bool {
        self.regular && !self.direct && len <= INLINE_MAX && is_inline_allowed()
    }

    /// Whether inline reads have to be told not to wait; `None`: telling them does not help.
    fn wait_of_reads(&self) -> Option<Wait> {
        match self.mount.class {
            Class::Memory => Some(Wait::Allowed),
            Class::Disk => Some(Wait::Never),
            Class::Other => None,
        }
    }

    /// How an inline read of `len` bytes may be tried; `None`: not at all.
    pub(super) fn inline_read(&self, len: usize) -> Option<Wait> {
        match self.may_copy_inline(len) && self.mount.reads.is_given() {
            true => self.wait_of_reads(),
            false => None,
        }
    }

    /// Reads up to `len` bytes inline by `call`; `None`: a thread that may wait has to read them.
    pub(super) fn read(
        &self,
        len: usize,
        call: impl FnOnce(Wait) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let wait = self.inline_read(len)?;
        let answer = self.mount.read_inline(len, || call(wait))?;
        self.judge_read(wait, len, answer)
    }

    /// Judges the answer to an inline read; `None`: a thread that may wait has to read.
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

    /// On a thread that may wait and is about to read `fd`: tries out whether this mount may be
    /// read inline, if a trial is due, by reading the first byte of the file.
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
                    _ => compare_with_plain(&error, &read(Wait::Allowed)),
                },
            };
            ((), tried)
        });
    }

    /// Writes `len` bytes inline by `call`, the plain call; `None`: a thread that may wait has to
    /// write them.
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

    /// How a positioned read of `len` bytes that could not be done inline goes to the ring; `None`:
    /// not at all. Direct reads always go there. Others go if they are small: should the kernel
    /// find them cached after all, it copies them on the submitting thread. Handing a read over
    /// makes the same first steps as the inline call, so where those wait, reads are not handed
    /// over either.
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
            hand_over: |mount, submit| mount.read_inline(0, submit),
        })
    }

    /// As [`ring_read`](Facts::ring_read), for a positioned write: only direct ones go. For each
    /// buffered one the ring would take a thread of the kernel, at twice the cost of ours.
    pub(super) fn ring_write(&self) -> Option<ByRing<'_>> {
        self.is_direct_by_ring().then_some(ByRing {
            mount: &self.mount,
            wait: Wait::Never,
            hand_over: |mount, submit| mount.write_direct(submit),
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
    /// Makes and times the call that hands the operation over at once; `None`: not allowed now.
    pub(super) hand_over: fn(&Mount, &dyn Fn()) -> Option<()>,
}

impl ByRing<'_> {
    /// Whether `answer` says that the ring has not done the operation, so that the pool has to: it
    /// would have had to wait, the file system cannot promise not to, there is no ring (any more),
    /// or the kernel has broken it off.
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

/// Whether the file is so small that another writer cannot hold it for long.
fn is_small(fd: BorrowedFd<'_>) -> bool {
    sys::identify(fd).is_ok_and(|file| is_small_file(&file))
}

/// As [`is_small`], and that it takes microseconds to free what it holds.
pub(super) fn is_small_file(file: &Identity) -> bool {
    file.size.max(file.allocated) <= WRITTEN_INLINE_MAX
}

/// Whether a sandbox answers so to a call it does not know, or a kernel that has no memory for it.
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

/// Whether `error` comes from the call itself, not from the file: the plain call then answers
/// differently.
pub(super) fn compare_with_plain<T>(error: &io::Error, plain: &io::Result<T>) -> Trial {
    match plain {
        Err(plain) if plain.raw_os_error() == error.raw_os_error() => Trial::Done,
        _ => Trial::Denied,
    }
}

/// The error of a plain call, if the same call would fail with it on the pool too.
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
            append: false,
            read_only: false,
            size: 0,
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

    /// For a file that can be read, and for one that nobody can read.
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
            compare_with_plain(&denial, &Err::<(), _>(plain)),
            Trial::Done
        );
        assert_eq!(compare_with_plain(&denial, &Ok(())), Trial::Denied);
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
