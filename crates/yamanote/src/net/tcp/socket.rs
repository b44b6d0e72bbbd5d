//! A socket that is not connected yet: [`TcpSocket`].

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::net::std_traits::descriptor_traits;
use crate::net::{TcpListener, TcpStream};

/// A TCP socket to be configured, before it becomes a [`TcpStream`] by
/// [`connect`](TcpSocket::connect) or a [`TcpListener`] by [`listen`](TcpSocket::listen).
///
/// Unlike [`TcpListener::bind`], this sets no option on its own.
///
/// # Examples
///
/// ```no_run
/// use yamanote::net::TcpSocket;
///
/// # async fn example() -> std::io::Result<()> {
/// let socket = TcpSocket::new_v4()?;
/// socket.set_reuseaddr(true)?;
/// socket.bind("127.0.0.1:8080".parse().unwrap())?;
/// let listener = socket.listen(1024)?;
/// # drop(listener); Ok(()) }
/// ```
pub struct TcpSocket {
    inner: Socket,
}

impl TcpSocket {
    /// Makes a socket for IPv4 (`AF_INET`), non-blocking and closed on exec.
    ///
    /// # Errors
    ///
    /// Those of socket(2): EMFILE or ENFILE without a free descriptor.
    pub fn new_v4() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV4)
    }

    /// Makes a socket for IPv6 (`AF_INET6`), non-blocking and closed on exec.
    ///
    /// # Errors
    ///
    /// Those of socket(2): EMFILE or ENFILE without a free descriptor, EAFNOSUPPORT where IPv6 is
    /// turned off.
    pub fn new_v6() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV6)
    }

    fn new(domain: Domain) -> io::Result<TcpSocket> {
        let inner = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        Ok(TcpSocket { inner })
    }

    /// Takes a socket that was made in another way and is not connected yet, such as one of the
    /// `socket2` crate by way of the standard library. It must be in non-blocking mode.
    pub fn from_std_stream(std_stream: std::net::TcpStream) -> TcpSocket {
        TcpSocket {
            inner: Socket::from(std_stream),
        }
    }

    /// Binds the socket to a local address.
    ///
    /// # Errors
    ///
    /// Those of bind(2): EADDRINUSE, EACCES for a port that needs privileges, EINVAL if the socket
    /// is bound already.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.inner.bind(&addr.into())
    }

    /// Connects to `addr`.
    ///
    /// # Errors
    ///
    /// Those of connect(2): ECONNREFUSED if nobody listens, ETIMEDOUT, ENETUNREACH, EAFNOSUPPORT or
    /// EINVAL for an address of the other family. The socket is closed then.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        match self.inner.connect(&addr.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        TcpStream::connecting(OwnedFd::from(self.inner).into()).await
    }

    /// Starts to listen. `backlog` connections may wait to be accepted; the kernel cuts the number
    /// to `net.core.somaxconn`.
    ///
    /// # Errors
    ///
    /// Those of listen(2): EADDRINUSE. The socket is closed then.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.inner
            .listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::new(OwnedFd::from(self.inner).into())
    }

    /// The address the socket is bound to.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2); `InvalidInput` if the socket is not one of IP.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()?.as_socket().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "invalid address family (not IPv4 or IPv6)",
            )
        })
    }

    /// Takes the error that is pending on the socket (`SO_ERROR`), if there is one.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    /// Whether idle connections are probed (`SO_KEEPALIVE`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn keepalive(&self) -> io::Result<bool> {
        self.inner.keepalive()
    }

    /// Sets whether idle connections are probed (`SO_KEEPALIVE`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.inner.set_keepalive(keepalive)
    }

    /// Whether an address may be bound while old connections of it linger (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.inner.reuse_address()
    }

    /// Sets whether an address may be bound while old connections of it linger (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_reuseaddr(&self, reuseaddr: bool) -> io::Result<()> {
        self.inner.set_reuse_address(reuseaddr)
    }

    /// Whether several sockets may be bound to one address (`SO_REUSEPORT`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn reuseport(&self) -> io::Result<bool> {
        self.inner.reuse_port()
    }

    /// Sets whether several sockets may be bound to one address (`SO_REUSEPORT`). The kernel
    /// spreads connections over those that listen.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_reuseport(&self, reuseport: bool) -> io::Result<()> {
        self.inner.set_reuse_port(reuseport)
    }

    /// The size of the send buffer in bytes (`SO_SNDBUF`). Linux reports twice what was set.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.inner.send_buffer_size().map(|size| size as u32)
    }

    /// Sets the size of the send buffer in bytes (`SO_SNDBUF`); a hint.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.inner.set_send_buffer_size(size as usize)
    }

    /// The size of the receive buffer in bytes (`SO_RCVBUF`). Linux reports twice what was set.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.inner.recv_buffer_size().map(|size| size as u32)
    }

    /// Sets the size of the receive buffer in bytes (`SO_RCVBUF`); a hint.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.inner.set_recv_buffer_size(size as usize)
    }

    /// How long a close waits for unsent data (`SO_LINGER`); `None`: it does not.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.inner.linger()
    }

    /// Sets how long a close waits for unsent data (`SO_LINGER`), in whole seconds.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    #[deprecated = "`SO_LINGER` causes the socket to block the thread on drop"]
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        self.inner.set_linger(dur)
    }

    /// Makes a close reset the connection and discard unsent data (`SO_LINGER` of zero). It does
    /// not block.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.inner.set_linger(Some(Duration::ZERO))
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn nodelay(&self) -> io::Result<bool> {
        self.inner.tcp_nodelay()
    }

    /// Sends small writes at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.inner.set_tcp_nodelay(nodelay)
    }

    /// The traffic class of IPv6 packets (`IPV6_TCLASS`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2): EOPNOTSUPP for an IPv4 socket.
    pub fn tclass_v6(&self) -> io::Result<u32> {
        self.inner.tclass_v6()
    }

    /// Sets the traffic class of IPv6 packets (`IPV6_TCLASS`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): EINVAL for a number above 255, ENOPROTOOPT for an IPv4 socket.
    pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
        self.inner.set_tclass_v6(tclass)
    }

    /// The type of service of IPv4 packets (`IP_TOS`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn tos_v4(&self) -> io::Result<u32> {
        self.inner.tos_v4()
    }

    /// Sets the type of service of IPv4 packets (`IP_TOS`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
        self.inner.set_tos_v4(tos)
    }

    /// The former name of [`tos_v4`](TcpSocket::tos_v4).
    #[doc(hidden)]
    #[deprecated = "renamed to `tos_v4`, as it is about IPv4 only"]
    pub fn tos(&self) -> io::Result<u32> {
        self.tos_v4()
    }

    /// The former name of [`set_tos_v4`](TcpSocket::set_tos_v4).
    #[doc(hidden)]
    #[deprecated = "renamed to `set_tos_v4`, as it is about IPv4 only"]
    pub fn set_tos(&self, tos: u32) -> io::Result<()> {
        self.set_tos_v4(tos)
    }

    /// The interface the socket is bound to (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.inner.device()
    }

    /// Binds the socket to an interface, such as `b"eth0"` (`SO_BINDTODEVICE`); `None` takes the
    /// binding back.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): ENODEV if there is no such interface, EPERM if the socket has a
    /// binding already and the process lacks CAP_NET_RAW.
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.inner.bind_device(interface)
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

descriptor_traits!(TcpSocket, inner);

impl IntoRawFd for TcpSocket {
    fn into_raw_fd(self) -> RawFd {
        self.inner.into_raw_fd()
    }
}

impl FromRawFd for TcpSocket {
    /// Takes a socket that was made in another way and is not connected yet. It must be in
    /// non-blocking mode.
    unsafe fn from_raw_fd(fd: RawFd) -> TcpSocket {
        // SAFETY: the caller hands over an open descriptor that is nobody else's, which is what
        // this asks for.
        let inner = unsafe { Socket::from_raw_fd(fd) };
        TcpSocket { inner }
    }
}
