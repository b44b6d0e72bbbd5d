//! A non-blocking source in the current runtime's readiness set.

use std::fmt;
use std::io::{self, IoSlice, Write};
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use mio::event::Source;

pub use crate::runtime::driver::readiness::{Interest, Ready};

use super::ReadBuf;
use super::read_buf::poll_buf_mut;
use crate::runtime::context;
use crate::runtime::driver::readiness::Registration;
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
    let registered = context::with_current(|handle| {
        let readiness = handle.driver_handle().io()?;
        Some(Registration::new(readiness, io, interest))
    });
    match registered {
        Ok(Some(registration)) => registration,
        Ok(None) => panic!(
            "A Tokio 1.x context was found, but IO is disabled. \
             Call `enable_io` on the runtime builder to enable IO."
        ),
        Err(no_runtime) => panic!("{no_runtime}"),
    }
}

impl<E: Source> Evented<E> {
    /// Registers `io`, which must be non-blocking, for reading and writing. Panics as [`register`].
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
        loop {
            let event = ready!(self.registration.poll_read_ready(cx))?;
            let room = buf.remaining();
            match read_into(&**self, buf) {
                Ok(read) => {
                    // A short read has emptied the socket: what comes later brings an event, so
                    // the next read need not find out with a system call.
                    if 0 < read && read < room {
                        self.registration.clear_readiness(event);
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.registration.clear_readiness(event);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
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
        self.poll_write_with(cx, buf.len(), |mut io| io.write(buf))
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
        self.poll_write_with(cx, offered, |mut io| io.write_vectored(bufs))
    }

    fn poll_write_with<'a>(
        &'a self,
        cx: &mut Context<'_>,
        offered: usize,
        mut write: impl FnMut(&'a E) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let event = ready!(self.registration.poll_write_ready(cx))?;
            match write(self) {
                Ok(written) => {
                    // A short write has filled the socket's buffer: there will be an event when it
                    // has room again.
                    if 0 < written && written < offered {
                        self.registration.clear_readiness(event);
                    }
                    return Poll::Ready(Ok(written));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.registration.clear_readiness(event);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
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
            // The descriptor is about to be closed; nobody is left to tell of a failure.
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
