//! A Unix socket to be configured: [`UnixSocket`].

use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;

use socket2::{Domain, Socket, Type};

use super::address::of_path_for_kernel;
use crate::net::std_traits::descriptor_traits;
use crate::net::{UnixDatagram, UnixListener, UnixStream};

/// A Unix socket to be bound, before it becomes a [`UnixStream`] by
/// [`connect`](UnixSocket::connect), a [`UnixListener`] by [`listen`](UnixSocket::listen) or a
/// [`UnixDatagram`] by [`datagram`](UnixSocket::datagram).
///
/// With it a client's stream can have a name, and a listener a backlog of its own.
///
/// # Examples
///
/// ```no_run
/// use yamanote::net::UnixSocket;
///
/// # async fn example() -> std::io::Result<()> {
/// let socket = UnixSocket::new_stream()?;
/// socket.bind("/run/service.sock")?;
/// let listener = socket.listen(16)?;
/// # drop(listener); Ok(()) }
/// ```
#[derive(Debug)]
#[doc(alias = "uds")]
pub struct UnixSocket {
    inner: Socket,
}

impl UnixSocket {
    /// Makes a socket for datagrams, non-blocking and closed on exec.
    ///
    /// # Errors
    ///
    /// Those of socket(2): EMFILE or ENFILE without a free descriptor.
    pub fn new_datagram() -> io::Result<UnixSocket> {
        UnixSocket::new(Type::DGRAM)
    }

    /// Makes a socket for streams, non-blocking and closed on exec.
    ///
    /// # Errors
    ///
    /// Those of socket(2): EMFILE or ENFILE without a free descriptor.
    pub fn new_stream() -> io::Result<UnixSocket> {
        UnixSocket::new(Type::STREAM)
    }

    fn new(kind: Type) -> io::Result<UnixSocket> {
        let inner = Socket::new(Domain::UNIX, kind.nonblocking(), None)?;
        Ok(UnixSocket { inner })
    }

    /// Binds the socket to `path`. One that begins with a zero byte is an abstract name.
    ///
    /// # Errors
    ///
    /// Those of bind(2): EADDRINUSE also if the file of an earlier socket is still there.
    /// `InvalidInput` if the path is too long, or has a zero byte within.
    pub fn bind(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.inner.bind(&of_path_for_kernel(path.as_ref())?)
    }

    /// Starts to listen. `backlog` connections may wait to be accepted; the kernel cuts the number
    /// to `net.core.somaxconn`.
    ///
    /// # Errors
    ///
    /// Those of listen(2), and if this is a socket for datagrams.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<UnixListener> {
        self.refuse(Type::DGRAM, "listen cannot be called on a datagram socket")?;
        self.inner
            .listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        UnixListener::new(OwnedFd::from(self.inner).into())
    }

    /// Connects to the socket at `path`; see [`UnixStream::connect`].
    ///
    /// # Errors
    ///
    /// Those of connect(2), and if this is a socket for datagrams.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(self, path: impl AsRef<Path>) -> io::Result<UnixStream> {
        self.refuse(Type::DGRAM, "connect cannot be called on a datagram socket")?;
        match self.inner.connect(&of_path_for_kernel(path.as_ref())?) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        UnixStream::connecting(OwnedFd::from(self.inner).into()).await
    }

    /// Makes it a socket that sends and receives datagrams.
    ///
    /// # Errors
    ///
    /// If this is a socket for streams.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn datagram(self) -> io::Result<UnixDatagram> {
        self.refuse(Type::STREAM, "datagram cannot be called on a stream socket")?;
        let socket = UnixDatagram::new(OwnedFd::from(self.inner).into())?;
        match socket.take_error()? {
            Some(error) => Err(error),
            None => Ok(socket),
        }
    }

    fn refuse(&self, kind: Type, reason: &str) -> io::Result<()> {
        match self.inner.r#type()? == kind {
            true => Err(io::Error::other(reason)),
            false => Ok(()),
        }
    }
}

descriptor_traits!(UnixSocket, inner);

impl IntoRawFd for UnixSocket {
    fn into_raw_fd(self) -> RawFd {
        self.inner.into_raw_fd()
    }
}

impl FromRawFd for UnixSocket {
    /// Takes a socket that was made in another way. It must be in non-blocking mode.
    unsafe fn from_raw_fd(fd: RawFd) -> UnixSocket {
        // SAFETY: the caller hands over an open descriptor that is nobody else's, which is what
        // this asks for.
        let inner = unsafe { Socket::from_raw_fd(fd) };
        UnixSocket { inner }
    }
}
