//! Reading, writing and syncing open files.
#![forbid(unsafe_code)]

use super::HostId;
use super::data::PAGE;
use super::settings::WriteError;
use super::tree::{Ino, Kind};
use crate::kernel::Kernel;
use crate::kernel::chance::Stream;
use crate::kernel::files::{Errno, FileId, Object, total};
use crate::kernel::trap::Moment;
use std::io::{IoSlice, IoSliceMut};

/// The most bytes of a file.
pub(super) const MOST: u64 = 1 << 43;

/// What an open file is, for one call.
struct Target {
    host: HostId,
    ino: Ino,
    cursor: u64,
    flags: i32,
}

impl Kernel {
    fn target(&self, id: FileId) -> Result<Target, Errno> {
        let (open, flags) = self.open_of(id)?;
        Ok(Target {
            host: open.host,
            ino: open.ino,
            cursor: open.cursor,
            flags,
        })
    }

    fn set_cursor(&mut self, id: FileId, cursor: u64) {
        if let Object::Disk(open) = &mut self.file_mut(id).object {
            open.cursor = cursor;
        }
    }

    /// Whether a fault of that probability happens.
    fn fails(&mut self, p: f64) -> bool {
        p > 0.0 && self.rng(Stream::Disk).chance(p)
    }

    /// Reads at a place, or at the cursor, which moves.
    pub(crate) fn disk_read(
        &mut self,
        file: FileId,
        bufs: &mut [IoSliceMut<'_>],
        at: Option<u64>,
    ) -> Result<usize, Errno> {
        let target = self.target(file)?;
        if target.flags & libc::O_ACCMODE == libc::O_WRONLY {
            return Err(libc::EBADF);
        }
        let disk = self.disk_of(target.host);
        if let Kind::Random = disk.tree.inode(target.ino).kind {
            let rng = self.rng(Stream::Program);
            bufs.iter_mut().for_each(|buf| rng.fill(buf));
            return Ok(bufs.iter().map(|buf| buf.len()).sum());
        }
        disk.tree.data(target.ino)?;
        let p = disk.settings.read_fails;
        if self.fails(p) {
            self.note(target.host, "fail", &[target.ino, 0], || {
                "call=read".to_owned()
            });
            return Err(libc::EIO);
        }
        let mut position = at.unwrap_or(target.cursor);
        let data = self.disk_of(target.host).tree.data(target.ino)?;
        let mut done = 0;
        for buf in bufs {
            let n = data.read(position, buf);
            done += n;
            position += n as u64;
            if n < buf.len() {
                break;
            }
        }
        if at.is_none() {
            self.set_cursor(file, position);
        }
        Ok(done)
    }

    /// Writes at a place, or at the cursor, which moves.
    pub(crate) fn disk_write(
        &mut self,
        file: FileId,
        bufs: &[IoSlice<'_>],
        at: Option<u64>,
    ) -> Result<usize, Errno> {
        let target = self.target(file)?;
        if target.flags & libc::O_ACCMODE == libc::O_RDONLY {
            return Err(libc::EBADF);
        }
        let wanted = total(bufs);
        let (host, ino) = (target.host, target.ino);
        let tree = &self.disk_of(host).tree;
        if let Kind::Random = tree.inode(ino).kind {
            return Ok(wanted);
        }
        let position = match target.flags & libc::O_APPEND {
            0 => at.unwrap_or(target.cursor),
            _ => tree.data(ino)?.len(),
        };
        tree.data(ino)?;
        let n = self.granted(&target, position, wanted)?;
        let mut left = n;
        let mut hash = super::FNV;
        let tree = &mut self.disk_of(host).tree;
        tree.with_data(ino, |data, stamp| {
            let mut to = position;
            for buf in bufs {
                let part = &buf[..buf.len().min(left)];
                data.write(to, part, stamp);
                hash = super::mix(hash, super::hash_of(part));
                to += part.len() as u64;
                left -= part.len();
            }
        })?;
        if n > 0 {
            tree.touch(ino);
        }
        let end = position + n as u64;
        if at.is_none() {
            self.set_cursor(file, end);
        }
        self.note(host, "write", &[ino, position, n as u64, hash], || {
            format!("file={ino} at={position} bytes={n}")
        });
        if target.flags & libc::O_DSYNC != 0 {
            self.sync_inode(host, ino)?;
        } else {
            self.come_by(host, Moment::Write);
        }
        Ok(n)
    }

    /// How many of the bytes can be written there: at least one, or it is an error.
    fn granted(&mut self, target: &Target, at: u64, wanted: usize) -> Result<usize, Errno> {
        if wanted == 0 {
            return Ok(0);
        }
        let p = self.disk_of(target.host).settings.write_fails;
        let mut error = libc::EIO;
        let mut n = wanted as u64;
        if self.fails(p) {
            n = 0;
        }
        let disk = self.disk_of(target.host);
        if at + n > MOST {
            return Err(libc::EFBIG);
        }
        if let Some(left) = &mut disk.settings.bytes_until_error {
            if *left < n {
                error = match disk.settings.write_error {
                    WriteError::Full => libc::ENOSPC,
                    WriteError::Broken => libc::EIO,
                };
                n = *left;
            }
        }
        if let Some(capacity) = disk.settings.capacity {
            let free = (capacity / PAGE).saturating_sub(disk.tree.used);
            let data = disk.tree.data(target.ino)?;
            while n > 0 && data.room_for(at, n) > free {
                error = libc::ENOSPC;
                let excess = data.room_for(at, n) - free;
                let end = (at + n - 1) / PAGE * PAGE;
                n = (end.saturating_sub((excess - 1) * PAGE)).saturating_sub(at);
            }
        }
        if let Some(left) = &mut disk.settings.bytes_until_error {
            *left -= n;
        }
        if n > 0 {
            return Ok(n as usize);
        }
        self.note(target.host, "fail", &[target.ino, 1, error as u64], || {
            format!("call=write errno={error}")
        });
        Err(error)
    }

    /// fsync(2) and fdatasync(2), which is as good here.
    pub(crate) fn disk_sync(&mut self, file: FileId) -> Result<(), Errno> {
        let target = self.target(file)?;
        self.sync_inode(target.host, target.ino)
    }

    fn sync_inode(&mut self, host: HostId, ino: Ino) -> Result<(), Errno> {
        let settings = &self.disk_of(host).settings;
        let (fails, lies) = (settings.sync_fails, settings.sync_lies);
        let fails = self.fails(fails);
        let lies = !fails && self.fails(lies);
        let tree = &mut self.disk_of(host).tree;
        let inode = tree.inode_mut(ino);
        match (&mut inode.kind, fails) {
            _ if lies => {}
            (Kind::File(data), true) => data.fail_sync(),
            (Kind::File(data), false) => {
                data.sync();
                inode.attr.sync();
            }
            (Kind::Dir(_), false) => {
                inode.attr.sync();
                tree.sync_names(ino);
            }
            _ => {}
        }
        let outcome = match (fails, lies) {
            (true, _) => "failed",
            (_, true) => "lied",
            _ => "done",
        };
        let numbers = [ino, u64::from(fails), u64::from(lies)];
        self.note(host, "sync", &numbers, || format!("file={ino} {outcome}"));
        match fails {
            true => Err(libc::EIO),
            false => Ok(()),
        }
    }

    /// sync(2) and syncfs(2).
    pub(crate) fn disk_sync_all(&mut self, host: HostId) {
        self.disk_of(host).tree.sync_everything();
        self.note(host, "sync", &[], || "all".to_owned());
    }

    pub(crate) fn disk_seek(
        &mut self,
        file: FileId,
        offset: i64,
        whence: i32,
    ) -> Result<u64, Errno> {
        let target = self.target(file)?;
        let tree = &self.disk_of(target.host).tree;
        let len = match &tree.inode(target.ino).kind {
            Kind::File(data) => data.len(),
            Kind::Dir(_) if whence == libc::SEEK_SET => return Ok(0),
            Kind::Random => return Ok(0),
            _ => return Err(libc::EINVAL),
        };
        let base = match whence {
            libc::SEEK_SET => 0,
            libc::SEEK_CUR => target.cursor,
            libc::SEEK_END => len,
            libc::SEEK_DATA | libc::SEEK_HOLE => {
                let from = u64::try_from(offset).map_err(|_| libc::ENXIO)?;
                let found = tree.data(target.ino)?.seek(from, whence == libc::SEEK_DATA);
                let found = found.ok_or(libc::ENXIO)?;
                self.set_cursor(file, found);
                return Ok(found);
            }
            _ => return Err(libc::EINVAL),
        };
        let position = base.checked_add_signed(offset).ok_or(libc::EINVAL)?;
        if position > i64::MAX as u64 {
            return Err(libc::EOVERFLOW);
        }
        self.set_cursor(file, position);
        Ok(position)
    }

    /// The file, if it is open for writing.
    fn writable(&self, file: FileId, otherwise: Errno) -> Result<Target, Errno> {
        let target = self.target(file)?;
        match target.flags & libc::O_ACCMODE {
            libc::O_RDONLY => Err(otherwise),
            _ => Ok(target),
        }
    }

    pub(crate) fn disk_truncate(&mut self, file: FileId, len: u64) -> Result<(), Errno> {
        let target = self.writable(file, libc::EINVAL)?;
        let (host, ino) = (target.host, target.ino);
        let tree = &mut self.disk_of(host).tree;
        if let Kind::Random = tree.inode(ino).kind {
            return Err(libc::EINVAL);
        }
        tree.truncate_inode(ino, len)?;
        self.note(host, "truncate", &[ino, len], || {
            format!("file={ino} len={len}")
        });
        Ok(())
    }

    /// fallocate(2), of which there are mode 0, `FALLOC_FL_KEEP_SIZE` and `FALLOC_FL_PUNCH_HOLE`.
    pub(crate) fn disk_allocate(
        &mut self,
        file: FileId,
        mode: i32,
        from: u64,
        len: u64,
    ) -> Result<(), Errno> {
        let target = self.writable(file, libc::EBADF)?;
        let (host, ino) = (target.host, target.ino);
        let to = from
            .checked_add(len)
            .filter(|to| *to <= MOST)
            .ok_or(libc::EFBIG)?;
        let keeps = mode & libc::FALLOC_FL_KEEP_SIZE != 0;
        let punches = mode & libc::FALLOC_FL_PUNCH_HOLE != 0;
        let known = libc::FALLOC_FL_KEEP_SIZE | libc::FALLOC_FL_PUNCH_HOLE;
        if mode & !known != 0 || punches && !keeps {
            return Err(libc::EOPNOTSUPP);
        }
        let disk = self.disk_of(host);
        if let (Some(capacity), false) = (disk.settings.capacity, punches) {
            let room = disk.tree.data(ino)?.room_for(from, len);
            if disk.tree.used + room > capacity / PAGE {
                return Err(libc::ENOSPC);
            }
        }
        disk.tree.with_data(ino, |data, stamp| {
            if punches {
                data.punch(from, to, stamp);
                return;
            }
            data.allocate(from, to, stamp);
            if !keeps && to > data.len() {
                data.set_len(to, stamp);
            }
        })?;
        disk.tree.touch(ino);
        Ok(())
    }
}
