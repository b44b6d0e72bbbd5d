//! The hosts' disks: files and directories, what is synced of them, and what a crash leaves.
//!
//! Each host has a [`tree::Tree`] of its own. What really is there is below it and is not changed:
//! a file that is opened to be read is opened really, and one that is changed is copied before.
#![forbid(unsafe_code)]

mod crash;
mod data;
mod facts;
mod given;
mod io;
mod journal;
mod locks;
mod lower;
mod names;
mod open;
mod outside;
pub(crate) mod settings;
mod tree;
mod versions;
mod walk;

pub(crate) use self::facts::{Facts, Listed, Space};
pub(crate) use self::open::Open;
pub(crate) use self::tree::{Attr, Ino, Tree};
pub(crate) use self::walk::Stop;

use self::locks::Locks;
use self::settings::Settings;
use super::Kernel;
use super::chance::Stream;
use super::files::{Errno, FileId, Object};
use super::host::{HostId, Life};
use super::thread::Key;
use super::trap::Moment;
use std::collections::BTreeMap;
use std::path::PathBuf;

const FNV: u64 = 0xcbf2_9ce4_8422_2325;

fn mix(hash: u64, number: u64) -> u64 {
    (hash ^ number)
        .wrapping_mul(0x0000_0100_0000_01b3)
        .rotate_left(23)
}

/// A number for bytes.
fn hash_of(bytes: &[u8]) -> u64 {
    let mut hash = mix(FNV, bytes.len() as u64);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    hash
}

/// The disks of all hosts.
#[derive(Default)]
pub(crate) struct Disk {
    hosts: BTreeMap<HostId, HostDisk>,
}

pub(crate) struct HostDisk {
    pub(crate) tree: Tree,
    pub(crate) settings: Settings,
    pub(crate) locks: Locks,
    /// Counts the crashes: what was opened before the last is open no more.
    epoch: u32,
    /// A real directory, made on demand.
    pub(crate) real: Option<PathBuf>,
}

impl Drop for HostDisk {
    fn drop(&mut self) {
        if let Some(real) = &self.real {
            let _ = std::fs::remove_dir_all(real);
        }
    }
}

impl Kernel {
    /// The disk of a host, whose clock is right.
    pub(crate) fn disk_of(&mut self, host: HostId) -> &mut HostDisk {
        let clock = i128::from(self.wall_ns(host));
        let disk = self.disk.hosts.entry(host).or_insert_with(|| HostDisk {
            tree: Tree::new(clock),
            settings: Settings::default(),
            locks: Locks::default(),
            epoch: 0,
            real: None,
        });
        disk.tree.clock = clock;
        disk.tree.as_root = disk.settings.as_root;
        disk
    }

    /// The tree that a life may use; `EIO` if it is over.
    pub(crate) fn tree(&mut self, life: Life) -> Result<&mut Tree, Errno> {
        match self.is_over(life) {
            true => Err(libc::EIO),
            false => Ok(&mut self.disk_of(life.host).tree),
        }
    }

    /// Where paths begin that are relative to `dir`; `None` if that is a real descriptor.
    pub(crate) fn disk_start(&mut self, life: Life, dir: i32) -> Result<Option<Ino>, Errno> {
        if dir == libc::AT_FDCWD {
            return Ok(Some(self.disk_of(life.host).tree.cwd));
        }
        match self.file_of(dir) {
            None if dir >= super::files::FIRST => Err(libc::EBADF),
            None => Ok(None),
            Some(id) => match &self.file(id).object {
                Object::Disk(open) if open.host == life.host && !self.is_stale(open) => {
                    Ok(Some(open.ino))
                }
                Object::Disk(_) => Err(libc::EIO),
                _ => Err(libc::ENOTDIR),
            },
        }
    }

    /// Until when a call on the disk takes.
    pub(crate) fn disk_delay(&mut self, life: Life, syncs: bool) -> u64 {
        if life.host == HostId::DRIVER || self.is_over(life) {
            return self.now;
        }
        let settings = &self.disk_of(life.host).settings;
        let range = match syncs {
            true => &settings.sync_latency,
            false => &settings.latency,
        };
        let nanos = |time: &std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (least, most) = (nanos(range.start()), nanos(range.end()));
        match most {
            0 => self.now,
            _ => {
                let delay = self.rng(Stream::Disk).between(least.min(most), most);
                self.now.saturating_add(delay)
            }
        }
    }

    /// The host has crashed: what was not synced may be lost.
    pub(crate) fn disk_crash(&mut self, host: HostId) {
        let Some(mut disk) = self.disk.hosts.remove(&host) else {
            return;
        };
        disk.epoch += 1;
        for ino in std::mem::take(&mut disk.locks).files() {
            self.wake(Key::Lock(host, ino), usize::MAX);
        }
        disk.tree.clock = i128::from(self.wall_ns(host));
        let losses = disk.tree.crash(&disk.settings, self.rng(Stream::Disk));
        let (lost, risk) = (losses.names_lost, losses.names_at_risk);
        self.note(host, "names", &[lost, risk], || {
            format!("lost={lost} of={risk}")
        });
        for (ino, bytes, torn) in losses.files {
            let path = disk.tree.find_path(ino).unwrap_or_default();
            let path = String::from_utf8_lossy(&path).into_owned();
            if torn > 0 {
                self.note(host, "torn", &[ino, torn], || {
                    format!("path={path} pages={torn}")
                });
            }
            self.note(host, "lost", &[ino, bytes], || {
                format!("path={path} bytes={bytes}")
            });
        }
        self.disk.hosts.insert(host, disk);
    }

    /// Notes what was done to a name, after which the host may crash.
    pub(crate) fn note_name(&mut self, life: Life, code: &'static str, path: &[u8]) {
        self.note(life.host, code, &[hash_of(path)], || {
            format!("path={}", String::from_utf8_lossy(path))
        });
        self.come_by(life.host, Moment::Write);
    }

    /// As `note_name`, of two names.
    pub(crate) fn note_names(&mut self, life: Life, code: &'static str, old: &[u8], new: &[u8]) {
        self.note(life.host, code, &[hash_of(old), hash_of(new)], || {
            let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
            format!("from={old} to={new}")
        });
        self.come_by(life.host, Moment::Write);
    }

    /// The description's disk file, for a life that is not over.
    fn open_of(&self, id: FileId) -> Result<(&Open, i32), Errno> {
        let file = self.file(id);
        let Object::Disk(open) = &file.object else {
            return Err(libc::EINVAL);
        };
        if self.is_over(file.life) || self.is_stale(open) {
            return Err(libc::EIO);
        }
        if file.flags & libc::O_PATH != 0 {
            return Err(libc::EBADF);
        }
        Ok((open, file.flags))
    }

    fn is_stale(&self, open: &Open) -> bool {
        let disk = self.disk.hosts.get(&open.host);
        disk.is_none_or(|disk| disk.epoch != open.epoch)
    }
}
