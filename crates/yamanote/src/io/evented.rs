//! A non-blocking source in the current runtime's readiness set.

use std::fmt;
use std::io::{self, IoSlice, Write};
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Context, Poll};

use bytes::BufMut;
use mio::event::Source;

pub use crate::runtime::driver::readiness::{Interest, Ready};

use super::ReadBuf;
use super::read_buf::poll_buf_mut;
use super::splice::Splicer;
use super::transfer::{Mover, Operation, ReadyEnd};
use crate::runtime::context;
use crate::runtime::driver::readiness::{Direction, Registration};
use crate::sys::child_pipe::ChildPipe;
use crate::sys::net::ReadUninit;

/// A source together with its registration. Dropping it takes the source out of the set before it
/// is closed.
pub(crate) struct Evented<E: Source> {
    /// Empty only once [`into_inner`](Evented::into_inner) took it.
    io: Option<E>,
    registration: Registration,
}

/// Registers `io` with the current runtime.
///
/// # Panics
///
/// Outside a runtime, and in one that was built without `enable_io`.
#[track_caller]
pub(crate) fn register(io: &mut impl Source, interest: Interest) -> io::Result<Registration> {
    context::with_io(|_, readiness| Registration::new(readiness, io, interest))
}

impl<E: Source> Evented<E> {
    /// Registers `io`, which must be non-blocking, for reading and writing. Panics like
    /// [`register`].
    #[track_caller]
    pub(crate) fn new(io: E) -> io::Result<Self> {
        Evented::with_interest(io, Interest::READABLE | Interest::WRITABLE)
    }

    /// Like [`new`](Evented::new), for a source with one direction.
    #[track_caller]
    pub(crate) fn with_interest(mut io: E, interest: Interest) -> io::Result<Self> {
        let registration = register(&mut io, interest)?;
        Ok(Evented {
            io: Some(io),
            registration,
        })
    }

    /// Like [`with_interest`](Evented::with_interest), for a source whose closed halves may open
    /// again; see [`Registration::that_may_reopen`].
    #[track_caller]
    pub(crate) fn that_may_reopen(mut io: E, interest: Interest) -> io::Result<Self> {
        let registration = register(&mut io, interest)?.that_may_reopen();
        Ok(Evented {
            io: Some(io),
            registration,
        })
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.registration
    }

    /// Takes the source out of the set and returns it.
    pub(crate) fn into_inner(mut self) -> io::Result<E> {
        let mut io = self.io.take().expect("taken only here");
        self.registration.deregister(&mut io)?;
        Ok(io)
    }

    /// One read into the unfilled part of `buf`, as [`AsyncRead`](super::AsyncRead) wants it.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>>
    where
        E: ReadUninit,
    {
        let room = buf.remaining();
        let read = self
            .registration
            .poll_stream_io(cx, Direction::Read, room, || read_into(&**self, buf));
        read.map_ok(drop)
    }

    /// One write of `buf`, as [`AsyncWrite`](super::AsyncWrite) wants it.
    pub(crate) fn poll_write<'a>(
        &'a self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>>
    where
        &'a E: Write,
    {
        self.registration
            .poll_stream_io(cx, Direction::Write, buf.len(), || (&**self).write(buf))
    }

    /// One write of all `bufs`, or of as many as the kernel takes at a time.
    pub(crate) fn poll_write_vectored<'a>(
        &'a self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>
    where
        &'a E: Write,
    {
        let offered = bufs.iter().take(SLICES_PER_CALL).map(|buf| buf.len()).sum();
        self.registration
            .poll_stream_io(cx, Direction::Write, offered, || {
                (&**self).write_vectored(bufs)
            })
    }
}

/// A kind of source that a copy may leave to the kernel.
pub(crate) trait Lendable: Source + AsFd {
    /// See [`ReadyEnd::is_pipe`].
    const IS_PIPE: bool;
}

impl Lendable for mio::net::TcpStream {
    const IS_PIPE: bool = false;
}

impl Lendable for mio::net::UnixStream {
    const IS_PIPE: bool = false;
}

impl Lendable for mio::unix::pipe::Receiver {
    const IS_PIPE: bool = true;
}

impl Lendable for mio::unix::pipe::Sender {
    const IS_PIPE: bool = true;
}

impl Lendable for ChildPipe {
    const IS_PIPE: bool = true;
}

impl<E: Lendable> ReadyEnd for Evented<E> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn is_pipe(&self) -> bool {
        E::IS_PIPE
    }

    fn mover(&self) -> Option<Box<dyn Mover>> {
        Some(Box::new(Splicer::new()?))
    }

    fn is_readable(&self) -> bool {
        self.registration.is_ready(Direction::Read)
    }

    fn is_writable(&self) -> bool {
        self.registration.is_ready(Direction::Write)
    }

    fn poll_write_io(
        &self,
        cx: &mut Context<'_>,
        operation: Operation<'_>,
    ) -> Poll<io::Result<usize>> {
        self.registration
            .poll_write_io(cx, || operation(self.as_fd()))
    }
}

/// What one vectored system call takes at most (IOV_MAX); the standard library passes no more.
const SLICES_PER_CALL: usize = 1024;

/// One read into the unfilled part of `buf`; the bytes read count as filled afterwards.
pub(crate) fn read_into(io: &impl ReadUninit, buf: &mut ReadBuf<'_>) -> io::Result<usize> {
    // SAFETY: `read_uninit` leaves initialized bytes initialized.
    let read = io.read_uninit(unsafe { buf.unfilled_mut() })?;
    // SAFETY: `read_uninit` has initialized the first `read` bytes of the unfilled part.
    unsafe { buf.assume_init(read) };
    buf.advance(read);
    Ok(read)
}

/// One read into the room of `buf`, which is advanced by the bytes read.
pub(crate) fn read_into_buf_mut(io: &impl ReadUninit, buf: &mut impl BufMut) -> io::Result<usize> {
    let read = poll_buf_mut(buf, |room| Poll::Ready(read_into(io, room).map(drop)));
    match read {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("a read that does not wait"),
    }
}

impl<E: Source> Deref for Evented<E> {
    type Target = E;

    fn deref(&self) -> &E {
        self.io.as_ref().expect("taken only by into_inner")
    }
}

impl<E: Source> Drop for Evented<E> {
    fn drop(&mut self) {
        if let Some(io) = &mut self.io {
            // The descriptor is about to be closed; nobody is left to report a failure to.
            let _ = self.registration.deregister(io);
        }
    }
}

// A panic in the middle of an operation leaves nothing half done: the state is the kernel's.
impl<E: Source> UnwindSafe for Evented<E> {}
impl<E: Source> RefUnwindSafe for Evented<E> {}

impl<E: Source + fmt::Debug> fmt::Debug for Evented<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evented")
            .field("io", &self.io)
            .finish_non_exhaustive()
    }
}
