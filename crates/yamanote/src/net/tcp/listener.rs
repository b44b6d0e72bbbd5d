//! A socket that accepts connections: [`TcpListener`].
#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use socket2::{Domain, Protocol, Socket, Type};

use crate::io::Interest;
use crate::io::evented::Evented;
use crate::net::std_traits::{descriptor_traits, impl_debug};
use crate::net::{TcpStream, ToSocketAddrs, addr, debug_assert_nonblocking};

/// A TCP socket server, listening for connections.
///
/// # Examples
///
/// ```no_run
/// use yamanote::net::TcpListener;
///
/// # async fn example() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// loop {
///     let (stream, peer) = listener.accept().await?;
///     println!("{peer} is here");
///     drop(stream);
/// }
/// # }
/// ```
pub struct TcpListener {
    io: Evented<mio::net::TcpListener>,
}

impl TcpListener {
    /// Makes a listener bound to the first of the addresses that can be bound. Port 0 asks the
    /// system for a free one; [`local_addr`](TcpListener::local_addr) says which.
    ///
    /// `SO_REUSEADDR` is set, and 4,096 connections may wait to be accepted, if the system
    /// (`net.core.somaxconn`) allows that many. For other options, make a
    /// [`TcpSocket`](crate::net::TcpSocket) first.
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
    /// use yamanote::net::TcpListener;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// // The port is taken now.
    /// assert!(TcpListener::bind(listener.local_addr()?).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        let mut failure = None;
        for address in addr::resolve(addr).await? {
            match bind(address).and_then(TcpListener::new) {
                Ok(listener) => return Ok(listener),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(addr::no_address))
    }

    #[track_caller]
    pub(super) fn new(listener: mio::net::TcpListener) -> io::Result<TcpListener> {
        Ok(TcpListener {
            io: Evented::new(listener)?,
        })
    }

    /// Accepts a connection; waits for one if there is none. Returns it with its peer's address.
    ///
    /// # Errors
    ///
    /// Those of accept(2). After an error that concerns the process, such as EMFILE, the connection
    /// still waits, and the next call tries again at once: pause before that call.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped before it is ready, no connection was accepted.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use yamanote::net::{TcpListener, TcpStream};
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let address = listener.local_addr()?;
    /// let client = yamanote::spawn(TcpStream::connect(address));
    /// let stream = loop {
    ///     match listener.accept().await {
    ///         Ok((stream, _peer)) => break stream,
    ///         // Out of descriptors, for one: others may give some back meanwhile.
    ///         Err(_) => yamanote::time::sleep(Duration::from_millis(100)).await,
    ///     }
    /// };
    /// assert_eq!(stream.peer_addr()?, client.await.unwrap()?.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self
            .io
            .registration()
            .async_io(Interest::READABLE, || self.io.accept())
            .await?;
        Ok((TcpStream::accepted(stream)?, peer))
    }

    /// Polls for a connection. Only the task of the last call is woken.
    ///
    /// # Errors
    ///
    /// As [`accept`](TcpListener::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accepted = self.io.registration().poll_read_io(cx, || self.io.accept());
        let (stream, peer) = ready!(accepted)?;
        Poll::Ready(TcpStream::accepted(stream).map(|stream| (stream, peer)))
    }

    /// The address this listens at.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// The time to live of packets (`IP_TTL`); see [`set_ttl`](TcpListener::set_ttl).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.ttl()
    }

    /// Sets the time to live of packets (`IP_TTL`): the number of hops.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): EINVAL unless it is 1 to 255.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.set_ttl(ttl)
    }

    /// Takes a listener of the standard library, which must be in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the kernel cannot watch the listener, or the runtime has shut down; the listener is
    /// closed then.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`. In debug builds also if
    /// the listener is in blocking mode.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use yamanote::net::TcpListener;
    ///
    /// async fn example(listener: std::net::TcpListener) -> std::io::Result<()> {
    ///     listener.set_nonblocking(true)?;
    ///     let listener = TcpListener::from_std(listener)?;
    ///     # drop(listener); Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        debug_assert_nonblocking(&listener)?;
        TcpListener::new(mio::net::TcpListener::from_std(listener))
    }

    /// Takes the listener out of the runtime. It stays in non-blocking mode; call
    /// `set_nonblocking(false)` to use it with blocking calls.
    ///
    /// # Errors
    ///
    /// If the listener cannot be taken out of the set that is watched (epoll_ctl(2)); it is closed
    /// then.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        self.io.into_inner().map(std::net::TcpListener::from)
    }
}

/// Connections that may wait to be accepted: what the kernel allows by default. With the 128 of the
/// standard library a burst of ten thousand clients lost their first packets and took a minute.
const BACKLOG: i32 = 4096;

fn bind(address: SocketAddr) -> io::Result<mio::net::TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(OwnedFd::from(socket).into())
}

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// [`from_std`](TcpListener::from_std).
    fn try_from(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }
}

descriptor_traits!(TcpListener, io);
impl_debug!(TcpListener);
