//! Looking at the next datagram of a [`UdpSocket`] without taking it.
#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use socket2::SockRef;

use super::ip_address;
use crate::io::evented::read_into;
use crate::io::{Interest, ReadBuf};
use crate::net::UdpSocket;
use crate::net::datagrams::{RECEIVE, receive_from};
use crate::sys::net::Receive;

/// # Peeking
///
/// The datagram stays: the next call returns it again. The kernel may drop one whose checksum is
/// wrong, so do not rely on finding later what was seen.
impl UdpSocket {
    /// Like [`recv`](UdpSocket::recv), without taking the datagram.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](UdpSocket::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is ever taken.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        self.io
            .registration()
            .async_io(RECEIVE, || read_into(&self.peeking(), &mut buf))
            .await
    }

    /// Like [`poll_recv`](UdpSocket::poll_recv), without taking the datagram.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](UdpSocket::recv).
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.io
            .registration()
            .poll_read_io(cx, || read_into(&self.peeking(), buf))
            .map_ok(drop)
    }

    /// Like [`try_recv`](UdpSocket::try_recv), without taking the datagram.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no datagram; those of [`recv`](UdpSocket::recv).
    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        self.io
            .registration()
            .try_io(Interest::READABLE, || read_into(&self.peeking(), &mut buf))
    }

    /// Like [`recv_from`](UdpSocket::recv_from), without taking the datagram.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](UdpSocket::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is ever taken.
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buf = ReadBuf::new(buf);
        let (received, sender) = self
            .io
            .registration()
            .async_io(RECEIVE, || receive_from(self.peeking(), &mut buf))
            .await?;
        Ok((received, ip_address(sender)?))
    }

    /// Like [`poll_recv_from`](UdpSocket::poll_recv_from), without taking the datagram.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](UdpSocket::recv).
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.io
            .registration()
            .poll_read_io(cx, || receive_from(self.peeking(), buf))
            .map(|received| ip_address(received?.1))
    }

    /// Like [`try_recv_from`](UdpSocket::try_recv_from), without taking the datagram.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no datagram; those of [`recv`](UdpSocket::recv).
    pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buf = ReadBuf::new(buf);
        let (received, sender) = self.io.registration().try_io(Interest::READABLE, || {
            receive_from(self.peeking(), &mut buf)
        })?;
        Ok((received, ip_address(sender)?))
    }

    /// Waits for a datagram and returns only its sender.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](UdpSocket::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is ever taken.
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        self.io
            .registration()
            .async_io(RECEIVE, || self.sender())
            .await
    }

    /// Polls for a datagram and returns only its sender. Only the task of the last call that polls
    /// for something to read is woken.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](UdpSocket::recv).
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        self.io.registration().poll_read_io(cx, || self.sender())
    }

    /// Returns the sender of the next datagram without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no datagram; those of [`recv`](UdpSocket::recv).
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        self.io
            .registration()
            .try_io(Interest::READABLE, || self.sender())
    }

    fn peeking(&self) -> Receive<'_> {
        Receive::peek(&*self.io)
    }

    fn sender(&self) -> io::Result<SocketAddr> {
        ip_address(SockRef::from(self).peek_sender()?)
    }
}
