//! What is known of the mounted file systems: what kind each is, and what may be done inline on it.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, Instant};

use super::mount_name::mount_name;
use super::trust::{Trust, limit, now_ms};
use crate::runtime::punts::UNKNOWN;
use crate::sys::fs::{self as sys, MountId};
use crate::util::poison::unpoisoned;

/// How a file system may be touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Lives in memory (tmpfs, ramfs): plain calls do not wait, and `RWF_NOWAIT` is not known.
    Memory,
    /// A local disk: cached data is at hand, and the kernel says when it is not cached.
    Disk,
    /// Asks a server or a daemon, or is unknown to us: nothing is done inline.
    Other,
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
            _ => Class::Other,
        }
    }
}

/// What is known of one mounted file system.
#[derive(Debug)]
pub(super) struct Mount {
    pub(super) class: Class,
    /// For people.
    pub(super) name: Box<str>,
    /// Opening a file whose name was found without waiting.
    pub(super) opens: Trust,
    pub(super) reads: Trust,
    pub(super) writes: Trust,
    /// Creating, replacing and removing names, where that is done inline at all.
    pub(super) names: Trust,
    /// Direct reads and writes on the ring, told to wait for the device only.
    pub(super) direct: Trust,
    /// When the last timed hand-over of an operation to the ring was.
    timed_ms: AtomicU64,
    /// Whether the kernel reads into its cache without a thread that waits. Of the file systems
    /// above, ext4, xfs and btrfs are known to (`FOP_BUFFER_RASYNC`, Linux 5.9).
    pub(super) reads_by_itself: bool,
    /// Whether copy_file_range(2) is more than reads and writes of the kernel's own.
    pub(super) copies_ranges: bool,
}

impl Mount {
    pub(super) fn new(class: Class) -> Mount {
        Mount {
            class,
            name: UNKNOWN.into(),
            // A listener may be asked about these (fanotify(7)), and take as long as it likes.
            opens: Trust::on_trial(),
            reads: Trust::on_trial(),
            // Nobody is asked about a write to memory. It waits for other writers only.
            writes: Trust::given(),
            names: Trust::on_trial(),
            direct: Trust::given(),
            timed_ms: AtomicU64::new(0),
            reads_by_itself: false,
            copies_ranges: class == Class::Other,
        }
    }

    fn of_magic(magic: u32) -> Mount {
        let class = Class::from_magic(magic);
        Mount {
            reads_by_itself: matches!(magic, 0xef53 | 0x5846_5342 | 0x9123_683e),
            // xfs, btrfs and bcachefs share blocks.
            copies_ranges: class == Class::Other
                || matches!(magic, 0x5846_5342 | 0x9123_683e | 0xca45_1a4e),
            ..Mount::new(class)
        }
    }

    /// Opens a file inline by `call`; `None`: a thread that may wait has to open it.
    pub(super) fn open_inline<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        let answer = self.opens.inline(limit(0), call)?;
        if !self.opens.is_given() {
            // Whatever made the opening wait may make a read wait too.
            self.reads.suspend();
        }
        Some(answer)
    }

    /// Reads up to `len` bytes inline by `call`; `None`: as [`open_inline`](Mount::open_inline).
    pub(super) fn read_inline<T>(&self, len: usize, call: impl FnOnce() -> T) -> Option<T> {
        let answer = self.reads.inline(limit(len), call)?;
        if !self.reads.is_given() {
            self.opens.suspend();
        }
        Some(answer)
    }

    /// Hands a direct write to the ring by `submit`; `None`: that is not allowed at present.
    pub(super) fn write_direct(&self, submit: impl FnOnce()) -> Option<()> {
        self.direct.inline_untried(limit(0), submit)
    }

    /// Whether the next hand-over of an operation to the ring should be timed. That takes a system
    /// call of its own, so not each one is timed.
    pub(super) fn is_timing_due(&self) -> bool {
        const INTERVAL_MS: u64 = 10;
        let now = now_ms();
        // Relaxed: two threads at the same time just time one operation each.
        let is_due = now >= self.timed_ms.load(Relaxed) + INTERVAL_MS;
        if is_due {
            self.timed_ms.store(now, Relaxed);
        }
        is_due
    }
}

struct KnownMount {
    mount: Arc<Mount>,
    learned: Instant,
}

impl KnownMount {
    /// A number that the kernel may later give to another mount is trusted for a second only.
    fn is_fresh(&self, id: &MountId) -> bool {
        id.unique || self.learned.elapsed() < Duration::from_secs(1)
    }
}

/// More mounts than a sane system has. Beyond it the table starts over instead of growing.
const MOUNTS_MAX: usize = 1024;

fn mounts() -> &'static RwLock<HashMap<MountId, KnownMount>> {
    static MOUNTS: OnceLock<RwLock<HashMap<MountId, KnownMount>>> = OnceLock::new();
    MOUNTS.get_or_init(Default::default)
}

pub(super) fn known_mount(id: &MountId) -> Option<Arc<Mount>> {
    let mounts = unpoisoned(mounts().read());
    let known = mounts.get(id)?;
    known.is_fresh(id).then(|| known.mount.clone())
}

/// Asks the file system what it is, which may wait: for threads of the blocking pool.
pub(super) fn learn_mount(fd: BorrowedFd<'_>, id: MountId) -> io::Result<Arc<Mount>> {
    if let Some(mount) = known_mount(&id) {
        return Ok(mount);
    }
    let new = Mount::of_magic(sys::file_system_magic(fd)?);
    let is_same = |known: &KnownMount| known.mount.class == new.class;
    let is_seen = unpoisoned(mounts().read()).get(&id).is_some_and(is_same);
    // Outside of the lock, which workers take.
    let name = (!is_seen).then(|| mount_name(fd)).flatten();
    let mut mounts = unpoisoned(mounts().write());
    if mounts.len() >= MOUNTS_MAX {
        mounts.clear();
    }
    // The same kind under the same number: what was learned before is taken to hold still.
    let mount = match mounts.get(&id) {
        Some(known) if known.mount.class == new.class => known.mount.clone(),
        _ => {
            let name = name.map_or(new.name, String::into_boxed_str);
            Arc::new(Mount { name, ..new })
        }
    };
    let learned = Instant::now();
    let known = KnownMount {
        mount: mount.clone(),
        learned,
    };
    mounts.insert(id, known);
    Ok(mount)
}

/// Look-ups by name in the kernel's cache of names.
pub(super) static BY_NAME: Trust = Trust::given();

/// Calls that only look at an open file.
pub(super) static BY_DESCRIPTOR: Trust = Trust::given();
