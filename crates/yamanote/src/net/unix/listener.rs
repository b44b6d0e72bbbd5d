//! A Unix socket that accepts connections: [`UnixListener`].
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::net;
use std::path::Path;
use std::task::{Context, Poll, ready};

use super::{SocketAddr, address};
use crate::io::Interest;
use crate::io::evented::Evented;
use crate::net::std_traits::{descriptor_traits, impl_debug};
use crate::net::{UnixStream, debug_assert_nonblocking};

/// A Unix socket server, listening for connections.
///
/// The file at its path outlives it, and the next bind to that path fails with `AddrInUse`: remove
/// it before, or use an abstract name.
///
/// # Examples
///
/// ```no_run
/// use yamanote::net::UnixListener;
///
/// # async fn example() -> std::io::Result<()> {
/// let listener = UnixListener::bind("/run/service.sock")?;
/// loop {
///     let (stream, _) = listener.accept().await?;
///     println!("{:?} is here", stream.peer_cred()?);
/// }
/// # }
/// ```
#[doc(alias = "uds")]
pub struct UnixListener {
    io: Evented<mio::net::UnixListener>,
}

impl UnixListener {
    /// Makes a listener at `path`. A path that begins with a zero byte is an abstract name. As many
    /// connections may wait to be accepted as the system allows (`net.core.somaxconn`); for another
    /// number make a [`UnixSocket`](crate::net::UnixSocket) first.
    ///
    /// # Errors
    ///
    /// Those of bind(2); `InvalidInput` if the path is too long, or has a zero byte within.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn bind<P>(path: P) -> io::Result<UnixListener>
    where
        P: AsRef<Path>,
    {
        let address = address::of_path(path.as_ref())?;
        UnixListener::bind_addr(&SocketAddr(address))
    }

    /// Makes a listener at an address; as [`bind`](UnixListener::bind).
    ///
    /// # Errors
    ///
    /// As [`bind`](UnixListener::bind).
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<UnixListener> {
        UnixListener::new(mio::net::UnixListener::bind_addr(&socket_addr.0)?)
    }

    #[track_caller]
    pub(super) fn new(listener: mio::net::UnixListener) -> io::Result<UnixListener> {
        Ok(UnixListener {
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
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = self
            .io
            .registration()
            .async_io(Interest::READABLE, || self.io.accept())
            .await?;
        Ok((UnixStream::accepted(stream)?, SocketAddr(peer)))
    }

    /// Polls for a connection. Only the task of the last call is woken.
    ///
    /// # Errors
    ///
    /// As [`accept`](UnixListener::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let accepted = self.io.registration().poll_read_io(cx, || self.io.accept());
        let (stream, peer) = ready!(accepted)?;
        Poll::Ready(UnixStream::accepted(stream).map(|stream| (stream, SocketAddr(peer))))
    }

    /// The address this listens at.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr().map(SocketAddr)
    }

    /// Takes the error that is pending on the socket (`SO_ERROR`), if there is one.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.take_error()
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
    /// use yamanote::net::UnixListener;
    ///
    /// async fn example(listener: std::os::unix::net::UnixListener) -> std::io::Result<()> {
    ///     listener.set_nonblocking(true)?;
    ///     let listener = UnixListener::from_std(listener)?;
    ///     # drop(listener); Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn from_std(listener: net::UnixListener) -> io::Result<UnixListener> {
        debug_assert_nonblocking(&listener)?;
        UnixListener::new(mio::net::UnixListener::from_std(listener))
    }

    /// Takes the listener out of the runtime. It stays in non-blocking mode; call
    /// `set_nonblocking(false)` to use it with blocking calls.
    ///
    /// # Errors
    ///
    /// If the listener cannot be taken out of the set that is watched (epoll_ctl(2)); it is closed
    /// then.
    pub fn into_std(self) -> io::Result<net::UnixListener> {
        self.io.into_inner().map(net::UnixListener::from)
    }
}

impl TryFrom<net::UnixListener> for UnixListener {
    type Error = io::Error;

    /// [`from_std`](UnixListener::from_std).
    fn try_from(listener: net::UnixListener) -> io::Result<UnixListener> {
        UnixListener::from_std(listener)
    }
}

descriptor_traits!(UnixListener, io);
impl_debug!(UnixListener);
