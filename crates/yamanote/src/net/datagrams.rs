//! Sending and receiving whole datagrams: what UDP and Unix sockets have in common, written once.
//!
//! A datagram is received whole or cut, never in parts, and an empty one is a datagram too. So, other
//! than for streams, a short or empty read says nothing about what else is there, and only `WouldBlock`
//! ends readiness.
#![forbid(unsafe_code)]

use std::io;

use bytes::BufMut;
use socket2::SockAddr;

use crate::io::evented::{read_into, read_into_buf_mut};
use crate::io::{Interest, ReadBuf};
use crate::sys::net::Receive;

/// What ends a wait for a datagram: also an error that is pending, for receiving reports it.
pub(super) const RECEIVE: Interest = Interest::READABLE.add(Interest::ERROR);

/// Receives into the unfilled part of `buf`, and tells from whom.
pub(super) fn receive_from(
    receive: Receive<'_>,
    buf: &mut ReadBuf<'_>,
) -> io::Result<(usize, SockAddr)> {
    let receive = receive.with_sender();
    let received = read_into(&receive, buf)?;
    Ok((received, receive.into_sender()))
}

/// Receives into the room of `buf`, which is advanced, and tells from whom.
pub(super) fn receive_from_buf_mut(
    receive: Receive<'_>,
    buf: &mut impl BufMut,
) -> io::Result<(usize, SockAddr)> {
    let receive = receive.with_sender();
    let received = read_into_buf_mut(&receive, buf)?;
    Ok((received, receive.into_sender()))
}

/// `send` and `recv` in all their forms, in an `impl` block of a type with a field `io: Evented<_>`.
/// `$address` makes an `$Address` of the kernel's.
macro_rules! datagram_methods {
    ($Address:ty, $address:path) => {
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
        pub async fn send(&self, buf: &[u8]) -> std::io::Result<usize> {
            let registration = self.io.registration();
            registration
                .async_io(crate::io::Interest::WRITABLE, || self.io.send(buf))
                .await
        }

        /// Polls for room, and sends `buf` as one datagram to the address this is connected to. Only
        /// the task of the last call that polls for room is woken.
        ///
        /// # Errors
        ///
        /// Those of [`send`](Self::send).
        pub fn poll_send(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            self.io
                .registration()
                .poll_write_io(cx, || self.io.send(buf))
        }

        /// Sends `buf` as one datagram to the address this is connected to, without waiting.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is no room; those of [`send`](Self::send).
        pub fn try_send(&self, buf: &[u8]) -> std::io::Result<usize> {
            self.io
                .registration()
                .try_io(crate::io::Interest::WRITABLE, || self.io.send(buf))
        }

        /// Receives one datagram and returns its length. Of one that is longer than `buf` the rest
        /// is lost. `Ok(0)` is an empty datagram, or an empty `buf`.
        ///
        /// # Errors
        ///
        /// Those of recv(2), and an error that is pending on the socket, such as that of an earlier
        /// datagram which nobody received.
        ///
        /// # Cancel safety
        ///
        /// Cancel safe: if it is dropped before it is ready, no datagram was taken.
        pub async fn recv(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            let mut buf = crate::io::ReadBuf::new(buf);
            let registration = self.io.registration();
            registration
                .async_io(crate::net::datagrams::RECEIVE, || {
                    let receive = crate::sys::net::Receive::take(&*self.io);
                    crate::io::evented::read_into(&receive, &mut buf)
                })
                .await
        }

        /// Polls for a datagram and receives it into the unfilled part of `buf`; what has no room
        /// there is lost. Only the task of the last call that polls for something to read is woken.
        ///
        /// # Errors
        ///
        /// Those of [`recv`](Self::recv).
        pub fn poll_recv(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &mut crate::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            let received = self.io.registration().poll_read_io(cx, || {
                let receive = crate::sys::net::Receive::take(&*self.io);
                crate::io::evented::read_into(&receive, buf)
            });
            received.map_ok(drop)
        }

        /// Receives one datagram without waiting; see [`recv`](Self::recv).
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is none; those of [`recv`](Self::recv).
        pub fn try_recv(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            let mut buf = crate::io::ReadBuf::new(buf);
            self.io
                .registration()
                .try_io(crate::io::Interest::READABLE, || {
                    let receive = crate::sys::net::Receive::take(&*self.io);
                    crate::io::evented::read_into(&receive, &mut buf)
                })
        }

        /// Like [`recv`](Self::recv), into the next chunk of a [`BufMut`](bytes::BufMut), which is
        /// advanced. Reserve room for the longest datagram that is expected: what has none is lost.
        ///
        /// # Errors
        ///
        /// Those of [`recv`](Self::recv).
        ///
        /// # Cancel safety
        ///
        /// Cancel safe: if it is dropped before it is ready, no datagram was taken.
        pub async fn recv_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
            let registration = self.io.registration();
            registration
                .async_io(crate::net::datagrams::RECEIVE, || {
                    let receive = crate::sys::net::Receive::take(&*self.io);
                    crate::io::evented::read_into_buf_mut(&receive, buf)
                })
                .await
        }

        /// Like [`recv_buf`](Self::recv_buf), without waiting.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is no datagram; those of [`recv`](Self::recv).
        pub fn try_recv_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
            self.io
                .registration()
                .try_io(crate::io::Interest::READABLE, || {
                    let receive = crate::sys::net::Receive::take(&*self.io);
                    crate::io::evented::read_into_buf_mut(&receive, buf)
                })
        }

        /// Like [`recv`](Self::recv), and tells the address of the sender.
        ///
        /// # Errors
        ///
        /// Those of [`recv`](Self::recv).
        ///
        /// # Cancel safety
        ///
        /// Cancel safe: if it is dropped before it is ready, no datagram was taken.
        pub async fn recv_from(&self, buf: &mut [u8]) -> std::io::Result<(usize, $Address)> {
            let mut buf = crate::io::ReadBuf::new(buf);
            let registration = self.io.registration();
            let (received, sender) = registration
                .async_io(crate::net::datagrams::RECEIVE, || {
                    let receive = crate::sys::net::Receive::take(&*self.io);
                    crate::net::datagrams::receive_from(receive, &mut buf)
                })
                .await?;
            Ok((received, $address(sender)?))
        }

        /// Like [`poll_recv`](Self::poll_recv), and tells the address of the sender.
        ///
        /// # Errors
        ///
        /// Those of [`recv`](Self::recv).
        pub fn poll_recv_from(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &mut crate::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<$Address>> {
            let received = self.io.registration().poll_read_io(cx, || {
                let receive = crate::sys::net::Receive::take(&*self.io);
                crate::net::datagrams::receive_from(receive, buf)
            });
            received.map(|received| $address(received?.1))
        }

        /// Like [`try_recv`](Self::try_recv), and tells the address of the sender.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is no datagram; those of [`recv`](Self::recv).
        pub fn try_recv_from(&self, buf: &mut [u8]) -> std::io::Result<(usize, $Address)> {
            let mut buf = crate::io::ReadBuf::new(buf);
            let (received, sender) =
                self.io
                    .registration()
                    .try_io(crate::io::Interest::READABLE, || {
                        let receive = crate::sys::net::Receive::take(&*self.io);
                        crate::net::datagrams::receive_from(receive, &mut buf)
                    })?;
            Ok((received, $address(sender)?))
        }

        /// Like [`recv_buf`](Self::recv_buf), and tells the address of the sender.
        ///
        /// # Errors
        ///
        /// Those of [`recv`](Self::recv).
        ///
        /// # Cancel safety
        ///
        /// Cancel safe: if it is dropped before it is ready, no datagram was taken.
        pub async fn recv_buf_from<B: bytes::BufMut>(
            &self,
            buf: &mut B,
        ) -> std::io::Result<(usize, $Address)> {
            let registration = self.io.registration();
            let (received, sender) = registration
                .async_io(crate::net::datagrams::RECEIVE, || {
                    let receive = crate::sys::net::Receive::take(&*self.io);
                    crate::net::datagrams::receive_from_buf_mut(receive, buf)
                })
                .await?;
            Ok((received, $address(sender)?))
        }

        /// Like [`try_recv_buf`](Self::try_recv_buf), and tells the address of the sender.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is no datagram; those of [`recv`](Self::recv).
        pub fn try_recv_buf_from<B: bytes::BufMut>(
            &self,
            buf: &mut B,
        ) -> std::io::Result<(usize, $Address)> {
            let (received, sender) =
                self.io
                    .registration()
                    .try_io(crate::io::Interest::READABLE, || {
                        let receive = crate::sys::net::Receive::take(&*self.io);
                        crate::net::datagrams::receive_from_buf_mut(receive, buf)
                    })?;
            Ok((received, $address(sender)?))
        }
    };
}

pub(super) use datagram_methods;
