//! What the tests of copies by the kernel share: connections of each kind, and a copy between two.
#![allow(dead_code)]

use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use yamanote::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, copy};
use yamanote::net::UnixStream;
use yamanote::net::unix::pipe;
use yamanote::runtime::Handle;

use crate::tcp_support::{assert_numbered, numbered, pair};

pub const KIB: usize = 1024;
pub const MIB: usize = 1024 * KIB;

pub type Reader = Box<dyn AsyncRead + Send + Unpin>;
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    Unix,
    Pipe,
}

pub const KINDS: [Kind; 3] = [Kind::Tcp, Kind::Unix, Kind::Pipe];

/// A connection to read from, and the end that writes to it.
pub async fn source(kind: Kind) -> (Writer, Reader) {
    match kind {
        Kind::Tcp => {
            let (far, near) = pair().await;
            (Box::new(far), Box::new(near))
        }
        Kind::Unix => {
            let (far, near) = UnixStream::pair().unwrap();
            (Box::new(far), Box::new(near))
        }
        Kind::Pipe => {
            let (far, near) = pipe::pipe().unwrap();
            (Box::new(far), Box::new(near))
        }
    }
}

/// A connection to write to, and the end that reads from it.
pub async fn sink(kind: Kind) -> (Writer, Reader) {
    source(kind).await
}

/// Passes everything on, but for what a copy asks beyond reads and writes.
pub struct Plain<T>(pub T);

impl<T: AsyncRead + Unpin> AsyncRead for Plain<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Plain<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Both ends of a connection for both directions: not a pipe.
pub async fn connection(kind: Kind) -> (Box<dyn Stream>, Box<dyn Stream>) {
    match kind {
        Kind::Tcp => {
            let (far, near) = pair().await;
            (Box::new(far), Box::new(near))
        }
        Kind::Unix => {
            let (far, near) = UnixStream::pair().unwrap();
            (Box::new(far), Box::new(near))
        }
        Kind::Pipe => unreachable!("a pipe has one direction"),
    }
}

/// The longest stream that is sent again and again, made once.
static STREAM: LazyLock<Vec<u8>> = LazyLock::new(|| numbered(0..8 * MIB));

/// The first bytes of the numbered stream.
pub fn stream(length: usize) -> &'static [u8] {
    &STREAM[..length]
}

/// Checks that `bytes` are those at `position` of that stream.
#[track_caller]
pub fn assert_stream(position: usize, bytes: &[u8]) {
    if STREAM.get(position..position + bytes.len()) != Some(bytes) {
        assert_numbered(position, bytes);
    }
}

pub fn moved() -> u64 {
    Handle::current().metrics().kernel_copied_bytes()
}

/// Sends numbered bytes into `far` while `copying` runs, and reads them from `end`. Before the copy
/// begins the source has as much as its buffer takes.
pub async fn pass(
    mut far: Writer,
    total: usize,
    copying: impl Future<Output = io::Result<u64>> + Send + 'static,
    mut end: Reader,
) {
    let sending = yamanote::spawn(async move {
        far.write_all(&numbered(0..total)).await.unwrap();
        far.shutdown().await.unwrap();
    });
    for _ in 0..20 {
        yamanote::task::yield_now().await;
    }
    let copied = yamanote::spawn(copying);
    let mut received = Vec::new();
    end.read_to_end(&mut received).await.unwrap();
    assert_stream(0, &received);
    assert_eq!(received.len(), total);
    assert_eq!(copied.await.unwrap().unwrap(), total as u64);
    sending.await.unwrap();
}

/// Copies and ends the writer, which the reader at the far end sees.
pub async fn copy_to_end(
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
) -> io::Result<u64> {
    let copied = copy(&mut reader, &mut writer).await?;
    writer.shutdown().await?;
    Ok(copied)
}
