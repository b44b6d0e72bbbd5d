//! A connection: [`TcpStream`].
#![forbid(unsafe_code)]

mod nonblocking;
mod options;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf, split, split_owned};
use crate::io::evented::{Evented, read_into};
use crate::io::transfer::{Sink, Source};
use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use crate::net::std_traits::{descriptor_traits, impl_debug};
use crate::net::{ToSocketAddrs, addr, debug_assert_nonblocking, shut_down_write};
use crate::sys::net::Receive;

/// A TCP connection between a local and a remote socket.
///
/// Read and write with the methods of [`AsyncReadExt`](crate::io::AsyncReadExt) and
/// [`AsyncWriteExt`](crate::io::AsyncWriteExt). To do both at once, use [`split`](TcpStream::split)
/// or [`into_split`](TcpStream::into_split).
///
/// Writing is not buffered: what a write has accepted is in the kernel. `shutdown` of
/// `AsyncWriteExt` closes the write half; dropping the stream closes the connection.
///
/// # Examples
///
/// ```no_run
/// use yamanote::io::AsyncWriteExt;
/// use yamanote::net::TcpStream;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut stream = TcpStream::connect("127.0.0.1:8080").await?;
/// stream.write_all(b"hello world!").await?;
/// # Ok(()) }
/// ```
pub struct TcpStream {
    pub(in crate::net) io: Evented<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first of the addresses that answers; they are tried one after the other.
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
    /// Dropping the future closes the socket, whatever state the connection is in.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::AsyncReadExt;
    /// use yamanote::net::{TcpListener, TcpStream};
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let mut stream = TcpStream::connect(listener.local_addr()?).await?;
    /// drop(listener.accept().await?);
    /// assert_eq!(stream.read(&mut [0; 8]).await?, 0); // the other end has closed
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let mut failure = None;
        for address in addr::resolve(addr).await? {
            let connected = match mio::net::TcpStream::connect(address) {
                Ok(connecting) => TcpStream::connecting(connecting).await,
                Err(error) => Err(error),
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(addr::no_address))
    }

    /// Waits until a connect(2) that is under way has ended.
    pub(super) async fn connecting(stream: mio::net::TcpStream) -> io::Result<TcpStream> {
        let stream = TcpStream::new(stream)?;
        // Success and failure alike make the socket writable.
        poll_fn(|cx| stream.poll_write_ready(cx)).await?;
        match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    #[track_caller]
    fn new(stream: mio::net::TcpStream) -> io::Result<TcpStream> {
        Ok(TcpStream {
            io: Evented::new(stream)?,
        })
    }

    /// A fresh connection is writable, and often its first bytes are there already: one attempt
    /// is cheaper than a turn of the driver.
    #[track_caller]
    pub(super) fn accepted(stream: mio::net::TcpStream) -> io::Result<TcpStream> {
        let stream = TcpStream::new(stream)?;
        let ready = Ready::READABLE | Ready::WRITABLE;
        stream.io.registration().assume_ready(ready);
        Ok(stream)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// Those of getpeername(2): ENOTCONN when the connection is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::net::{TcpListener, TcpStream};
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
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

    /// Reads without taking the bytes: the next read returns them again. Waits until there are
    /// some; `Ok(0)` is the end of the stream, or an empty `buf`.
    ///
    /// # Errors
    ///
    /// Those of recv(2), such as ECONNRESET, and when the runtime of the stream has shut down.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is ever taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::{AsyncReadExt, AsyncWriteExt};
    /// use yamanote::net::{TcpListener, TcpStream};
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let mut client = TcpStream::connect(listener.local_addr()?).await?;
    /// let (mut server, _) = listener.accept().await?;
    /// client.write_all(b"GET /").await?;
    /// let mut first = [0; 3];
    /// server.peek(&mut first).await?; // looks which protocol it is
    /// assert_eq!(&first, b"GET");
    /// let mut all = [0; 5];
    /// server.read_exact(&mut all).await?;
    /// assert_eq!(&all, b"GET /");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io
            .registration()
            .async_io(Interest::READABLE, || self.io.peek(buf))
            .await
    }

    /// Polls for bytes without taking them. Only the task of the last call is woken, and
    /// [`poll_read`](crate::io::AsyncRead::poll_read) counts as such a call.
    ///
    /// # Errors
    ///
    /// Those of the connection, and when the runtime of the stream has shut down.
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        self.io
            .registration()
            .poll_read_io(cx, || read_into(&Receive::peek(&*self.io), buf))
    }

    /// Splits the stream into halves that borrow it, to be used in one task. It costs nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::{self, AsyncWriteExt};
    /// use yamanote::net::{TcpListener, TcpStream};
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let mut client = TcpStream::connect(listener.local_addr()?).await?;
    /// let (mut stream, _) = listener.accept().await?;
    /// client.write_all(b"hello").await?;
    /// client.shutdown().await?;
    ///
    /// // Sends everything back, until the client has ended its side.
    /// let (mut read, mut write) = stream.split();
    /// assert_eq!(io::copy(&mut read, &mut write).await?, 5);
    /// # Ok(())
    /// # }
    /// ```
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
    /// use yamanote::net::{TcpListener, TcpStream};
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// let (mut peer, _) = listener.accept().await?;
    ///
    /// let (mut read, mut write) = stream.into_split();
    /// let writer = yamanote::spawn(async move { write.write_all(b"question").await });
    /// let mut question = String::new();
    /// writer.await.unwrap()?; // the write half is dropped: the peer reads the end
    /// peer.read_to_string(&mut question).await?;
    /// peer.write_all(b"answer").await?;
    /// drop(peer);
    ///
    /// let mut answer = String::new();
    /// read.read_to_string(&mut answer).await?;
    /// assert_eq!((question.as_str(), answer.as_str()), ("question", "answer"));
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
    /// use yamanote::net::TcpStream;
    ///
    /// async fn example(stream: std::net::TcpStream) -> std::io::Result<()> {
    ///     stream.set_nonblocking(true)?;
    ///     let stream = TcpStream::from_std(stream)?;
    ///     # drop(stream); Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        debug_assert_nonblocking(&stream)?;
        TcpStream::new(mio::net::TcpStream::from_std(stream))
    }

    /// Takes the stream out of the runtime. It stays in non-blocking mode; call
    /// `set_nonblocking(false)` to use it with blocking calls.
    ///
    /// # Errors
    ///
    /// If the stream cannot be taken out of the set that is watched (epoll_ctl(2)); it is closed
    /// then.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::net::{TcpListener, TcpStream};
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// let stream = stream.into_std()?;
    /// stream.set_nonblocking(false)?; // for a thread that may wait
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.io.into_inner().map(std::net::TcpStream::from)
    }

    /// Closes the write half. A connection that is gone already is as closed as it can be.
    pub(in crate::net) fn shut_down_write(&self) -> io::Result<()> {
        shut_down_write(&*self.io)
    }
}

impl AsyncRead for TcpStream {
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

impl AsyncWrite for TcpStream {
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

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// [`from_std`](TcpStream::from_std).
    fn try_from(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        TcpStream::from_std(stream)
    }
}

descriptor_traits!(TcpStream, io);
impl_debug!(TcpStream);

impl AsRef<TcpStream> for TcpStream {
    fn as_ref(&self) -> &TcpStream {
        self
    }
}
