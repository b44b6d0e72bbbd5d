//! The disk of a host.
#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use yamanote_sim::disk::{self as machine, Keeps, Settings, Tear, WriteError};
use yamanote_sim::{HostId, note_as};

/// The disk of a host, and what is wrong with it: see [`Host::disk`](super::Host::disk).
///
/// Each host sees the real files, and what it writes is its own. A sync makes a file's contents
/// durable, and a sync of a directory the names in it; what was not synced may be lost in a crash.
/// Set what a crash leaves before it.
#[derive(Debug, Clone)]
pub struct Disk {
    host: HostId,
}

impl Disk {
    pub(super) fn new(host: HostId) -> Disk {
        Disk { host }
    }

    fn change(self, what: fmt::Arguments<'_>, change: impl FnOnce(&mut Settings)) -> Disk {
        note_as(self.host, "disk", &what.to_string());
        machine::change(self.host, change);
        self
    }

    /// What a crash leaves of what was not synced.
    pub fn crash_keeps(self, keeps: Keeps) -> Disk {
        self.change(format_args!("crash_keeps={keeps:?}"), |it| {
            it.crash_keeps = keeps
        })
    }

    /// What a crash leaves may be torn at this size.
    pub fn tear(self, tear: Tear) -> Disk {
        self.change(format_args!("tear={tear:?}"), |it| it.tear = tear)
    }

    /// How likely a page that was not synced has a sector of garbage after a crash.
    pub fn corrupt(self, probability: f64) -> Disk {
        self.change(format_args!("corrupt={probability}"), |it| {
            it.corrupt = probability
        })
    }

    /// How likely a sync fails with `EIO`. What it was to write is lost in a crash, even if a later
    /// sync succeeds, as on Linux.
    pub fn sync_fails(self, probability: f64) -> Disk {
        self.change(format_args!("sync_fails={probability}"), |it| {
            it.sync_fails = probability;
        })
    }

    /// How likely a sync does nothing, and says that it did.
    pub fn sync_lies(self, probability: f64) -> Disk {
        self.change(format_args!("sync_lies={probability}"), |it| {
            it.sync_lies = probability;
        })
    }

    /// How likely a read fails with `EIO`.
    pub fn read_fails(self, probability: f64) -> Disk {
        self.change(format_args!("read_fails={probability}"), |it| {
            it.read_fails = probability;
        })
    }

    /// How likely a write fails with `EIO`.
    pub fn write_fails(self, probability: f64) -> Disk {
        self.change(format_args!("write_fails={probability}"), |it| {
            it.write_fails = probability;
        })
    }

    /// All writes fail, this way, after so many bytes; `None`: they do not.
    pub fn fails_after(self, bytes: Option<u64>, how: WriteError) -> Disk {
        self.change(format_args!("fails_after={bytes:?}"), |it| {
            it.bytes_until_error = bytes;
            it.write_error = how;
        })
    }

    /// Bytes that its files may take.
    pub fn capacity(self, bytes: Option<u64>) -> Disk {
        self.change(format_args!("capacity={bytes:?}"), |it| it.capacity = bytes)
    }

    /// How long a call takes.
    pub fn latency(self, range: RangeInclusive<Duration>) -> Disk {
        self.change(format_args!("latency={range:?}"), |it| {
            it.latency = range.clone()
        })
    }

    /// How long a sync takes.
    pub fn sync_latency(self, range: RangeInclusive<Duration>) -> Disk {
        self.change(format_args!("sync_latency={range:?}"), |it| {
            it.sync_latency = range.clone();
        })
    }

    /// Nothing fails any more, and nothing is slow. What a crash leaves stays as it was set.
    pub fn heal(self) -> Disk {
        self.change(format_args!("heal"), |it| {
            let mut healed = Settings::default();
            healed.crash_keeps = it.crash_keeps;
            healed.tear = it.tear;
            healed.as_root = it.as_root;
            *it = healed;
        })
    }

    /// What is in a file, synced or not.
    ///
    /// # Errors
    ///
    /// As of `std::fs::read`.
    pub fn contents(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        machine::contents(self.host, path)
    }

    /// Puts a file there, with the directories above it, durable.
    ///
    /// # Errors
    ///
    /// As of `std::fs::write`.
    pub fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        machine::write(self.host, path, bytes)
    }

    /// Whether there is something of that name.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        machine::exists(self.host, path)
    }

    /// All that was written is durable.
    pub fn sync(&self) {
        machine::sync(self.host);
    }

    /// Bytes that its files take.
    pub fn used(&self) -> u64 {
        machine::used(self.host)
    }

    /// A number that two disks share if the same is on them.
    pub fn hash(&self) -> u64 {
        machine::hash(self.host)
    }
}
