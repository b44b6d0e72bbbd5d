//! How a copy finds out that its ends are descriptors, between which the kernel can move bytes.
//!
//! A reader that is a descriptor, or passes on only and exactly what another reader gives, lends it
//! for the time of a visit ([`AsyncRead::lend_source`](super::AsyncRead::lend_source)), and so does
//! a writer ([`AsyncWrite::lend_sink`](super::AsyncWrite::lend_sink)). Whoever says nothing, as the
//! types of other crates, lends nothing, and gets every byte by `poll_read` and `poll_write`.
#![forbid(unsafe_code)]

mod mover;
pub(crate) use mover::{Ends, Moved, Mover, Next};

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};

/// The end of a copy that is read from, lent for a visit.
pub struct Source<'a> {
    end: End<'a>,
    most: u64,
    taken: u64,
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
}

impl<'a> End<'a> {
    pub(crate) fn if_ready(self) -> Option<&'a dyn ReadyEnd> {
        match self {
            End::Ready(end) => Some(end),
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

    /// Calls `operation` whenever there may be something to read, until it answers anything but
    /// `WouldBlock`.
    #[expect(dead_code, reason = "the copies of files wait like this")]
    fn poll_read_io(
        &self,
        cx: &mut Context<'_>,
        operation: Operation<'_>,
    ) -> Poll<io::Result<usize>>;

    /// The same for room to write.
    #[expect(dead_code, reason = "the copies of files wait like this")]
    fn poll_write_io(
        &self,
        cx: &mut Context<'_>,
        operation: Operation<'_>,
    ) -> Poll<io::Result<usize>>;
}

/// One try to move bytes; returns how many.
pub(crate) type Operation<'a> = &'a mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>;

impl<'a> Source<'a> {
    pub(crate) fn ready(end: &'a dyn ReadyEnd) -> Source<'a> {
        Source {
            end: End::Ready(end),
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
        self.taken += count;
    }

    /// Lends on at most `limit` bytes, and lowers `limit` by what was taken.
    pub(crate) fn lend_limited(&mut self, limit: &mut u64, user: &mut dyn FnMut(&mut Source<'_>)) {
        let mut limited = Source {
            end: self.end,
            most: self.most.min(*limit),
            taken: 0,
        };
        user(&mut limited);
        *limit -= limited.taken;
        self.take(limited.taken);
    }
}

impl<'a> Sink<'a> {
    pub(crate) fn ready(end: &'a dyn ReadyEnd) -> Sink<'a> {
        Sink {
            end: End::Ready(end),
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
