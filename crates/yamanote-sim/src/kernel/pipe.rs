//! Pipes: bytes on their way from one end to the other within a host.
//!
//! One has 16 pages, as Linux's have: a write fills up the last if its odd bytes fit there, and
//! takes new ones for the rest. Up to `PIPE_BUF` bytes so are written all at once or not at all.
//!
//! A FIFO is one that a name leads to: it may have many ends, and none at times.
#![forbid(unsafe_code)]

use super::Kernel;
use super::files::{Errno, FileId, Object, room, total};
use super::host::Life;
use super::thread::Key;
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut, Read as _};

#[derive(Default)]
pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
    /// The pages that they are in.
    pages: VecDeque<Page>,
    /// The open files of its ends.
    readers: Vec<FileId>,
    writers: Vec<FileId>,
    /// How many of each it has had.
    readers_so_far: u32,
    writers_so_far: u32,
    /// The file on a disk that leads to it.
    name: Option<Fifo>,
}

/// A FIFO: the life of the host that has opened it, and the number of its inode.
type Fifo = (Life, u64);

#[derive(Debug, Clone, Copy)]
pub(crate) struct PipeEnd {
    pipe: u32,
    reads: bool,
    writes: bool,
    /// Opened to read before there was a writer, of whom there had been so many: what has not been
    /// there has not gone.
    ignores: Option<u32>,
    /// Opened while so many had been at the other side, and nobody was.
    awaits: Option<u32>,
}

/// The bytes of a page that have been written and not read.
#[derive(Debug, Clone, Copy)]
struct Page {
    start: usize,
    end: usize,
}

const PAGE: usize = 4096;
const PAGES: usize = 16;

/// Bytes that a pipe holds if every page is full.
pub(crate) const CAPACITY: usize = PAGES * PAGE;

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;

impl Pipe {
    fn is_full(&self) -> bool {
        self.pages.len() == PAGES
    }

    /// Finds places for up to so many bytes; returns how many.
    fn take_room(&mut self, wanted: usize) -> usize {
        let odd = wanted % PAGE;
        let mut found = 0;
        if let Some(last) = self.pages.back_mut() {
            if last.end + odd <= PAGE {
                last.end += odd;
                found = odd;
            }
        }
        while found < wanted && !self.is_full() {
            let end = (wanted - found).min(PAGE);
            self.pages.push_back(Page { start: 0, end });
            found += end;
        }
        found
    }

    /// So many bytes have been read. True if that made room where there was none.
    fn give_room(&mut self, mut read: usize) -> bool {
        let was_full = self.is_full();
        while read > 0 {
            let Some(first) = self.pages.front_mut() else {
                break;
            };
            let here = read.min(first.end - first.start);
            first.start += here;
            read -= here;
            if first.start == first.end {
                self.pages.pop_front();
            }
        }
        was_full && !self.is_full()
    }
}

impl Kernel {
    /// A new pipe's descriptors: that for reading, and that for writing.
    pub(crate) fn open_pipe(
        &mut self,
        life: Life,
        is_nonblocking: bool,
        closes_on_exec: bool,
    ) -> Result<(i32, i32), Errno> {
        let pipe = self.new_pipe(None);
        let nonblocking = if is_nonblocking { libc::O_NONBLOCK } else { 0 };
        let cloexec = if closes_on_exec { libc::O_CLOEXEC } else { 0 };
        let flags = nonblocking | cloexec;
        let reader = self.open_end(life, pipe, flags | libc::O_RDONLY);
        let writer = self.open_end(life, pipe, flags | libc::O_WRONLY);
        match (reader, writer) {
            (Ok((reader, _)), Ok((writer, _))) => Ok((reader, writer)),
            (Ok((alone, _)), Err(error)) | (Err(error), Ok((alone, _))) => {
                self.close(alone)?;
                Err(error)
            }
            (Err(error), Err(_)) => {
                self.forget_unused(pipe);
                Err(error)
            }
        }
    }

    /// An end of the FIFO that an inode is. Whoever opens one end waits for the other, as far as
    /// [`Kernel::fifo_opened`] says so.
    pub(crate) fn open_fifo(
        &mut self,
        life: Life,
        inode: u64,
        flags: i32,
    ) -> Result<(i32, FileId), Errno> {
        let name = Some((life, inode));
        let mut pipes = self.files.pipes.iter();
        let known = pipes.find(|(_, pipe)| pipe.name == name);
        let known = known.map(|(number, _)| *number);
        let has_reader = known.is_some_and(|pipe| !self.pipe(pipe).readers.is_empty());
        let is_nonblocking = flags & libc::O_NONBLOCK != 0;
        if flags & libc::O_ACCMODE == libc::O_WRONLY && is_nonblocking && !has_reader {
            return Err(libc::ENXIO);
        }
        let pipe = known.unwrap_or_else(|| self.new_pipe(name));
        let opened = self.open_end(life, pipe, flags);
        self.forget_unused(pipe);
        opened
    }

    /// `EAGAIN` until somebody has come to the other side.
    pub(crate) fn fifo_opened(&self, id: FileId) -> Result<(), Errno> {
        let Object::Pipe(end) = &self.file(id).object else {
            return Ok(());
        };
        let pipe = self.pipe(end.pipe);
        let so_far = match end.reads {
            true => pipe.writers_so_far,
            false => pipe.readers_so_far,
        };
        match end.awaits {
            Some(before) if before == so_far => Err(libc::EAGAIN),
            _ => Ok(()),
        }
    }

    fn new_pipe(&mut self, name: Option<Fifo>) -> u32 {
        // Numbers of pipes that are there differ.
        let last = self.files.pipes.last_key_value();
        let number = last.map_or(0, |(number, _)| number + 1);
        let pipe = Pipe {
            name,
            ..Pipe::default()
        };
        self.files.pipes.insert(number, pipe);
        number
    }

    fn forget_unused(&mut self, number: u32) {
        let pipe = self.pipe(number);
        if pipe.readers.is_empty() && pipe.writers.is_empty() {
            self.files.pipes.remove(&number);
        }
    }

    fn open_end(&mut self, life: Life, number: u32, flags: i32) -> Result<(i32, FileId), Errno> {
        let access = flags & libc::O_ACCMODE;
        let (reads, writes) = (access != libc::O_WRONLY, access != libc::O_RDONLY);
        let is_nonblocking = flags & libc::O_NONBLOCK != 0;
        let pipe = self.pipe(number);
        let is_alone = match (reads, writes) {
            (true, true) => false,
            (true, false) => pipe.name.is_some() && pipe.writers.is_empty(),
            (false, _) => pipe.name.is_some() && pipe.readers.is_empty(),
        };
        let so_far = match reads {
            true => pipe.writers_so_far,
            false => pipe.readers_so_far,
        };
        let end = PipeEnd {
            pipe: number,
            reads,
            writes,
            ignores: (is_alone && reads && is_nonblocking).then_some(so_far),
            awaits: (is_alone && !is_nonblocking).then_some(so_far),
        };
        let closes_on_exec = flags & libc::O_CLOEXEC != 0;
        let object = Object::Pipe(end);
        let (fd, id) = self.open_file(life, object, is_nonblocking, closes_on_exec)?;
        self.file_mut(id).flags = flags & (libc::O_ACCMODE | libc::O_APPEND);
        let pipe = self.pipe_mut(number);
        let is_first = (reads && pipe.readers.is_empty()) || (writes && pipe.writers.is_empty());
        if reads {
            pipe.readers.push(id);
            pipe.readers_so_far += 1;
        }
        if writes {
            pipe.writers.push(id);
            pipe.writers_so_far += 1;
        }
        if is_first {
            self.tell_readers(number, 0);
            // Whoever opens the other end may wait for this one.
            for writer in self.pipe(number).writers.clone() {
                self.wake(Key::File(writer.0), usize::MAX);
            }
        }
        Ok((fd, id))
    }

    fn pipe(&self, pipe: u32) -> &Pipe {
        self.files.pipes.get(&pipe).expect("an end is open")
    }

    fn pipe_mut(&mut self, pipe: u32) -> &mut Pipe {
        self.files.pipes.get_mut(&pipe).expect("an end is open")
    }

    fn tell_readers(&mut self, pipe: u32, events: u32) {
        for at in 0.. {
            let readers = &self.pipe(pipe).readers;
            let Some(reader) = readers.get(at).copied() else {
                break;
            };
            self.changed(reader, events);
        }
    }

    fn tell_writers(&mut self, pipe: u32, events: u32) {
        for at in 0.. {
            let writers = &self.pipe(pipe).writers;
            let Some(writer) = writers.get(at).copied() else {
                break;
            };
            self.changed(writer, events);
        }
    }

    pub(super) fn pipe_readiness(&self, end: &PipeEnd) -> u32 {
        let pipe = self.pipe(end.pipe);
        let bit = |holds: bool, bit: u32| if holds { bit } else { 0 };
        let mut ready = 0;
        if end.reads {
            let has_ended = pipe.writers.is_empty() && end.ignores != Some(pipe.writers_so_far);
            ready |= bit(!pipe.bytes.is_empty(), IN) | bit(has_ended, libc::EPOLLHUP as u32);
        }
        if end.writes {
            let is_broken = pipe.readers.is_empty();
            ready |= bit(!pipe.is_full(), OUT) | bit(is_broken, libc::EPOLLERR as u32);
        }
        ready
    }

    /// What `FIONREAD` shows.
    pub(crate) fn pipe_available(&self, end: PipeEnd) -> usize {
        self.pipe(end.pipe).bytes.len()
    }

    pub(super) fn pipe_read(
        &mut self,
        end: PipeEnd,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Result<usize, Errno> {
        if !end.reads {
            return Err(libc::EBADF);
        }
        let pipe = self.pipe_mut(end.pipe);
        if room(bufs) == 0 {
            return Ok(0);
        }
        if pipe.bytes.is_empty() {
            return match pipe.writers.is_empty() {
                false => Err(libc::EAGAIN),
                true => Ok(0),
            };
        }
        let mut done = 0;
        for buf in bufs {
            // Two parts, if the bytes go round the end of the ring.
            let mut n = pipe.bytes.read(buf).unwrap_or(0);
            n += pipe.bytes.read(&mut buf[n..]).unwrap_or(0);
            done += n;
        }
        if pipe.give_room(done) {
            self.tell_writers(end.pipe, OUT);
        }
        Ok(done)
    }

    pub(super) fn pipe_write(
        &mut self,
        end: PipeEnd,
        bufs: &[IoSlice<'_>],
    ) -> Result<usize, Errno> {
        if !end.writes {
            return Err(libc::EBADF);
        }
        let pipe = self.pipe_mut(end.pipe);
        let wanted = total(bufs);
        if wanted == 0 {
            return Ok(0);
        }
        if pipe.readers.is_empty() {
            return Err(libc::EPIPE);
        }
        let room = pipe.take_room(wanted);
        let mut left = room;
        for buf in bufs {
            let n = buf.len().min(left);
            pipe.bytes.extend(&buf[..n]);
            left -= n;
        }
        // Whoever watches is told of each write, even one that found no room, as by Linux.
        self.tell_readers(end.pipe, IN);
        match room {
            0 => Err(libc::EAGAIN),
            written => Ok(written),
        }
    }

    pub(super) fn pipe_close(&mut self, id: FileId, end: PipeEnd) {
        let pipe = self.pipe_mut(end.pipe);
        pipe.readers.retain(|file| *file != id);
        pipe.writers.retain(|file| *file != id);
        if pipe.readers.is_empty() != pipe.writers.is_empty() {
            self.tell_readers(end.pipe, 0);
            self.tell_writers(end.pipe, 0);
        }
        self.forget_unused(end.pipe);
    }
}
