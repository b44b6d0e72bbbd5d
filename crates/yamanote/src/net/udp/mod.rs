//! A socket for datagrams over IP: [`UdpSocket`].
#![forbid(unsafe_code)]

mod options;
mod peek;

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use socket2::SockAddr;

use super::conversions::{descriptor_traits, impl_debug, std_conversions};
use super::datagrams::datagram_methods;
use super::readiness::{custom_operations, read_readiness, ready_method, write_readiness};
use super::{ToSocketAddrs, addr};
use crate::io::Interest;
use crate::io::evented::Evented;

/// A UDP socket, which sends and receives datagrams.
///
/// [`bind`](UdpSocket::bind) it and exchange datagrams with anybody by
/// [`send_to`](UdpSocket::send_to) and [`recv_from`](UdpSocket::recv_from); or
/// [`connect`](UdpSocket::connect) it to one address and use [`send`](UdpSocket::send) and
/// [`recv`](UdpSocket::recv).
///
/// All methods take `&self`, so several tasks can share one socket in an [`Arc`](std::sync::Arc),
/// some to send and some to receive.
///
/// # Examples
///
/// ```
/// use yamanote::net::UdpSocket;
///
/// # yamanote::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// client.send_to(b"hello", server.local_addr()?).await?;
///
/// let mut buf = [0; 1500];
/// let (length, sender) = server.recv_from(&mut buf).await?;
/// assert_eq!((&buf[..length], sender), (&b"hello"[..], client.local_addr()?));
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UdpSocket {
    io: Evented<mio::net::UdpSocket>,
}

impl UdpSocket {
    /// Makes a socket bound to the first of the addresses that can be bound. Port 0 asks the system
    /// for a free one; [`local_addr`](UdpSocket::local_addr) tells which.
    ///
    /// # Errors
    ///
    /// That of the last address tried; `InvalidInput` if there was none.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future binds nothing.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        let mut failure = None;
        for address in addr::resolve(addr).await? {
            match mio::net::UdpSocket::bind(address).and_then(UdpSocket::new) {
                Ok(socket) => return Ok(socket),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(addr::no_address))
    }

    #[track_caller]
    fn new(socket: mio::net::UdpSocket) -> io::Result<UdpSocket> {
        let both = Interest::READABLE | Interest::WRITABLE;
        Ok(UdpSocket {
            io: Evented::that_may_reopen(socket, both)?,
        })
    }

    /// Sets where [`send`](UdpSocket::send) sends to, and drops what comes from elsewhere. Tries the
    /// addresses one after the other; nothing is sent by that. It can be called again.
    ///
    /// # Errors
    ///
    /// That of the last address tried; `InvalidInput` if there was none.
    ///
    /// # Cancel safety
    ///
    /// Connecting itself does not wait; only looking up a name does. If the future is dropped while
    /// it waits, the socket is connected to what it was before.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        let mut failure = None;
        for address in addr::resolve(addr).await? {
            match self.io.connect(address) {
                Ok(()) => return Ok(()),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(addr::no_address))
    }

    /// Sends `buf` as one datagram to the first of the addresses. Returns its length.
    ///
    /// # Errors
    ///
    /// Those of sendto(2): EMSGSIZE if it is too long for one datagram; EINVAL or EAFNOSUPPORT if the
    /// socket is of the other address family. `InvalidInput` if there was no address.
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

    ready_method!();
    read_readiness!(poll_recv_ready);
    write_readiness!(poll_send_ready);
    datagram_methods!(SocketAddr, ip_address);
    custom_operations!();

    /// The address this is bound to.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// The address this is connected to.
    ///
    /// # Errors
    ///
    /// Those of getpeername(2): ENOTCONN if it is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.peer_addr()
    }

    /// Takes the error that is pending on the socket (`SO_ERROR`), if there is one.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.take_error()
    }
}

fn ip_address(address: SockAddr) -> io::Result<SocketAddr> {
    address
        .as_socket()
        .ok_or_else(|| io::Error::other("the sender has no IP address"))
}

std_conversions!(UdpSocket, std::net::UdpSocket, mio::net::UdpSocket);
descriptor_traits!(UdpSocket, io);
impl_debug!(UdpSocket);
