//! Pipes: bytes on their way from one end to the other within a host.
//!
//! One has 16 pages, as Linux's have: a write fills up the last if its odd bytes fit there, and
//! takes new ones for the rest. Up to `PIPE_BUF` bytes so are written all at once or not at all.
#![forbid(unsafe_code)]

use super::Kernel;
use super::files::{Errno, FileId, Object, room, total};
use super::host::Life;
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut, Read as _};

pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
    /// The pages that they are in.
    pages: VecDeque<Page>,
    /// The open files of its ends; `None` of one that is closed.
    reader: Option<FileId>,
    writer: Option<FileId>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct PipeEnd {
    pipe: u32,
    is_writer: bool,
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
        // Numbers of ends that are open differ.
        let last = self.files.pipes.last_key_value();
        let pipe = last.map_or(0, |(number, _)| number + 1);
        let end = |is_writer| Object::Pipe(PipeEnd { pipe, is_writer });
        let (read_fd, reader) = self.open_file(life, end(false), is_nonblocking, closes_on_exec)?;
        self.file_mut(reader).flags = libc::O_RDONLY;
        let opened = Pipe {
            bytes: VecDeque::new(),
            pages: VecDeque::new(),
            reader: Some(reader),
            writer: None,
        };
        self.files.pipes.insert(pipe, opened);
        match self.open_file(life, end(true), is_nonblocking, closes_on_exec) {
            Ok((write_fd, writer)) => {
                self.file_mut(writer).flags = libc::O_WRONLY;
                self.pipe_mut(pipe).writer = Some(writer);
                Ok((read_fd, write_fd))
            }
            Err(error) => {
                self.close(read_fd)?;
                Err(error)
            }
        }
    }

    fn pipe(&self, pipe: u32) -> &Pipe {
        self.files.pipes.get(&pipe).expect("an end is open")
    }

    fn pipe_mut(&mut self, pipe: u32) -> &mut Pipe {
        self.files.pipes.get_mut(&pipe).expect("an end is open")
    }

    pub(super) fn pipe_readiness(&self, end: &PipeEnd) -> u32 {
        let pipe = self.pipe(end.pipe);
        let bit = |holds: bool, bit: u32| if holds { bit } else { 0 };
        if end.is_writer {
            bit(!pipe.is_full(), OUT) | bit(pipe.reader.is_none(), libc::EPOLLERR as u32)
        } else {
            bit(!pipe.bytes.is_empty(), IN) | bit(pipe.writer.is_none(), libc::EPOLLHUP as u32)
        }
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
        if end.is_writer {
            return Err(libc::EBADF);
        }
        let pipe = self.pipe_mut(end.pipe);
        if room(bufs) == 0 {
            return Ok(0);
        }
        if pipe.bytes.is_empty() {
            return match pipe.writer {
                Some(_) => Err(libc::EAGAIN),
                None => Ok(0),
            };
        }
        let mut done = 0;
        for buf in bufs {
            // Two parts, if the bytes go round the end of the ring.
            let mut n = pipe.bytes.read(buf).unwrap_or(0);
            n += pipe.bytes.read(&mut buf[n..]).unwrap_or(0);
            done += n;
        }
        let has_room_again = pipe.give_room(done);
        if let Some(writer) = pipe.writer.filter(|_| has_room_again) {
            self.changed(writer, OUT);
        }
        Ok(done)
    }

    pub(super) fn pipe_write(
        &mut self,
        end: PipeEnd,
        bufs: &[IoSlice<'_>],
    ) -> Result<usize, Errno> {
        if !end.is_writer {
            return Err(libc::EBADF);
        }
        let pipe = self.pipe_mut(end.pipe);
        let wanted = total(bufs);
        if wanted == 0 {
            return Ok(0);
        }
        let Some(reader) = pipe.reader else {
            return Err(libc::EPIPE);
        };
        let room = pipe.take_room(wanted);
        let mut left = room;
        for buf in bufs {
            let n = buf.len().min(left);
            pipe.bytes.extend(&buf[..n]);
            left -= n;
        }
        // Whoever watches is told of each write, even one that found no room, as by Linux.
        self.changed(reader, IN);
        match room {
            0 => Err(libc::EAGAIN),
            written => Ok(written),
        }
    }

    pub(super) fn pipe_close(&mut self, end: PipeEnd) {
        let pipe = self.pipe_mut(end.pipe);
        let (this, other) = match end.is_writer {
            true => (&mut pipe.writer, pipe.reader),
            false => (&mut pipe.reader, pipe.writer),
        };
        *this = None;
        match other {
            Some(other) => self.changed(other, 0),
            None => drop(self.files.pipes.remove(&end.pipe)),
        }
    }
}
