//! A connection within the machine: [`UnixStream`].
#![forbid(unsafe_code)]

mod nonblocking;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::os::unix::net;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{
    OwnedReadHalf, OwnedWriteHalf, ReadHalf, SocketAddr, UCred, WriteHalf, address, split,
    split_owned,
};
use crate::io::evented::Evented;
use crate::io::transfer::{Sink, Source};
use crate::io::{AsyncRead, AsyncWrite, ReadBuf, Ready};
use crate::net::std_traits::{descriptor_traits, impl_debug};
use crate::net::{debug_assert_nonblocking, shut_down_write};

/// A connection between two Unix sockets.
///
/// Read and write with the methods of [`AsyncReadExt`](crate::io::AsyncReadExt) and
/// [`AsyncWriteExt`](crate::io::AsyncWriteExt). To do both at once, use
/// [`split`](UnixStream::split) or [`into_split`](UnixStream::into_split).
///
/// Writing is not buffered: what a write has accepted is in the kernel. `shutdown` of
/// `AsyncWriteExt` closes the write half; dropping the stream closes the connection.
///
/// # Examples
///
/// ```
/// use yamanote::io::{AsyncReadExt, AsyncWriteExt};
/// use yamanote::net::UnixStream;
///
/// # yamanote::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let (mut here, mut there) = UnixStream::pair()?;
/// here.write_all(b"hello").await?;
/// drop(here);
///
/// let mut text = String::new();
/// there.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "uds")]
pub struct UnixStream {
    pub(in crate::net) io: Evented<mio::net::UnixStream>,
}

impl UnixStream {
    /// Connects to the socket at `path`. A path that begins with a zero byte is an abstract name.
    ///
    /// # Errors
    ///
    /// Those of connect(2): ENOENT if there is nothing, ECONNREFUSED if nobody listens, and EAGAIN
    /// (`WouldBlock`) if the listener's queue is full: the kernel offers no way to wait for room in
    /// it, so try again later. `InvalidInput` if the path is too long, or has a zero byte within.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect<P>(path: P) -> io::Result<UnixStream>
    where
        P: AsRef<Path>,
    {
        let address = address::of_path(path.as_ref())?;
        UnixStream::connect_addr(&SocketAddr(address)).await
    }

    /// Connects to the socket at an address; as [`connect`](UnixStream::connect).
    ///
    /// # Errors
    ///
    /// As [`connect`](UnixStream::connect).
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect_addr(socket_addr: &SocketAddr) -> io::Result<UnixStream> {
        UnixStream::connecting(mio::net::UnixStream::connect_addr(&socket_addr.0)?).await
    }

    /// Waits until a connect(2) that is under way has ended.
    pub(super) async fn connecting(stream: mio::net::UnixStream) -> io::Result<UnixStream> {
        let stream = UnixStream::new(stream)?;
        poll_fn(|cx| stream.poll_write_ready(cx)).await?;
        match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    #[track_caller]
    fn new(stream: mio::net::UnixStream) -> io::Result<UnixStream> {
        Ok(UnixStream {
            io: Evented::new(stream)?,
        })
    }

    /// A fresh connection is writable, and often its first bytes are there already: one attempt
    /// is cheaper than a turn of the driver.
    #[track_caller]
    pub(super) fn accepted(stream: mio::net::UnixStream) -> io::Result<UnixStream> {
        let stream = UnixStream::new(stream)?;
        let ready = Ready::READABLE | Ready::WRITABLE;
        stream.io.registration().assume_ready(ready);
        Ok(stream)
    }

    /// Makes two streams that are connected to each other and have no name.
    ///
    /// # Errors
    ///
    /// Those of socketpair(2): EMFILE or ENFILE without two free descriptors.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = mio::net::UnixStream::pair()?;
        let (one, other) = (UnixStream::new(one)?, UnixStream::new(other)?);
        for end in [&one, &other] {
            end.io.registration().assume_ready(Ready::WRITABLE);
        }
        Ok((one, other))
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr().map(SocketAddr)
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// Those of getpeername(2): ENOTCONN when the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.peer_addr().map(SocketAddr)
    }

    /// The credentials of the process at the other end (`SO_PEERCRED`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::net::UnixStream;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let (here, _there) = UnixStream::pair()?;
    /// let peer = here.peer_cred()?;
    /// assert_eq!(peer.pid(), Some(std::process::id() as i32));
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer_cred(&self) -> io::Result<UCred> {
        UCred::of_peer(self.as_fd())
    }

    /// Takes the error that is pending on the socket (`SO_ERROR`), if there is one.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.take_error()
    }

    /// Splits the stream into halves that borrow it, to be used in one task. It costs nothing.
    pub fn split<'a>(&'a mut self) -> (ReadHalf<'a>, WriteHalf<'a>) {
        split::split(self)
    }

    /// Splits the stream into halves that may go to different tasks, at the price of one
    /// allocation. Dropping the write half shuts that direction down.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::{AsyncReadExt, AsyncWriteExt};
    /// use yamanote::net::UnixStream;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let (here, mut there) = UnixStream::pair()?;
    /// let (_read, mut write) = here.into_split();
    /// write.write_all(b"hello").await?;
    /// drop(write); // shuts this direction down
    ///
    /// let mut text = String::new();
    /// there.read_to_string(&mut text).await?;
    /// assert_eq!(text, "hello");
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split_owned::split(self)
    }

    /// Takes a stream of the standard library, which must be in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the kernel cannot watch the stream, or the runtime has shut down; the stream is closed
    /// then.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`. In debug builds also if
    /// the stream is in blocking mode.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use yamanote::net::UnixStream;
    ///
    /// async fn example(stream: std::os::unix::net::UnixStream) -> std::io::Result<()> {
    ///     stream.set_nonblocking(true)?;
    ///     let stream = UnixStream::from_std(stream)?;
    ///     # drop(stream); Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn from_std(stream: net::UnixStream) -> io::Result<UnixStream> {
        debug_assert_nonblocking(&stream)?;
        UnixStream::new(mio::net::UnixStream::from_std(stream))
    }

    /// Takes the stream out of the runtime. It stays in non-blocking mode; call
    /// `set_nonblocking(false)` to use it with blocking calls.
    ///
    /// # Errors
    ///
    /// If the stream cannot be taken out of the set that is watched (epoll_ctl(2)); it is closed
    /// then.
    pub fn into_std(self) -> io::Result<net::UnixStream> {
        self.io.into_inner().map(net::UnixStream::from)
    }

    /// Closes the write half. A connection that is gone already is as closed as it can be.
    pub(in crate::net) fn shut_down_write(&self) -> io::Result<()> {
        shut_down_write(&*self.io)
    }
}

impl AsyncRead for UnixStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().io.poll_read(cx, buf)
    }

    fn lend_source(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        user(&mut Source::ready(&self.io));
    }
}

impl AsyncWrite for UnixStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().io.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().io.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: what was written is in the kernel.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes the write direction: the peer reads the end of the stream.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down_write())
    }

    fn lend_sink(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Sink<'_>)) {
        user(&mut Sink::ready(&self.io));
    }
}

impl TryFrom<net::UnixStream> for UnixStream {
    type Error = io::Error;

    /// [`from_std`](UnixStream::from_std).
    fn try_from(stream: net::UnixStream) -> io::Result<UnixStream> {
        UnixStream::from_std(stream)
    }
}

descriptor_traits!(UnixStream, io);
impl_debug!(UnixStream);

impl AsRef<UnixStream> for UnixStream {
    fn as_ref(&self) -> &UnixStream {
        self
    }
}
