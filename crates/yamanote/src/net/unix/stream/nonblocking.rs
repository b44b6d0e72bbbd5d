//! Readiness of a [`UnixStream`], and the operations that answer `WouldBlock` instead of waiting.
#![forbid(unsafe_code)]

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::task::{Context, Poll};

use bytes::BufMut;

use crate::io::evented::read_into_buf_mut;
use crate::io::{Interest, Ready};
use crate::net::UnixStream;

/// # Readiness and non-blocking operations
///
/// Wait for readiness, then try: because readiness is a hint, an attempt may still answer
/// [`WouldBlock`](io::ErrorKind::WouldBlock), which ends the readiness.
impl UnixStream {
    /// Waits until something of `interest` is ready, and returns what is. Any number of tasks may
    /// wait.
    ///
    /// # Errors
    ///
    /// If the runtime of the stream has shut down.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness stays until an operation answers `WouldBlock`, and the next call
    /// returns at once.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let event = self.io.registration().readiness(interest).await?;
        Ok(event.ready)
    }

    /// Waits until there is something to read: [`ready`](UnixStream::ready) for
    /// [`Interest::READABLE`].
    ///
    /// # Errors
    ///
    /// As [`ready`](UnixStream::ready). An error of the stream counts as readiness: the read that
    /// follows reports it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`ready`](UnixStream::ready).
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Polls for read readiness. Only the task of the last call is woken, and every method that
    /// polls for something to read counts as such a call.
    ///
    /// # Errors
    ///
    /// As [`readable`](UnixStream::readable).
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.registration().poll_read_ready(cx).map_ok(drop)
    }

    /// Waits until there is room to write: [`ready`](UnixStream::ready) for [`Interest::WRITABLE`].
    ///
    /// # Errors
    ///
    /// As [`ready`](UnixStream::ready). An error of the stream counts as readiness: the write that
    /// follows reports it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`ready`](UnixStream::ready).
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Polls for write readiness. Only the task of the last call is woken, and every method that
    /// polls for room to write counts as such a call.
    ///
    /// # Errors
    ///
    /// As [`writable`](UnixStream::writable).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.registration().poll_write_ready(cx).map_ok(drop)
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

    /// Like [`try_read`](UnixStream::try_read), into several buffers, one after the other.
    ///
    /// # Errors
    ///
    /// As [`try_read`](UnixStream::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.io
            .registration()
            .try_io(Interest::READABLE, || (&*self.io).read_vectored(bufs))
    }

    /// Like [`try_read`](UnixStream::try_read), into the room of a [`BufMut`], which is advanced.
    ///
    /// # Errors
    ///
    /// As [`try_read`](UnixStream::try_read).
    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.io
            .registration()
            .try_io(Interest::READABLE, || read_into_buf_mut(&*self.io, buf))
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

    /// Like [`try_write`](UnixStream::try_write), from several buffers, one after the other.
    ///
    /// # Errors
    ///
    /// As [`try_write`](UnixStream::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.io
            .registration()
            .try_io(Interest::WRITABLE, || (&*self.io).write_vectored(bufs))
    }

    /// Calls `f`, an operation on the descriptor of this stream, once if the stream is believed to
    /// be ready for `interest`, and ends that belief if `f` answers `WouldBlock`.
    ///
    /// `f` must answer `WouldBlock` only if the stream does, and must not use the other methods of
    /// this stream.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, without calling `f`, if the stream is not known to be ready; otherwise what
    /// `f` answers.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        f: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.io.registration().try_io(interest, f)
    }

    /// Waits for `interest` and calls `f`, an operation on the descriptor of this stream, again and
    /// again until `f` answers anything but `WouldBlock`. The rules of
    /// [`try_io`](UnixStream::try_io) hold for `f`.
    ///
    /// # Errors
    ///
    /// What `f` answers, except `WouldBlock`; and if the runtime of the stream has shut down.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: once `f` has succeeded, the result is returned without another wait.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        f: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.io.registration().async_io(interest, f).await
    }
}
