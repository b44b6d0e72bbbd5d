//! The end of a pipe to read from: [`Receiver`].
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, IoSliceMut, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BufMut;

use super::{checked, set_blocking};
use crate::io::evented::{Evented, read_into_buf_mut};
use crate::io::transfer::Source;
use crate::io::{AsyncRead, Interest, ReadBuf, Ready};
use crate::net::std_traits::descriptor_traits;

/// The end of a pipe to read from.
///
/// It is made by [`pipe`](super::pipe), by [`OpenOptions::open_receiver`](super::OpenOptions), or
/// from a descriptor.
///
/// When all senders are gone it reads the end of the stream. A FIFO may get another sender later:
/// before the first one comes a read waits, and between two senders it returns `Ok(0)` at once. To
/// wait instead, open it with [`read_write`](super::OpenOptions::read_write).
///
/// # Examples
///
/// Commands from whoever writes to a FIFO, made by `mkfifo /run/commands`:
///
/// ```no_run
/// use yamanote::io::{AsyncBufReadExt, BufReader};
/// use yamanote::net::unix::pipe;
///
/// # async fn example() -> std::io::Result<()> {
/// // Also a sender itself, so that it does not end between two others.
/// let receiver = pipe::OpenOptions::new().read_write(true).open_receiver("/run/commands")?;
/// let mut commands = BufReader::new(receiver).lines();
/// while let Some(command) = commands.next_line().await? {
///     println!("{command}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Receiver {
    io: Evented<mio::unix::pipe::Receiver>,
}

impl Receiver {
    #[track_caller]
    pub(super) fn new(pipe: mio::unix::pipe::Receiver) -> io::Result<Receiver> {
        Ok(Receiver {
            io: Evented::that_may_reopen(pipe, Interest::READABLE)?,
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
    pub fn from_file(file: File) -> io::Result<Receiver> {
        Receiver::from_owned_fd(file.into())
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
    pub fn from_owned_fd(owned_fd: OwnedFd) -> io::Result<Receiver> {
        Receiver::from_owned_fd_unchecked(checked(
            owned_fd,
            [libc::O_RDONLY, libc::O_RDWR],
            "not in O_RDONLY or O_RDWR access mode",
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
    pub fn from_file_unchecked(file: File) -> io::Result<Receiver> {
        Receiver::from_owned_fd_unchecked(file.into())
    }

    /// Takes a descriptor without looking at it; as
    /// [`from_file_unchecked`](Receiver::from_file_unchecked).
    ///
    /// # Errors
    ///
    /// If the kernel cannot watch it, such as a regular file (EPERM).
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn from_owned_fd_unchecked(owned_fd: OwnedFd) -> io::Result<Receiver> {
        Receiver::new(owned_fd.into())
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

    /// Waits until there is something to read: [`ready`](Receiver::ready) for
    /// [`Interest::READABLE`].
    ///
    /// # Errors
    ///
    /// As [`ready`](Receiver::ready). An error of the pipe counts as readiness: the read that
    /// follows reports it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`ready`](Receiver::ready).
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Polls for read readiness. Only the task of the last call is woken, and every method that
    /// polls for something to read counts as such a call.
    ///
    /// # Errors
    ///
    /// As [`readable`](Receiver::readable).
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.registration().poll_read_ready(cx).map_ok(drop)
    }

    /// Reads what is there. `Ok(0)` is the end of the stream, or an empty `buf`.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing to read; those of read(2).
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io
            .registration()
            .try_io(Interest::READABLE, || (&*self.io).read(buf))
    }

    /// Like [`try_read`](Receiver::try_read), into several buffers, one after the other.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Receiver::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.io
            .registration()
            .try_io(Interest::READABLE, || (&*self.io).read_vectored(bufs))
    }

    /// Like [`try_read`](Receiver::try_read), into the room of a [`BufMut`], which is advanced.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Receiver::try_read).
    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.io
            .registration()
            .try_io(Interest::READABLE, || read_into_buf_mut(&*self.io, buf))
    }

    /// Calls `f`, an operation that reads from this descriptor, once if the pipe is believed to
    /// have something to read, and ends that belief if `f` answers `WouldBlock`.
    ///
    /// `f` must answer `WouldBlock` only if the pipe does, and must not use the other methods of
    /// this receiver.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, without calling `f`, if the pipe is not known to be ready; otherwise what `f`
    /// answers.
    pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.io.registration().try_io(Interest::READABLE, f)
    }
}

impl AsyncRead for Receiver {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().io.poll_read(cx, buf)
    }

    fn lend_source(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        user(&mut Source::ready(&self.io));
    }
}

descriptor_traits!(Receiver, io);
