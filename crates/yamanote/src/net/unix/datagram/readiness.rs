//! Readiness of a [`UnixDatagram`], and operations of the caller's own.
#![forbid(unsafe_code)]

use std::io;
use std::task::{Context, Poll};

use crate::io::{Interest, Ready};
use crate::net::UnixDatagram;

/// # Readiness
impl UnixDatagram {
    /// Waits until something of `interest` is ready, and returns what is. Any number of tasks may
    /// wait.
    ///
    /// # Errors
    ///
    /// If the runtime of the socket has shut down.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness stays until an operation answers `WouldBlock`, and the next call
    /// returns at once.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let event = self.io.registration().readiness(interest).await?;
        Ok(event.ready)
    }

    /// Waits until there is something to read: [`ready`](UnixDatagram::ready) for
    /// [`Interest::READABLE`].
    ///
    /// # Errors
    ///
    /// As [`ready`](UnixDatagram::ready). An error of the socket counts as readiness: the read that
    /// follows reports it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`ready`](UnixDatagram::ready).
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Polls for read readiness. Only the task of the last call is woken, and every method that
    /// polls for something to read counts as such a call.
    ///
    /// # Errors
    ///
    /// As [`readable`](UnixDatagram::readable).
    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.registration().poll_read_ready(cx).map_ok(drop)
    }

    /// Waits until there is room to write: [`ready`](UnixDatagram::ready) for
    /// [`Interest::WRITABLE`].
    ///
    /// # Errors
    ///
    /// As [`ready`](UnixDatagram::ready). An error of the socket counts as readiness: the write
    /// that follows reports it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`ready`](UnixDatagram::ready).
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Polls for write readiness. Only the task of the last call is woken, and every method that
    /// polls for room to write counts as such a call.
    ///
    /// # Errors
    ///
    /// As [`writable`](UnixDatagram::writable).
    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.registration().poll_write_ready(cx).map_ok(drop)
    }

    /// Calls `f`, an operation on the descriptor of this socket, once if the socket is believed to
    /// be ready for `interest`, and ends that belief if `f` answers `WouldBlock`.
    ///
    /// `f` must answer `WouldBlock` only if the socket does, and must not use the other methods of
    /// this socket.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, without calling `f`, if the socket is not known to be ready; otherwise what
    /// `f` answers.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        f: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.io.registration().try_io(interest, f)
    }

    /// Waits for `interest` and calls `f`, an operation on the descriptor of this socket, again and
    /// again until `f` answers anything but `WouldBlock`. The rules of
    /// [`try_io`](UnixDatagram::try_io) hold for `f`.
    ///
    /// # Errors
    ///
    /// What `f` answers, except `WouldBlock`; and if the runtime of the socket has shut down.
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
