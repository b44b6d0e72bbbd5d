//! Sending with a [`UdpSocket`].
#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::io::Interest;
use crate::net::{ToSocketAddrs, UdpSocket, addr};

/// # Sending
impl UdpSocket {
    /// Sends `buf` as one datagram to the first of the addresses. Returns its length.
    ///
    /// # Errors
    ///
    /// Those of sendto(2): EMSGSIZE if it is too long for one datagram; EINVAL or EAFNOSUPPORT if
    /// the socket is of the other address family. `InvalidInput` if there was no address.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped before it is ready, nothing was sent.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let Some(target) = addr::resolve(addr).await?.next() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no addresses to send data to",
            ));
        };
        self.io
            .registration()
            .async_io(Interest::WRITABLE, || self.io.send_to(buf, target))
            .await
    }

    /// Polls for room, and sends `buf` as one datagram to `target`. Only the task of the last call
    /// that polls for room is woken.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](UdpSocket::send_to).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.io
            .registration()
            .poll_write_io(cx, || self.io.send_to(buf, target))
    }

    /// Sends `buf` as one datagram to `target`, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; those of [`send_to`](UdpSocket::send_to).
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.io
            .registration()
            .try_io(Interest::WRITABLE, || self.io.send_to(buf, target))
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
    /// Those of [`send`](UdpSocket::send).
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io
            .registration()
            .poll_write_io(cx, || self.io.send(buf))
    }

    /// Sends `buf` as one datagram to the address this is connected to, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; those of [`send`](UdpSocket::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io
            .registration()
            .try_io(Interest::WRITABLE, || self.io.send(buf))
    }
}
