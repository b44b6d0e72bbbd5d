//! How a copy finds out that its ends are descriptors, between which the kernel can move bytes.
//!
//! A reader that is a descriptor, or passes on only and exactly what another reader gives, lends it
//! for the time of a visit ([`AsyncRead::lend_source`](super::AsyncRead::lend_source)), and so does
//! a writer ([`AsyncWrite::lend_sink`](super::AsyncWrite::lend_sink)). Whoever says nothing, as the
//! types of other crates, lends nothing, and gets every byte by `poll_read` and `poll_write`.
#![forbid(unsafe_code)]

mod mover;
pub(crate) use mover::{Ends, Moved, Mover, Next, SmallMoves};

use std::any::Any;
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};

/// The end of a copy that is read from, lent for a visit.
pub struct Source<'a> {
    end: End<'a>,
    most: u64,
    /// Less than zero if more was given back than taken.
    taken: i64,
}

/// The end of a copy that is written to, lent for a visit.
pub struct Sink<'a> {
    end: End<'a>,
    after_flush: bool,
}

/// What is lent.
#[derive(Clone, Copy)]
pub(crate) enum End<'a> {
    Ready(&'a dyn ReadyEnd),
    File(&'a dyn FileEnd),
}

impl<'a> End<'a> {
    pub(crate) fn if_ready(self) -> Option<&'a dyn ReadyEnd> {
        match self {
            End::Ready(end) => Some(end),
            End::File(_) => None,
        }
    }
}

/// A non-blocking descriptor with its registration.
pub(crate) trait ReadyEnd {
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// Made as a pipe. What a program declared to be one may be something else all the same.
    fn is_pipe(&self) -> bool;

    /// What moves bytes from this end to another [`ReadyEnd`], if anything may.
    fn mover(&self) -> Option<Box<dyn Mover>>;

    /// Whether there may be something to read. Asks nobody.
    fn is_readable(&self) -> bool;

    /// Whether there may be room to write. Asks nobody.
    fn is_writable(&self) -> bool;

    /// Calls `operation` whenever there may be room to write, until it answers anything but
    /// `WouldBlock`.
    fn poll_write_io(
        &self,
        cx: &mut Context<'_>,
        operation: Operation<'_>,
    ) -> Poll<io::Result<usize>>;
}

/// A file, which may make its caller wait, and knows what moves its bytes without that.
pub(crate) trait FileEnd {
    /// For the file on the other side, which wants to know its own kind.
    fn as_any(&self) -> &dyn Any;

    /// What moves bytes from this file to another, if anything may.
    fn mover_to_file(&self, sink: &dyn FileEnd) -> Option<Box<dyn Mover>>;

    /// The same from this file to a [`ReadyEnd`].
    fn mover_to_ready(&self) -> Option<Box<dyn Mover>>;

    /// The same from a [`ReadyEnd`] to this file.
    fn mover_from_ready(&self) -> Option<Box<dyn Mover>>;
}

/// One try to move bytes; returns how many.
pub(crate) type Operation<'a> = &'a mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>;

impl<'a> Source<'a> {
    pub(crate) fn ready(end: &'a dyn ReadyEnd) -> Source<'a> {
        Source::new(End::Ready(end))
    }

    pub(crate) fn file(end: &'a dyn FileEnd) -> Source<'a> {
        Source::new(End::File(end))
    }

    fn new(end: End<'a>) -> Source<'a> {
        Source {
            end,
            most: u64::MAX,
            taken: 0,
        }
    }

    pub(crate) fn end(&self) -> End<'a> {
        self.end
    }

    /// How many bytes may be taken.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// Says that `count` bytes were taken from the end.
    pub(crate) fn take(&mut self, count: u64) {
        self.most -= count;
        self.taken += count as i64;
    }

    /// Says that `count` bytes that were taken in an earlier visit are in the end all the same.
    pub(crate) fn give_back(&mut self, count: u64) {
        self.most = self.most.saturating_add(count);
        self.taken -= count as i64;
    }

    /// Lends on at most `limit` bytes, and lowers `limit` by what was taken.
    pub(crate) fn lend_limited(&mut self, limit: &mut u64, user: &mut dyn FnMut(&mut Source<'_>)) {
        let mut limited = Source {
            end: self.end,
            most: self.most.min(*limit),
            taken: 0,
        };
        user(&mut limited);
        let taken = limited.taken;
        *limit = limit.saturating_add_signed(-taken);
        self.most = self.most.saturating_add_signed(-taken);
        self.taken += taken;
    }
}

impl<'a> Sink<'a> {
    pub(crate) fn ready(end: &'a dyn ReadyEnd) -> Sink<'a> {
        Sink::new(End::Ready(end))
    }

    pub(crate) fn file(end: &'a dyn FileEnd) -> Sink<'a> {
        Sink::new(End::File(end))
    }

    fn new(end: End<'a>) -> Sink<'a> {
        Sink {
            end,
            after_flush: false,
        }
    }

    pub(crate) fn end(&self) -> End<'a> {
        self.end
    }

    /// Nothing may go to the end before the writer was flushed: it has bytes in its buffer.
    pub(crate) fn is_after_flush(&self) -> bool {
        self.after_flush
    }

    /// Lends on what may be written to only after a flush.
    pub(crate) fn lend_after_flush(&mut self, user: &mut dyn FnMut(&mut Sink<'_>)) {
        user(&mut Sink {
            end: self.end,
            after_flush: true,
        });
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("most", &self.most)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Sink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink")
            .field("after_flush", &self.after_flush)
            .finish_non_exhaustive()
    }
}
