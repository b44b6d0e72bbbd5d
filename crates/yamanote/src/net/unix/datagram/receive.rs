//! Receiving with a [`UnixDatagram`].
#![forbid(unsafe_code)]

use std::io;
use std::task::{Context, Poll};

use bytes::BufMut;

use crate::io::evented::{read_into, read_into_buf_mut};
use crate::io::{Interest, ReadBuf};
use crate::net::UnixDatagram;
use crate::net::datagrams::{RECEIVE, receive_from, receive_from_buf_mut};
use crate::net::unix::{SocketAddr, address};
use crate::sys::net::Receive;

/// # Receiving
impl UnixDatagram {
    /// Receives one datagram and returns its length. If the datagram is longer than `buf`, the rest
    /// of it is lost. `Ok(0)` is an empty datagram, or an empty `buf`.
    ///
    /// # Errors
    ///
    /// Those of recv(2), and an error that is pending on the socket, such as that of an earlier
    /// datagram which nobody received.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped before it is ready, no datagram was taken.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        self.io
            .registration()
            .async_io(RECEIVE, || read_into(&self.taking(), &mut buf))
            .await
    }

    /// Polls for a datagram and receives it into the unfilled part of `buf`; what has no room there
    /// is lost. Only the task of the last call that polls for something to read is woken.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](UnixDatagram::recv).
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.io
            .registration()
            .poll_read_io(cx, || read_into(&self.taking(), buf))
            .map_ok(drop)
    }

    /// Receives one datagram without waiting; see [`recv`](UnixDatagram::recv).
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; those of [`recv`](UnixDatagram::recv).
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        self.io
            .registration()
            .try_io(Interest::READABLE, || read_into(&self.taking(), &mut buf))
    }

    /// Like [`recv`](UnixDatagram::recv), into the next chunk of a [`BufMut`], which is advanced.
    /// Reserve room for the longest datagram that is expected: what does not fit is lost.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](UnixDatagram::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped before it is ready, no datagram was taken.
    pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.io
            .registration()
            .async_io(RECEIVE, || read_into_buf_mut(&self.taking(), buf))
            .await
    }

    /// Like [`recv_buf`](UnixDatagram::recv_buf), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no datagram; those of [`recv`](UnixDatagram::recv).
    pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.io.registration().try_io(Interest::READABLE, || {
            read_into_buf_mut(&self.taking(), buf)
        })
    }

    /// Like [`recv`](UnixDatagram::recv), and returns the address of the sender too.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](UnixDatagram::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped before it is ready, no datagram was taken.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buf = ReadBuf::new(buf);
        let (received, sender) = self
            .io
            .registration()
            .async_io(RECEIVE, || receive_from(self.taking(), &mut buf))
            .await?;
        Ok((received, address::of_kernel(sender)?))
    }

    /// Like [`poll_recv`](UnixDatagram::poll_recv), and returns the address of the sender.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](UnixDatagram::recv).
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.io
            .registration()
            .poll_read_io(cx, || receive_from(self.taking(), buf))
            .map(|received| address::of_kernel(received?.1))
    }

    /// Like [`try_recv`](UnixDatagram::try_recv), and returns the address of the sender too.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no datagram; those of [`recv`](UnixDatagram::recv).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buf = ReadBuf::new(buf);
        let (received, sender) = self
            .io
            .registration()
            .try_io(Interest::READABLE, || receive_from(self.taking(), &mut buf))?;
        Ok((received, address::of_kernel(sender)?))
    }

    /// Like [`recv_buf`](UnixDatagram::recv_buf), and returns the address of the sender too.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](UnixDatagram::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped before it is ready, no datagram was taken.
    pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        let (received, sender) = self
            .io
            .registration()
            .async_io(RECEIVE, || receive_from_buf_mut(self.taking(), buf))
            .await?;
        Ok((received, address::of_kernel(sender)?))
    }

    /// Like [`try_recv_buf`](UnixDatagram::try_recv_buf), and returns the address of the sender
    /// too.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no datagram; those of [`recv`](UnixDatagram::recv).
    pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        let (received, sender) = self.io.registration().try_io(Interest::READABLE, || {
            receive_from_buf_mut(self.taking(), buf)
        })?;
        Ok((received, address::of_kernel(sender)?))
    }

    fn taking(&self) -> Receive<'_> {
        Receive::take(&*self.io)
    }
}
