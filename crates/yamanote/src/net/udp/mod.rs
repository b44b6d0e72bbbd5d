//! A socket for datagrams over IP: [`UdpSocket`].
#![forbid(unsafe_code)]

mod options;
mod peek;
mod readiness;
mod receive;
mod send;

use std::io;
use std::net::SocketAddr;

use socket2::SockAddr;

use super::std_traits::{descriptor_traits, impl_debug};
use super::{ToSocketAddrs, addr, debug_assert_nonblocking};
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
    /// for a free one; [`local_addr`](UdpSocket::local_addr) says which.
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
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::net::UdpSocket;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// client.send_to(b"ping", server.local_addr()?).await?;
    /// let mut buffer = [0; 16];
    /// let (length, peer) = server.recv_from(&mut buffer).await?;
    /// assert_eq!(&buffer[..length], b"ping");
    /// assert_eq!(peer, client.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
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

    /// Sets where [`send`](UdpSocket::send) sends to, and drops what comes from elsewhere. Tries
    /// the addresses one after the other, without sending anything. It can be called again.
    ///
    /// # Errors
    ///
    /// That of the last address tried; `InvalidInput` if there was none.
    ///
    /// # Cancel safety
    ///
    /// Connecting itself does not wait; only looking up a name does. If the future is dropped while
    /// it waits, the socket is connected to what it was before.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::net::UdpSocket;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// client.connect(server.local_addr()?).await?;
    /// assert_eq!(client.send(b"ping").await?, 4);
    /// assert_eq!(server.recv(&mut [0; 16]).await?, 4);
    /// # Ok(())
    /// # }
    /// ```
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

    /// Takes a socket of the standard library, which must be in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the kernel cannot watch the socket, or the runtime has shut down; the socket is closed
    /// then.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`. In debug builds also if
    /// the socket is in blocking mode.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use yamanote::net::UdpSocket;
    ///
    /// async fn example(socket: std::net::UdpSocket) -> std::io::Result<()> {
    ///     socket.set_nonblocking(true)?;
    ///     let socket = UdpSocket::from_std(socket)?;
    ///     # drop(socket); Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        debug_assert_nonblocking(&socket)?;
        UdpSocket::new(mio::net::UdpSocket::from_std(socket))
    }

    /// Takes the socket out of the runtime. It stays in non-blocking mode; call
    /// `set_nonblocking(false)` to use it with blocking calls.
    ///
    /// # Errors
    ///
    /// If the socket cannot be taken out of the set that is watched (epoll_ctl(2)); it is closed
    /// then.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        self.io.into_inner().map(std::net::UdpSocket::from)
    }
}

fn ip_address(address: SockAddr) -> io::Result<SocketAddr> {
    address
        .as_socket()
        .ok_or_else(|| io::Error::other("the sender has no IP address"))
}

impl TryFrom<std::net::UdpSocket> for UdpSocket {
    type Error = io::Error;

    /// [`from_std`](UdpSocket::from_std).
    fn try_from(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        UdpSocket::from_std(socket)
    }
}

descriptor_traits!(UdpSocket, io);
impl_debug!(UdpSocket);
