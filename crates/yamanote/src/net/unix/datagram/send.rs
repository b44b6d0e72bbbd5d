//! Sending with a [`UnixDatagram`].
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::task::{Context, Poll};

use socket2::SockRef;

use crate::io::Interest;
use crate::net::UnixDatagram;
use crate::net::unix::address;

/// # Sending
impl UnixDatagram {
    /// Sends `buf` as one datagram to the socket at `target`. Returns its length.
    ///
    /// # Errors
    ///
    /// Those of sendto(2): ENOENT or ECONNREFUSED if nobody is there, EMSGSIZE if it is too long.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped before it is ready, nothing was sent.
    pub async fn send_to<P>(&self, buf: &[u8], target: P) -> io::Result<usize>
    where
        P: AsRef<Path>,
    {
        let target = target.as_ref();
        self.io
            .registration()
            .async_io(Interest::WRITABLE, || self.send_to_path(buf, target))
            .await
    }

    /// Polls for room, and sends `buf` as one datagram to the socket at `target`. Only the task of
    /// the last call that polls for room is woken.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](UnixDatagram::send_to).
    pub fn poll_send_to<P>(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: P,
    ) -> Poll<io::Result<usize>>
    where
        P: AsRef<Path>,
    {
        self.io
            .registration()
            .poll_write_io(cx, || self.send_to_path(buf, target.as_ref()))
    }

    /// Sends `buf` as one datagram to the socket at `target`, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; those of [`send_to`](UnixDatagram::send_to).
    pub fn try_send_to<P>(&self, buf: &[u8], target: P) -> io::Result<usize>
    where
        P: AsRef<Path>,
    {
        self.io.registration().try_io(Interest::WRITABLE, || {
            self.send_to_path(buf, target.as_ref())
        })
    }

    /// Sends `buf` as one datagram to the address this is connected to. Returns its length.
    ///
    /// # Errors
    ///
    /// Those of send(2): EMSGSIZE if it is too long for one datagram, ENOTCONN or EDESTADDRREQ
    /// without a connection.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped before it is ready, nothing was sent.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io
            .registration()
            .async_io(Interest::WRITABLE, || self.io.send(buf))
            .await
    }

    /// Polls for room, and sends `buf` as one datagram to the address this is connected to. Only
    /// the task of the last call that polls for room is woken.
    ///
    /// # Errors
    ///
    /// Those of [`send`](UnixDatagram::send).
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io
            .registration()
            .poll_write_io(cx, || self.io.send(buf))
    }

    /// Sends `buf` as one datagram to the address this is connected to, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; those of [`send`](UnixDatagram::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io
            .registration()
            .try_io(Interest::WRITABLE, || self.io.send(buf))
    }

    fn send_to_path(&self, buf: &[u8], target: &Path) -> io::Result<usize> {
        match target.as_os_str().as_bytes() {
            [0, ..] => SockRef::from(self).send_to(buf, &address::of_path_for_kernel(target)?),
            _ => self.io.send_to(buf, target),
        }
    }
}
