//! Locks of files, between the open files of a host: flock(2), and fcntl(2)'s of open files.
#![forbid(unsafe_code)]

use super::HostId;
use super::tree::Ino;
use crate::kernel::Kernel;
use crate::kernel::files::{Errno, FileId};
use crate::kernel::thread::{Key, ThreadId};
use std::collections::BTreeMap;

/// Who has locked what.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    held: BTreeMap<Ino, Vec<(FileId, bool)>>,
}

impl Locks {
    /// The files that are locked.
    pub(super) fn files(self) -> impl Iterator<Item = Ino> {
        self.held.into_keys()
    }
}

impl Kernel {
    /// Locks an open file, or unlocks it with `None`. `EWOULDBLOCK` if another has locked it; then
    /// `waiter` is woken when that may have changed.
    pub(crate) fn disk_lock(
        &mut self,
        file: FileId,
        exclusive: Option<bool>,
        waiter: Option<ThreadId>,
    ) -> Result<(), Errno> {
        let (host, ino) = self.disk_inode(file)?;
        let Some(exclusive) = exclusive else {
            self.unlock_all(file, host, ino);
            return Ok(());
        };
        // Who was locked out by a life that has ended is not any more.
        let owners = self.disk_of(host).locks.held.get(&ino);
        let ended: Vec<FileId> = owners
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .filter(|(owner, _)| {
                let file = self.find_file(*owner);
                file.is_none_or(|file| self.is_over(file.life))
            })
            .map(|(owner, _)| owner)
            .collect();
        let held = self.disk_of(host).locks.held.entry(ino).or_default();
        held.retain(|(owner, _)| !ended.contains(owner));
        let had = held.iter().any(|(owner, _)| *owner == file);
        held.retain(|(owner, _)| *owner != file);
        if held.iter().any(|(_, other)| *other || exclusive) {
            if had {
                // To change a lock is to give it up first.
                self.wake(Key::Lock(host, ino), usize::MAX);
            }
            if let Some(waiter) = waiter {
                self.wait_for(waiter, Key::Lock(host, ino));
            }
            return Err(libc::EWOULDBLOCK);
        }
        held.push((file, exclusive));
        if had {
            self.wake(Key::Lock(host, ino), usize::MAX);
        }
        Ok(())
    }

    pub(super) fn unlock_all(&mut self, file: FileId, host: HostId, ino: Ino) {
        let held = &mut self.disk_of(host).locks.held;
        let Some(owners) = held.get_mut(&ino) else {
            return;
        };
        owners.retain(|(owner, _)| *owner != file);
        if owners.is_empty() {
            held.remove(&ino);
        }
        self.wake(Key::Lock(host, ino), usize::MAX);
    }
}
