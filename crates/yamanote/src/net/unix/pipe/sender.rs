//! The end of a pipe to write to: [`Sender`].
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{checked, set_blocking};
use crate::io::evented::Evented;
use crate::io::transfer::Sink;
use crate::io::{AsyncWrite, Interest, Ready};
use crate::net::std_traits::descriptor_traits;

/// The end of a pipe to write to.
///
/// It is made by [`pipe`](super::pipe), by [`OpenOptions::open_sender`](super::OpenOptions), or
/// from a descriptor. Writing is not buffered: what a write has accepted is in the pipe, and up to
/// 4,096 bytes (`PIPE_BUF`) are accepted all or not at all. Readers see the end of the stream when
/// all senders are dropped; `shutdown` does nothing.
///
/// Without a reader a write fails with `BrokenPipe` (and the signal SIGPIPE, which Rust programs
/// ignore). A FIFO may get another reader later, and then writes go on.
///
/// # Examples
///
/// A FIFO has no reader until somebody opens its other end, and cannot be opened before:
///
/// ```no_run
/// use yamanote::io::AsyncWriteExt;
/// use yamanote::net::unix::pipe;
///
/// # async fn example() -> std::io::Result<()> {
/// match pipe::OpenOptions::new().open_sender("/run/commands") {
///     Ok(mut sender) => sender.write_all(b"reload\n").await?,
///     Err(error) => println!("nobody listens: {error}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Sender {
    io: Evented<mio::unix::pipe::Sender>,
}

impl Sender {
    #[track_caller]
    pub(super) fn new(pipe: mio::unix::pipe::Sender) -> io::Result<Sender> {
        Ok(Sender {
            io: Evented::that_may_reopen(pipe, Interest::WRITABLE)?,
        })
    }

    /// Takes a file that is this end of a pipe, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is not a pipe, or not open for this direction.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn from_file(file: File) -> io::Result<Sender> {
        Sender::from_owned_fd(file.into())
    }

    /// Takes a descriptor that is this end of a pipe, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is not a pipe, or not open for this direction.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn from_owned_fd(owned_fd: OwnedFd) -> io::Result<Sender> {
        Sender::from_owned_fd_unchecked(checked(
            owned_fd,
            [libc::O_WRONLY, libc::O_RDWR],
            "not in O_WRONLY or O_RDWR access mode",
        )?)
    }

    /// Takes a file without looking at it. It should be this end of a pipe, open for this
    /// direction and non-blocking: a blocking one stops the thread, and with it every other
    /// task on it.
    ///
    /// # Errors
    ///
    /// If the kernel cannot watch it, such as a regular file (EPERM).
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn from_file_unchecked(file: File) -> io::Result<Sender> {
        Sender::from_owned_fd_unchecked(file.into())
    }

    /// Takes a descriptor without looking at it; as
    /// [`from_file_unchecked`](Sender::from_file_unchecked).
    ///
    /// # Errors
    ///
    /// If the kernel cannot watch it, such as a regular file (EPERM).
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn from_owned_fd_unchecked(owned_fd: OwnedFd) -> io::Result<Sender> {
        Sender::new(owned_fd.into())
    }

    /// Takes this out of the runtime and makes it blocking, as child processes expect. All
    /// descriptors of this open file change with it.
    ///
    /// # Errors
    ///
    /// Those of the system calls; the descriptor is closed then.
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let fd = self.into_nonblocking_fd()?;
        set_blocking(fd.as_fd())?;
        Ok(fd)
    }

    /// Takes this out of the runtime as it is, non-blocking.
    ///
    /// # Errors
    ///
    /// Those of epoll_ctl(2); the descriptor is closed then.
    pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
        self.io.into_inner().map(OwnedFd::from)
    }

    /// Waits until something of `interest` is ready, and returns what is. Any number of tasks may
    /// wait.
    ///
    /// # Errors
    ///
    /// If the runtime of the pipe has shut down.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness stays until an operation answers `WouldBlock`, and the next call
    /// returns at once.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let event = self.io.registration().readiness(interest).await?;
        Ok(event.ready)
    }

    /// Waits until there is room to write: [`ready`](Sender::ready) for [`Interest::WRITABLE`].
    ///
    /// # Errors
    ///
    /// As [`ready`](Sender::ready). An error of the pipe counts as readiness: the write that
    /// follows reports it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`ready`](Sender::ready).
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Polls for write readiness. Only the task of the last call is woken, and every method that
    /// polls for room to write counts as such a call.
    ///
    /// # Errors
    ///
    /// As [`writable`](Sender::writable).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.registration().poll_write_ready(cx).map_ok(drop)
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; those of write(2).
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.io
            .registration()
            .try_io(Interest::WRITABLE, || (&*self.io).write(buf))
    }

    /// Like [`try_write`](Sender::try_write), from several buffers, one after the other.
    ///
    /// # Errors
    ///
    /// As [`try_write`](Sender::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.io
            .registration()
            .try_io(Interest::WRITABLE, || (&*self.io).write_vectored(bufs))
    }

    /// Calls `f`, an operation that writes to this descriptor, once if the pipe is believed to have
    /// room, and ends that belief if `f` answers `WouldBlock`.
    ///
    /// `f` must answer `WouldBlock` only if the pipe does, and must not use the other methods of
    /// this sender.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, without calling `f`, if the pipe is not known to be ready; otherwise what `f`
    /// answers.
    pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.io.registration().try_io(Interest::WRITABLE, f)
    }
}

impl AsyncWrite for Sender {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().io.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().io.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: what was written is in the kernel.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Does nothing: a pipe has no half to close, it ends with the descriptor.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn lend_sink(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Sink<'_>)) {
        user(&mut Sink::ready(&self.io));
    }
}

descriptor_traits!(Sender, io);
