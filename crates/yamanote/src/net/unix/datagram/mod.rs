//! A Unix socket for datagrams: [`UnixDatagram`].
#![forbid(unsafe_code)]

mod readiness;
mod receive;
mod send;

use std::io;
use std::net::Shutdown;
use std::os::unix::net;
use std::path::Path;

use socket2::SockRef;

use super::{SocketAddr, address};
use crate::io::evented::Evented;
use crate::io::{Interest, Ready};
use crate::net::debug_assert_nonblocking;
use crate::net::std_traits::{descriptor_traits, impl_debug};

/// A Unix socket that sends and receives datagrams. Within the machine none is lost, and they
/// arrive in order.
///
/// Where a path is asked for, one that begins with a zero byte is an abstract name. The file at the
/// path of a bound socket outlives the socket.
///
/// A receiver's queue is short (`net.unix.max_dgram_qlen`, 10 or 512). When it is full, a sender
/// that is [connected](UnixDatagram::connect) to it waits for room. The kernel does not notify a
/// sender that is not connected: its [`send_to`](UnixDatagram::send_to) goes on at the next event
/// of its own socket, which may never come. So connect where a queue may fill up.
///
/// # Examples
///
/// ```
/// use yamanote::net::UnixDatagram;
///
/// # yamanote::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let (here, there) = UnixDatagram::pair()?;
/// here.send(b"hello").await?;
///
/// let mut buf = [0; 16];
/// let length = there.recv(&mut buf).await?;
/// assert_eq!(&buf[..length], b"hello");
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "uds")]
pub struct UnixDatagram {
    io: Evented<mio::net::UnixDatagram>,
}

impl UnixDatagram {
    /// Makes a socket at `path`.
    ///
    /// # Errors
    ///
    /// Those of bind(2); `InvalidInput` if the path is too long, or has a zero byte within.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn bind<P>(path: P) -> io::Result<UnixDatagram>
    where
        P: AsRef<Path>,
    {
        let address = address::of_path(path.as_ref())?;
        UnixDatagram::new(mio::net::UnixDatagram::bind_addr(&address)?)
    }

    /// Makes two sockets that are connected to each other and have no name.
    ///
    /// # Errors
    ///
    /// Those of socketpair(2): EMFILE or ENFILE without two free descriptors.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = mio::net::UnixDatagram::pair()?;
        let (one, other) = (UnixDatagram::new(one)?, UnixDatagram::new(other)?);
        for end in [&one, &other] {
            end.io.registration().assume_ready(Ready::WRITABLE);
        }
        Ok((one, other))
    }

    /// Makes a socket without a name. It can send, but nobody can send to it.
    ///
    /// # Errors
    ///
    /// Those of socket(2): EMFILE or ENFILE without a free descriptor.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn unbound() -> io::Result<UnixDatagram> {
        UnixDatagram::new(mio::net::UnixDatagram::unbound()?)
    }

    #[track_caller]
    pub(super) fn new(socket: mio::net::UnixDatagram) -> io::Result<UnixDatagram> {
        let both = Interest::READABLE | Interest::WRITABLE;
        Ok(UnixDatagram {
            io: Evented::that_may_reopen(socket, both)?,
        })
    }

    /// Sets where [`send`](UnixDatagram::send) sends to, and drops what comes from elsewhere. It
    /// can be called again.
    ///
    /// # Errors
    ///
    /// Those of connect(2): ENOENT if there is nothing, ECONNREFUSED if the socket there is gone,
    /// EPERM if that one is connected to another. `InvalidInput` if the path is too long, or has a
    /// zero byte within.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let address = address::of_path_for_kernel(path.as_ref())?;
        SockRef::from(self).connect(&address)
    }

    /// The address of this socket.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr().map(SocketAddr)
    }

    /// The address this is connected to.
    ///
    /// # Errors
    ///
    /// Those of getpeername(2): ENOTCONN if it is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.peer_addr().map(SocketAddr)
    }

    /// Takes the error that is pending on the socket (`SO_ERROR`), if there is one.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.take_error()
    }

    /// Ends sending, receiving or both. A task that waits to send, or tries to send later, gets
    /// EPIPE.
    ///
    /// What is queued can still be received. After that a non-blocking socket answers as if
    /// something could still come, and receiving waits for ever.
    ///
    /// # Errors
    ///
    /// Those of shutdown(2).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.shutdown(how)?;
        if how != Shutdown::Read {
            // The kernel reports the end of a stream to the peer, but that of this socket to
            // nobody.
            self.io.registration().announce(Ready::WRITE_CLOSED);
        }
        Ok(())
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
    /// use yamanote::net::UnixDatagram;
    ///
    /// async fn example(socket: std::os::unix::net::UnixDatagram) -> std::io::Result<()> {
    ///     socket.set_nonblocking(true)?;
    ///     let socket = UnixDatagram::from_std(socket)?;
    ///     # drop(socket); Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn from_std(socket: net::UnixDatagram) -> io::Result<UnixDatagram> {
        debug_assert_nonblocking(&socket)?;
        UnixDatagram::new(mio::net::UnixDatagram::from_std(socket))
    }

    /// Takes the socket out of the runtime. It stays in non-blocking mode; call
    /// `set_nonblocking(false)` to use it with blocking calls.
    ///
    /// # Errors
    ///
    /// If the socket cannot be taken out of the set that is watched (epoll_ctl(2)); it is closed
    /// then.
    pub fn into_std(self) -> io::Result<net::UnixDatagram> {
        self.io.into_inner().map(net::UnixDatagram::from)
    }
}

impl TryFrom<net::UnixDatagram> for UnixDatagram {
    type Error = io::Error;

    /// [`from_std`](UnixDatagram::from_std).
    fn try_from(socket: net::UnixDatagram) -> io::Result<UnixDatagram> {
        UnixDatagram::from_std(socket)
    }
}

descriptor_traits!(UnixDatagram, io);
impl_debug!(UnixDatagram);
