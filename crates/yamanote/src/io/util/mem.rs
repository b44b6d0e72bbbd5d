//! Pipes in memory, bounded, with the interface of a socket.
//!
//! The bytes and the wake-ups are those of [`spsc`](crate::util::spsc): one writer, one reader, no
//! lock around the copying. A stream's two directions are two such pipes. What this file adds is
//! what I/O means by them:
//!
//! * A full pipe makes the writer wait, an empty one the reader. Either is woken when that changes.
//! * A pipe is closed by its writer's [`shutdown`] or by either end going away. The reader of a
//!   closed pipe gets what is left, and then end of file; a write to it, even of nothing, fails
//!   with [`BrokenPipe`].
//! * Nobody is woken, and no waker is dropped, before the pipe can be used again: a waker may run
//!   any code, such as a poll of the other end.
//!
//! [`shutdown`]: crate::io::AsyncWriteExt::shutdown
//! [`BrokenPipe`]: io::ErrorKind::BrokenPipe
#![forbid(unsafe_code)]

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use crate::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf, split};
use crate::util::coop;
use crate::util::spsc::{Consumer, Park, Producer, byte_pipe};

/// One end of a pipe in memory that goes both ways.
///
/// Made in pairs by [`duplex`]: what is written to one end can be read from the other.
///
/// # Closing
///
/// When one end is dropped, the other can still read what was written before that, and then sees
/// end of file. Writing to it, even a write that already waits for room, fails with
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe).
///
/// # Examples
///
/// ```
/// use yamanote::io::{AsyncReadExt, AsyncWriteExt, duplex};
///
/// # futures::executor::block_on(async {
/// let (mut client, mut server) = duplex(64);
///
/// client.write_all(b"ping").await?;
/// let mut request = [0; 4];
/// server.read_exact(&mut request).await?;
///
/// server.write_all(b"pong").await?;
/// drop(server);
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
/// assert_eq!(answer, "pong");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct DuplexStream {
    read: Consumer,
    write: Producer,
}

/// A pipe in memory that goes one way.
///
/// Made by [`simplex`] as two halves, or by [`SimplexStream::new_unsplit`] as one value that is
/// both written and read.
///
/// # Examples
///
/// ```
/// use yamanote::io::{AsyncReadExt, AsyncWriteExt, simplex};
///
/// # futures::executor::block_on(async {
/// let (mut receiver, mut sender) = simplex(64);
/// sender.write_all(b"ping").await?;
/// sender.shutdown().await?;
///
/// let mut text = String::new();
/// receiver.read_to_string(&mut text).await?;
/// assert_eq!(text, "ping");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct SimplexStream {
    read: Consumer,
    write: Producer,
}

/// Makes two ends of a pipe in memory that goes both ways, like a pair of connected sockets.
///
/// Each direction holds at most `max_buf_size` bytes; then writing waits until the other end reads.
/// Memory is taken as needed, not in advance.
///
/// # Panics
///
/// If `max_buf_size` is 0.
#[track_caller]
pub fn duplex(max_buf_size: usize) -> (DuplexStream, DuplexStream) {
    let (left_write, right_read) = pipe(max_buf_size);
    let (right_write, left_read) = pipe(max_buf_size);
    let left = DuplexStream {
        read: left_read,
        write: left_write,
    };
    let right = DuplexStream {
        read: right_read,
        write: right_write,
    };
    (left, right)
}

/// Makes the two ends of a pipe in memory that goes one way.
///
/// It holds at most `max_buf_size` bytes; then writing waits until the other end reads.
///
/// The halves are those of [`split`](crate::io::split): they can be put together again with
/// [`unsplit`](ReadHalf::unsplit), and dropping one does not close the pipe;
/// [`shutdown`](crate::io::AsyncWriteExt::shutdown) does.
///
/// # Panics
///
/// If `max_buf_size` is 0.
#[track_caller]
pub fn simplex(max_buf_size: usize) -> (ReadHalf<SimplexStream>, WriteHalf<SimplexStream>) {
    split(SimplexStream::new_unsplit(max_buf_size))
}

impl SimplexStream {
    /// Makes a pipe in memory as one value: what is written to it can be read from it.
    ///
    /// It holds at most `max_buf_size` bytes.
    ///
    /// # Panics
    ///
    /// If `max_buf_size` is 0.
    #[track_caller]
    pub fn new_unsplit(max_buf_size: usize) -> SimplexStream {
        let (write, read) = pipe(max_buf_size);
        SimplexStream { read, write }
    }
}

#[track_caller]
fn pipe(max_buf_size: usize) -> (Producer, Consumer) {
    assert!(max_buf_size > 0, "`max_buf_size` must be greater than 0");
    byte_pipe(max_buf_size)
}

/// The other side's waker, woken when this is dropped. Two of them are woken even if one panics.
struct ToWake(Option<Waker>);

impl Drop for ToWake {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}

fn poll_read(
    pipe: &mut Consumer,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let unit = ready!(coop::poll_proceed(cx));
    loop {
        if let Some(n) = pipe.pop(buf.remaining(), |piece| buf.put_slice(piece)) {
            unit.made_progress();
            if n > 0 {
                drop(ToWake(pipe.release()));
            }
            return Poll::Ready(Ok(()));
        }
        match pipe.park(cx.waker()) {
            Park::Parked => return Poll::Pending,
            Park::Moved => {}
        }
    }
}

/// Writes as much of `bufs`, one after the other, as there is room for.
fn poll_write<'a>(
    pipe: &mut Producer,
    cx: &mut Context<'_>,
    bufs: impl Iterator<Item = &'a [u8]> + Clone,
) -> Poll<io::Result<usize>> {
    let unit = ready!(coop::poll_proceed(cx));
    loop {
        if pipe.is_closed() {
            unit.made_progress();
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut written = 0;
        let mut all_taken = true;
        for buf in bufs.clone() {
            let n = pipe.push(buf);
            written += n;
            if n < buf.len() {
                all_taken = false;
                break;
            }
        }
        if written > 0 || all_taken {
            unit.made_progress();
            if written > 0 {
                drop(ToWake(pipe.publish()));
            }
            return Poll::Ready(Ok(written));
        }
        match pipe.park(cx.waker()) {
            Park::Parked => return Poll::Pending,
            Park::Moved => {}
        }
    }
}

impl AsyncRead for DuplexStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_read(&mut self.read, cx, buf)
    }
}

impl AsyncWrite for DuplexStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_write(&mut self.write, cx, [buf].into_iter())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        drop(ToWake(self.write.close()));
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_write(&mut self.write, cx, bufs.iter().map(|buf| &**buf))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        // Both directions are closed before any waker is touched.
        let write = self.write.hang_up();
        let read = self.read.hang_up();
        let _reader = ToWake(write.to_wake);
        let _writer = ToWake(read.to_wake);
        let _own = (write.to_drop, read.to_drop);
    }
}

impl AsyncRead for SimplexStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_read(&mut self.read, cx, buf)
    }
}

impl AsyncWrite for SimplexStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_write(&mut self.write, cx, [buf].into_iter())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        drop(ToWake(self.write.close()));
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_write(&mut self.write, cx, bufs.iter().map(|buf| &**buf))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
