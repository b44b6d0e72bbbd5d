//! Sockets for asynchronous programs: TCP, UDP, and those of the local machine.
//!
//! The asynchronous twin of [`std::net`] and [`std::os::unix::net`]:
//!
//! - [`TcpListener`] accepts connections, [`TcpStream`] is one of them, and [`TcpSocket`] is a
//!   socket to be configured before it becomes either.
//! - [`UdpSocket`] sends and receives datagrams.
//! - [`UnixListener`], [`UnixStream`], [`UnixSocket`] and [`UnixDatagram`] do the same between
//!   processes of one machine, and [`unix::pipe`] has pipes and FIFOs.
//! - [`lookup_host`] resolves a name; everything that takes an address takes a name too, by
//!   [`ToSocketAddrs`].
//!
//! For descriptors of other kinds there is [`AsyncFd`](crate::io::unix::AsyncFd).
//!
//! Sockets belong to the runtime in which they are made, and panic when made outside one or in a
//! runtime built without `enable_io`. Once that runtime is shut down their operations fail.

mod addr;
mod lookup_host;
pub use addr::ToSocketAddrs;
pub use lookup_host::lookup_host;

mod datagrams;
mod std_traits;

pub mod tcp;
pub use tcp::listener::TcpListener;
pub use tcp::socket::TcpSocket;
pub use tcp::stream::TcpStream;

mod udp;
#[doc(inline)]
pub use udp::UdpSocket;

pub mod unix;
pub use unix::datagram::UnixDatagram;
pub use unix::listener::UnixListener;
pub use unix::socket::UnixSocket;
pub use unix::stream::UnixStream;

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;

use socket2::SockRef;

/// Asserts in debug builds that a socket that comes from outside is non-blocking; a blocking one
/// would stop the thread, and with it every other task on it. Programs that know better say so with
/// Tokio's flag for it.
#[track_caller]
fn debug_assert_nonblocking(socket: &impl AsFd) -> io::Result<()> {
    if cfg!(all(debug_assertions, not(tokio_allow_from_blocking_fd))) {
        assert!(
            SockRef::from(socket).nonblocking()?,
            "Registering a blocking socket with the tokio runtime is unsupported. \
             Call `set_nonblocking(true)` on it first, or add \
             `--cfg tokio_allow_from_blocking_fd` to your RUSTFLAGS."
        );
    }
    Ok(())
}

/// Closes the write direction of a stream. A connection that is gone already is as closed as it can
/// be.
fn shut_down_write(stream: &impl AsFd) -> io::Result<()> {
    match SockRef::from(stream).shutdown(Shutdown::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}
