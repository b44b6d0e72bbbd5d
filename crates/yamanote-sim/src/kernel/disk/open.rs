//! Opening files, and what an open one is.
#![forbid(unsafe_code)]

use super::tree::{Ino, Kind, Node, Tree};
use super::walk::{Place, Stop};
use super::{HostId, Life};
use crate::kernel::Kernel;
use crate::kernel::files::{Errno, FileId, Object};

/// A file or directory that is open.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) host: HostId,
    pub(crate) ino: Ino,
    pub(super) epoch: u32,
    pub(super) cursor: u64,
    /// What it was called.
    pub(crate) path: Vec<u8>,
}

/// What is kept of the flags: what `F_GETFL` shows.
const SHOWN: i32 = libc::O_ACCMODE
    | libc::O_APPEND
    | libc::O_SYNC
    | libc::O_DIRECT
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW
    | libc::O_PATH;

impl Kernel {
    /// open(2).
    pub(crate) fn disk_open(
        &mut self,
        life: Life,
        start: Ino,
        path: &[u8],
        flags: i32,
        mode: u32,
    ) -> Result<i32, Stop> {
        let is_over = self.is_over(life);
        let disk = self.disk_of(life.host);
        if is_over {
            // What really is there can be read: a panic looks into the program.
            let reads = flags & (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) == 0;
            let place = disk.tree.walk(start, path, true).map_err(Stop::Errno)?;
            return match place.node {
                Some(Node::Lower(path) | Node::Real(path)) if reads => Err(Stop::Real(path)),
                _ => Err(Stop::Errno(libc::EIO)),
            };
        }
        let epoch = disk.epoch;
        let (ino, name) = disk.tree.open(start, path, flags, mode)?;
        let is_fifo = matches!(disk.tree.inode(ino).kind, Kind::Fifo);
        if is_fifo && flags & libc::O_PATH == 0 {
            let (fd, _) = self.open_fifo(life, ino, flags)?;
            self.note(life.host, "open", &[ino, flags as u64], || {
                format!("fifo={ino} flags={flags:#o}")
            });
            return Ok(fd);
        }
        disk.tree.open_inode(ino);
        let open = Open {
            host: life.host,
            ino,
            epoch,
            cursor: 0,
            path: name.unwrap_or_default(),
        };
        let text = open.path.clone();
        let is_nonblocking = flags & libc::O_NONBLOCK != 0;
        let closes = flags & libc::O_CLOEXEC != 0;
        let opened = self.open_file(life, Object::Disk(open), is_nonblocking, closes);
        let (fd, id) = match opened {
            Ok(opened) => opened,
            Err(number) => {
                self.disk_of(life.host).tree.close_inode(ino);
                return Err(Stop::Errno(number));
            }
        };
        self.file_mut(id).flags = flags & SHOWN;
        let hash = super::hash_of(&text);
        self.note(life.host, "open", &[ino, flags as u64, hash], || {
            format!("path={} flags={flags:#o}", String::from_utf8_lossy(&text))
        });
        Ok(fd)
    }

    /// The last reference to the open file is gone.
    pub(crate) fn disk_close(&mut self, file: FileId, open: Open) {
        if self.is_stale(&open) {
            return;
        }
        if let Some(disk) = self.disk.hosts.get_mut(&open.host) {
            disk.tree.close_inode(open.ino);
        }
        self.unlock_all(file, open.host, open.ino);
    }
}

impl Tree {
    /// What `open` opens, and its path.
    fn open(
        &mut self,
        start: Ino,
        path: &[u8],
        flags: i32,
        mode: u32,
    ) -> Result<(Ino, Option<Vec<u8>>), Stop> {
        // With O_TMPFILE comes O_DIRECTORY.
        if flags & libc::O_TMPFILE == libc::O_TMPFILE {
            return Err(Stop::Errno(libc::EOPNOTSUPP));
        }
        let creates = flags & libc::O_CREAT != 0;
        let is_new = creates && flags & libc::O_EXCL != 0;
        if creates && flags & libc::O_DIRECTORY != 0 {
            return Err(Stop::Errno(libc::EINVAL));
        }
        let follow = flags & libc::O_NOFOLLOW == 0 && !is_new;
        let place = self.walk_to(start, path, follow, creates)?;
        let ino = match (&place.node, is_new) {
            (Some(Node::Real(path)), _) => return Err(Stop::Real(path.clone())),
            (Some(_), true) => return Err(Stop::Errno(libc::EEXIST)),
            (Some(_), false) => self.open_existing(&place, flags)?,
            (None, _) if creates => {
                let mode = mode & 0o7777 & !self.umask;
                self.create(&place, Kind::File(super::data::Data::new()), mode)?
            }
            (None, _) => return Err(Stop::Errno(libc::ENOENT)),
        };
        let name = match self.inode(ino).is_dir() {
            true => self.path_of(ino),
            false => self.join(place.dir, &place.name),
        };
        Ok((ino, name))
    }

    fn open_existing(&mut self, place: &Place, flags: i32) -> Result<Ino, Stop> {
        let access = flags & libc::O_ACCMODE;
        let only_names = flags & libc::O_PATH != 0;
        let truncates = flags & libc::O_TRUNC != 0 && !only_names;
        let writes = access != libc::O_RDONLY && !only_names;
        if let Some(Node::Lower(path)) = &place.node {
            if !writes && !truncates || flags & libc::O_DIRECTORY != 0 {
                return Err(Stop::Real(path.clone()));
            }
            if path.is_symlink() {
                return Err(Stop::Errno(libc::ELOOP));
            }
        }
        let ino = self.copy_up(place)?;
        match &self.inode(ino).kind {
            Kind::Dir(_) if writes || truncates || flags & libc::O_CREAT != 0 => {
                return Err(Stop::Errno(libc::EISDIR));
            }
            Kind::Dir(_) => {}
            _ if flags & libc::O_DIRECTORY != 0 => return Err(Stop::Errno(libc::ENOTDIR)),
            Kind::Link(_) if !only_names => return Err(Stop::Errno(libc::ELOOP)),
            Kind::Socket if !only_names => return Err(Stop::Errno(libc::ENXIO)),
            _ => {}
        }
        if !only_names {
            let reads = access != libc::O_WRONLY;
            self.may(ino, u32::from(reads) * 4 + u32::from(writes) * 2)?;
        }
        if truncates && matches!(self.inode(ino).kind, Kind::File(_)) {
            self.truncate_inode(ino, 0)?;
        }
        Ok(ino)
    }

    pub(super) fn truncate_inode(&mut self, ino: Ino, len: u64) -> Result<(), Errno> {
        if len > super::io::MOST {
            return Err(libc::EFBIG);
        }
        self.with_data(ino, |data, stamp| data.set_len(len, stamp))?;
        self.touch(ino);
        Ok(())
    }

    /// truncate(2).
    pub(crate) fn truncate(&mut self, start: Ino, path: &[u8], len: u64) -> Result<(), Stop> {
        let place = self.walk(start, path, true)?;
        if let Node::Ino(ino) = place.existing()? {
            self.data(*ino)?;
        }
        let ino = self.copy_up(&place)?;
        self.may(ino, 2)?;
        Ok(self.truncate_inode(ino, len)?)
    }

    /// A socket is bound to a name.
    pub(crate) fn bind_name(&mut self, path: &[u8]) -> Result<Ino, Errno> {
        let mode = 0o777 & !self.umask;
        let answer = self.walk(self.cwd, path, false).map_err(Stop::Errno);
        let answer = answer.and_then(|place| self.create(&place, Kind::Socket, mode));
        answer.map_err(|stop| match stop {
            Stop::Errno(libc::EEXIST) => libc::EADDRINUSE,
            Stop::Errno(number) => number,
            Stop::Real(_) => libc::EROFS,
        })
    }

    /// The socket's name at a path.
    pub(crate) fn find_name(&mut self, path: &[u8]) -> Result<Ino, Errno> {
        let place = self.walk(self.cwd, path, true)?;
        match place.node {
            None => Err(libc::ENOENT),
            Some(Node::Ino(ino)) if matches!(self.inode(ino).kind, Kind::Socket) => Ok(ino),
            Some(_) => Err(libc::ECONNREFUSED),
        }
    }

    pub(crate) fn change_cwd(&mut self, ino: Ino) -> Result<(), Errno> {
        self.dir(ino)?;
        self.may(ino, 1)?;
        self.open_inode(ino);
        let old = std::mem::replace(&mut self.cwd, ino);
        self.close_inode(old);
        Ok(())
    }

    /// The directory at a path.
    pub(crate) fn find_dir(&mut self, start: Ino, path: &[u8]) -> Result<Ino, Stop> {
        let place = self.walk(start, path, true)?;
        match place.existing()? {
            Node::Ino(ino) if self.inode(*ino).is_dir() => Ok(*ino),
            _ => Err(Stop::Errno(libc::ENOTDIR)),
        }
    }
}
