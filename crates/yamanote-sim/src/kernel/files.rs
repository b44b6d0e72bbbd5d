//! Descriptors, and the open files they name.
//!
//! Descriptors are numbers from [`FIRST`] up, the lowest free one first, so that they never are
//! those of real files. All hosts share one table. A file is open while a descriptor names it, or a
//! call is under way on it.
#![forbid(unsafe_code)]

use super::Kernel;
use super::alarm::Alarm;
use super::counter::Counter;
use super::disk;
use super::epoll::{Epoll, Watcher};
use super::host::Life;
use super::net::SocketId;
use super::pipe::{Pipe, PipeEnd};
use super::table::{Number, Table};
use super::thread::Key;
use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};

/// A raw error number, above zero.
pub(crate) type Errno = i32;

/// The lowest simulated descriptor.
pub(crate) const FIRST: i32 = 1 << 29;

/// Descriptors there can be.
const MOST: usize = 1 << 20;

/// Numbers an open file ("open file description") of a world; none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(pub(crate) u32);

impl Number for FileId {
    fn of(index: u32) -> FileId {
        FileId(index)
    }

    fn index(self) -> u32 {
        self.0
    }
}

/// What an open file is.
pub(crate) enum Object {
    Alarm(Alarm),
    Epoll(Epoll),
    Counter(Counter),
    Pipe(PipeEnd),
    Socket(SocketId),
    Disk(disk::Open),
    /// What a process had open that has ended.
    Gone,
}

/// An open file.
pub(crate) struct File {
    /// Of the thread that opened it.
    pub(crate) life: Life,
    pub(crate) object: Object,
    pub(crate) is_nonblocking: bool,
    /// What `F_GETFL` shows beside `O_NONBLOCK`: the access mode and `O_APPEND`; `O_RDWR` unless
    /// who opens it sets another.
    pub(crate) flags: i32,
    /// Descriptors that name it, and calls under way.
    references: u32,
    pub(super) watchers: Vec<Watcher>,
}

struct Descriptor {
    file: FileId,
    closes_on_exec: bool,
}

/// All descriptors and open files of a world.
#[derive(Default)]
pub(crate) struct Files {
    /// By number, from [`FIRST`].
    descriptors: Vec<Option<Descriptor>>,
    /// No number below is free.
    lowest_free: usize,
    files: Table<FileId, File>,
    next: u32,
    pub(super) pipes: BTreeMap<u32, Pipe>,
}

fn index(fd: i32) -> Option<usize> {
    usize::try_from(fd.checked_sub(FIRST)?).ok()
}

impl Files {
    fn descriptor(&self, fd: i32) -> Option<&Descriptor> {
        self.descriptors.get(index(fd)?)?.as_ref()
    }

    fn descriptor_mut(&mut self, fd: i32) -> Option<&mut Descriptor> {
        self.descriptors.get_mut(index(fd)?)?.as_mut()
    }

    /// A descriptor of the file, the lowest that is free and not below `least`.
    fn describe(&mut self, file: FileId, closes_on_exec: bool, least: i32) -> Result<i32, Errno> {
        let first = index(least).unwrap_or(0).max(self.lowest_free);
        let free = (first..self.descriptors.len()).find(|at| self.descriptors[*at].is_none());
        let at = free.unwrap_or(first.max(self.descriptors.len()));
        if at >= MOST {
            return Err(libc::EMFILE);
        }
        if at >= self.descriptors.len() {
            self.descriptors.resize_with(at + 1, || None);
        }
        self.descriptors[at] = Some(Descriptor {
            file,
            closes_on_exec,
        });
        if first == self.lowest_free {
            self.lowest_free = at + 1;
        }
        Ok(FIRST + at as i32)
    }

    /// Descriptors that are open.
    pub(crate) fn open_descriptors(&self) -> usize {
        self.descriptors.iter().flatten().count()
    }
}

impl Kernel {
    // --- what opens and closes files

    /// Opens a file and gives it a descriptor.
    pub(crate) fn open_file(
        &mut self,
        life: Life,
        object: Object,
        is_nonblocking: bool,
        closes_on_exec: bool,
    ) -> Result<(i32, FileId), Errno> {
        let id = FileId(self.files.next);
        let fd = self.files.describe(id, closes_on_exec, FIRST)?;
        self.files.next += 1;
        let file = File {
            life,
            object,
            is_nonblocking,
            flags: libc::O_RDWR,
            references: 1,
            watchers: Vec::new(),
        };
        self.files.files.insert(id, file);
        Ok((fd, id))
    }

    /// The open file that the descriptor names; `None`: there is no such simulated descriptor.
    pub(crate) fn file_of(&self, fd: i32) -> Option<FileId> {
        self.files.descriptor(fd).map(|found| found.file)
    }

    /// An open file.
    ///
    /// # Panics
    ///
    /// If it has been closed.
    pub(crate) fn file(&self, id: FileId) -> &File {
        self.files.files.get(id).expect("the file is open")
    }

    /// As [`Kernel::file`].
    pub(crate) fn file_mut(&mut self, id: FileId) -> &mut File {
        self.files.files.get_mut(id).expect("the file is open")
    }

    /// An open file; `None` if it has been closed.
    pub(crate) fn find_file(&self, id: FileId) -> Option<&File> {
        self.files.files.get(id)
    }

    pub(super) fn find_file_mut(&mut self, id: FileId) -> Option<&mut File> {
        self.files.files.get_mut(id)
    }

    /// A call is under way on the file, which stays open until it is released.
    pub(crate) fn hold(&mut self, id: FileId) {
        self.file_mut(id).references += 1;
    }

    /// Undoes one [`Kernel::hold`], or what a descriptor held.
    pub(crate) fn release(&mut self, id: FileId) {
        let file = self.file_mut(id);
        file.references -= 1;
        if file.references == 0 {
            self.close_file(id);
        }
    }

    /// Frees a descriptor, and closes its file if that was the last one.
    pub(crate) fn close(&mut self, fd: i32) -> Result<(), Errno> {
        let at = index(fd).ok_or(libc::EBADF)?;
        let entry = self.files.descriptors.get_mut(at);
        let found = entry.and_then(Option::take).ok_or(libc::EBADF)?;
        self.files.lowest_free = self.files.lowest_free.min(at);
        self.release(found.file);
        Ok(())
    }

    /// The last reference is gone.
    fn close_file(&mut self, id: FileId) {
        self.forget_watchers(id);
        let Some(file) = self.files.files.remove(id) else {
            return;
        };
        match file.object {
            Object::Epoll(epoll) => self.epoll_close(id, epoll),
            Object::Alarm(alarm) => self.alarm_close(alarm),
            Object::Counter(_) => {}
            Object::Pipe(end) => self.pipe_close(id, end),
            Object::Socket(socket) => self.socket_close(socket),
            Object::Disk(open) => self.disk_close(id, open),
            Object::Gone => {}
        }
        self.wake(Key::File(id.0), usize::MAX);
    }

    /// A process has ended: its sockets are closed, as the kernel does that. What else it had open
    /// concerned nobody but itself; its descriptors stay, for its destructors to close.
    pub(crate) fn life_ended(&mut self, life: Life) {
        let files = &self.files.files;
        let sockets = files.iter().filter_map(|(id, file)| match file.object {
            Object::Socket(socket) if file.life == life => Some((id, socket)),
            _ => None,
        });
        for (id, socket) in sockets.collect::<Vec<_>>() {
            self.file_mut(id).object = Object::Gone;
            self.socket_close(socket);
            self.wake(Key::File(id.0), usize::MAX);
        }
    }

    // --- descriptors

    /// Another descriptor of the same file, the lowest free one that is not below `least`.
    pub(crate) fn duplicate(
        &mut self,
        fd: i32,
        closes_on_exec: bool,
        least: i32,
    ) -> Result<i32, Errno> {
        let id = self.file_of(fd).ok_or(libc::EBADF)?;
        let new = self.files.describe(id, closes_on_exec, least)?;
        self.hold(id);
        Ok(new)
    }

    /// Has `new`, which is closed before, name what `old` names. They differ.
    pub(crate) fn duplicate_to(
        &mut self,
        old: i32,
        new: i32,
        closes_on_exec: bool,
    ) -> Result<(), Errno> {
        let id = self.file_of(old).ok_or(libc::EBADF)?;
        let at = index(new).ok_or(libc::EINVAL)?;
        if at >= MOST {
            return Err(libc::EBADF);
        }
        // Held first: the close may otherwise be that of the last reference.
        self.hold(id);
        let _ = self.close(new);
        if at >= self.files.descriptors.len() {
            self.files.descriptors.resize_with(at + 1, || None);
        }
        self.files.descriptors[at] = Some(Descriptor {
            file: id,
            closes_on_exec,
        });
        Ok(())
    }

    pub(crate) fn closes_on_exec(&self, fd: i32) -> Result<bool, Errno> {
        let found = self.files.descriptor(fd).ok_or(libc::EBADF)?;
        Ok(found.closes_on_exec)
    }

    pub(crate) fn set_closes_on_exec(&mut self, fd: i32, value: bool) -> Result<(), Errno> {
        let found = self.files.descriptor_mut(fd).ok_or(libc::EBADF)?;
        found.closes_on_exec = value;
        Ok(())
    }

    // --- what happens at files

    /// Something new has happened at the file: wakes the threads that wait for it, and is an edge
    /// for the epolls it is in that ask for any of `events`, `EPOLL*` bits; 0 stands for all.
    pub(crate) fn changed(&mut self, id: FileId, events: u32) {
        self.wake(Key::File(id.0), usize::MAX);
        self.tell_watchers(id, events);
    }

    /// The `EPOLL*` bits that hold now: `EPOLLIN`, `EPOLLOUT`, `EPOLLRDHUP`, `EPOLLHUP`,
    /// `EPOLLERR`, `EPOLLPRI`.
    pub(crate) fn readiness(&self, id: FileId) -> u32 {
        let Some(file) = self.find_file(id) else {
            return 0;
        };
        match &file.object {
            Object::Epoll(epoll) => self.epoll_readiness(epoll),
            Object::Alarm(alarm) => alarm.readiness(),
            Object::Counter(counter) => counter.readiness(),
            Object::Pipe(end) => self.pipe_readiness(end),
            Object::Socket(socket) => self.socket_readiness(*socket),
            Object::Disk(_) => (libc::EPOLLIN | libc::EPOLLOUT) as u32,
            Object::Gone => 0,
        }
    }

    /// Reads what is there; `EAGAIN` if that is nothing yet. Not of files on a disk.
    pub(crate) fn read_file(
        &mut self,
        id: FileId,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Result<usize, Errno> {
        match &mut self.file_mut(id).object {
            Object::Epoll(_) | Object::Disk(_) => Err(libc::EINVAL),
            Object::Gone => Err(libc::EIO),
            Object::Alarm(_) => self.alarm_read(id, bufs),
            Object::Counter(_) => self.counter_read(id, bufs),
            Object::Pipe(end) => {
                let end = *end;
                self.pipe_read(end, bufs)
            }
            Object::Socket(socket) => {
                let socket = *socket;
                self.socket_read(socket, bufs)
            }
        }
    }

    /// Writes what there is room for; `EAGAIN` if there is none. Not to files on a disk.
    pub(crate) fn write_file(&mut self, id: FileId, bufs: &[IoSlice<'_>]) -> Result<usize, Errno> {
        match &mut self.file_mut(id).object {
            Object::Epoll(_) | Object::Disk(_) | Object::Alarm(_) => Err(libc::EINVAL),
            Object::Gone => Err(libc::EIO),
            Object::Counter(_) => self.counter_write(id, bufs),
            Object::Pipe(end) => {
                let end = *end;
                self.pipe_write(end, bufs)
            }
            Object::Socket(socket) => {
                let socket = *socket;
                self.socket_write(socket, bufs)
            }
        }
    }
}

/// Copies from `from` into `bufs` until either is at its end; returns how much.
pub(crate) fn scatter(from: &[u8], bufs: &mut [IoSliceMut<'_>]) -> usize {
    let mut done = 0;
    for buf in bufs {
        let n = buf.len().min(from.len() - done);
        buf[..n].copy_from_slice(&from[done..done + n]);
        done += n;
    }
    done
}

/// Bytes in all of `bufs`.
pub(crate) fn total(bufs: &[IoSlice<'_>]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}

/// Bytes that fit into all of `bufs`.
pub(crate) fn room(bufs: &[IoSliceMut<'_>]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}
