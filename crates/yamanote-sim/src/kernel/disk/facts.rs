//! What is told of files, directories and disks.
#![forbid(unsafe_code)]

use super::data::PAGE;
use super::lower;
use super::tree::{Attr, Entry, Ino, Kind, Node, Tree};
use super::walk::Stop;
use super::{HostId, Life};
use crate::kernel::Kernel;
use crate::kernel::chance::Stream;
use crate::kernel::files::{Errno, FileId, Object};
use std::os::unix::fs::MetadataExt as _;

/// What stat(2) tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) device: u64,
    pub(crate) ino: Ino,
    /// Type and permissions.
    pub(crate) mode: u32,
    pub(crate) links: u32,
    pub(crate) len: u64,
    pub(crate) pages: u64,
    pub(crate) attr: Attr,
    pub(crate) born: i128,
}

/// A name in a directory, as readdir(3) tells it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) name: Vec<u8>,
    pub(crate) ino: u64,
    /// A `DT_*`.
    pub(crate) kind: u8,
}

/// What statfs(2) tells, in pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Space {
    pub(crate) all: u64,
    pub(crate) free: u64,
}

/// What a disk without a limit says it has.
const UNLIMITED: u64 = (1 << 40) / PAGE;

fn device(host: HostId) -> u64 {
    0x5100 + u64::from(host.0)
}

impl Tree {
    fn type_bits(&self, ino: Ino) -> u32 {
        match &self.inode(ino).kind {
            Kind::Dir(_) => libc::S_IFDIR,
            Kind::File(_) => libc::S_IFREG,
            Kind::Link(_) => libc::S_IFLNK,
            Kind::Fifo => libc::S_IFIFO,
            Kind::Socket => libc::S_IFSOCK,
            Kind::Random => libc::S_IFCHR,
        }
    }

    pub(crate) fn facts_of(&self, ino: Ino, host: HostId) -> Facts {
        let inode = self.inode(ino);
        let (links, len, pages) = match &inode.kind {
            Kind::Dir(dir) => {
                let is_dir = |entry: Entry| entry.ino().is_some_and(|ino| self.inode(ino).is_dir());
                let inner = dir.slots.values().filter(|slot| is_dir(slot.now)).count();
                let links = if dir.is_removed { 0 } else { 2 + inner as u32 };
                (links, PAGE, 1)
            }
            Kind::File(data) => (inode.links, data.len(), data.blocks()),
            Kind::Link(target) => (inode.links, target.len() as u64, 0),
            Kind::Fifo | Kind::Socket | Kind::Random => (inode.links, 0, 0),
        };
        let attr = *inode.attr.now();
        Facts {
            device: device(host),
            ino,
            mode: self.type_bits(ino) | attr.mode,
            links,
            len,
            pages,
            attr,
            born: inode.born,
        }
    }

    /// stat(2), and lstat(2) if the last part is not followed.
    pub(crate) fn stat(
        &mut self,
        host: HostId,
        start: Ino,
        path: &[u8],
        follow: bool,
    ) -> Result<Facts, Stop> {
        let place = self.walk(start, path, follow)?;
        match place.existing()? {
            Node::Ino(ino) => Ok(self.facts_of(*ino, host)),
            Node::Lower(path) | Node::Real(path) => Err(Stop::Real(path.clone())),
        }
    }

    /// access(2) for the owner.
    pub(crate) fn access(
        &mut self,
        start: Ino,
        path: &[u8],
        what: u32,
        follow: bool,
    ) -> Result<(), Stop> {
        let place = self.walk(start, path, follow)?;
        match place.existing()? {
            Node::Ino(ino) => {
                let mode = self.inode(*ino).attr.now().mode;
                // Root executes what anybody can.
                if self.as_root && what & 1 != 0 && mode & 0o111 == 0 && !self.inode(*ino).is_dir()
                {
                    return Err(Stop::Errno(libc::EACCES));
                }
                Ok(self.may(*ino, what)?)
            }
            // It is copied when it is written.
            Node::Lower(_) if what == 2 && self.as_root => Ok(()),
            Node::Lower(path) | Node::Real(path) => Err(Stop::Real(path.clone())),
        }
    }

    /// chmod(2) and its like.
    pub(crate) fn set_attr(
        &mut self,
        start: Ino,
        path: &[u8],
        follow: bool,
        change: impl FnOnce(&mut Attr),
    ) -> Result<(), Stop> {
        let place = self.walk(start, path, follow)?;
        let ino = self.copy_up(&place)?;
        self.change_attr(ino, change);
        Ok(())
    }

    fn list(&self, dir: Ino) -> Result<Vec<Listed>, Errno> {
        let mut listed = Vec::new();
        for name in self.names(dir)? {
            let dir = self.dir(dir)?;
            let own = dir.slots.get(&name).and_then(|slot| slot.now.ino());
            let lower = dir.lower.as_ref().map(|lower| lower::join(lower, &name));
            let (ino, bits) = match (own, lower) {
                (Some(ino), _) => (ino, self.type_bits(ino)),
                (None, Some(path)) => match path.symlink_metadata() {
                    Ok(facts) if facts.mode() & libc::S_IFMT != libc::S_IFSOCK => {
                        (facts.ino(), facts.mode())
                    }
                    _ => continue,
                },
                (None, None) => continue,
            };
            listed.push(Listed {
                name,
                ino,
                kind: ((bits & libc::S_IFMT) >> 12) as u8,
            });
        }
        Ok(listed)
    }

    /// A path of a file, if there is one: looks through all of them.
    pub(crate) fn find_path(&self, ino: Ino) -> Option<Vec<u8>> {
        if self.inodes.get(&ino)?.is_dir() {
            return self.path_of(ino);
        }
        self.inodes.iter().find_map(|(dir, inode)| {
            let Kind::Dir(names) = &inode.kind else {
                return None;
            };
            let mut slots = names.slots.iter();
            let (name, _) = slots.find(|(_, slot)| slot.now == Entry::Ino(ino))?;
            self.join(*dir, name)
        })
    }
}

impl Kernel {
    pub(crate) fn disk_facts(&mut self, file: FileId) -> Result<Facts, Errno> {
        let (host, ino) = self.disk_inode(file)?;
        Ok(self.disk_of(host).tree.facts_of(ino, host))
    }

    /// The host and inode of an open file, also of one that was opened with `O_PATH`.
    pub(crate) fn disk_inode(&self, file: FileId) -> Result<(HostId, Ino), Errno> {
        let file = self.file(file);
        match &file.object {
            Object::Disk(open) if !self.is_over(file.life) && !self.is_stale(open) => {
                Ok((open.host, open.ino))
            }
            Object::Disk(_) => Err(libc::EIO),
            _ => Err(libc::EINVAL),
        }
    }

    /// fchmod(2) and its like.
    pub(crate) fn disk_set_attr(
        &mut self,
        file: FileId,
        change: impl FnOnce(&mut Attr),
    ) -> Result<(), Errno> {
        let (host, ino) = self.disk_inode(file)?;
        self.disk_of(host).tree.change_attr(ino, change);
        Ok(())
    }

    /// The names in an open directory, in an order that the seed decides.
    pub(crate) fn disk_list(&mut self, file: FileId) -> Result<Vec<Listed>, Errno> {
        let (host, ino) = self.disk_inode(file)?;
        let tree = &self.disk_of(host).tree;
        let dir = tree.dir(ino)?;
        let parent = dir.parent;
        let mut listed = match dir.is_removed {
            true => Vec::new(),
            false => tree.list(ino)?,
        };
        let rng = self.rng(Stream::Disk);
        for last in (1..listed.len()).rev() {
            listed.swap(last, rng.below(last as u64 + 1) as usize);
        }
        let dots = [(&b"."[..], ino), (b"..", parent)].map(|(name, ino)| Listed {
            name: name.to_vec(),
            ino,
            kind: libc::DT_DIR,
        });
        listed.splice(0..0, dots);
        Ok(listed)
    }

    pub(crate) fn disk_space(&mut self, life: Life) -> Space {
        let disk = self.disk_of(life.host);
        let all = disk
            .settings
            .capacity
            .map_or(UNLIMITED, |bytes| bytes / PAGE);
        let used = disk.tree.used_bytes() / PAGE;
        Space {
            all,
            free: all.saturating_sub(used),
        }
    }
}
