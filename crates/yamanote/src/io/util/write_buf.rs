//! The future behind `AsyncWriteExt::write_buf`: one write from a buffer that is advanced by what
//! was written.
//!
//! One future makes exactly one call of the writer that returns `Ready`; `Pending` leaves the
//! buffer where it was, and so does an error. A future dropped between two polls has therefore
//! written nothing.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io::{self, IoSlice};
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use pin_project_lite::pin_project;

use super::MAX_CHUNKS;
use crate::io::AsyncWrite;

pin_project! {
    /// Future for the [`write_buf`](crate::io::AsyncWriteExt::write_buf) method.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct WriteBuf<'a, W, B> {
        writer: &'a mut W,
        buf: &'a mut B,
        #[pin]
        _pin: PhantomPinned,
    }
}

pub(super) fn write_buf<'a, W, B>(writer: &'a mut W, buf: &'a mut B) -> WriteBuf<'a, W, B>
where
    W: AsyncWrite + Unpin,
    B: Buf,
{
    WriteBuf {
        writer,
        buf,
        _pin: PhantomPinned,
    }
}

impl<W: AsyncWrite + Unpin, B: Buf> Future for WriteBuf<'_, W, B> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.project();
        if !me.buf.has_remaining() {
            return Poll::Ready(Ok(0));
        }
        let n = ready!(poll_write_chunks(Pin::new(&mut **me.writer), cx, *me.buf))?;
        me.buf.advance(n);
        Poll::Ready(Ok(n))
    }
}

/// Writes once from the front of `buf`, which is not advanced: its first chunk, or up to
/// [`MAX_CHUNKS`] at once to a writer that can do that.
pub(super) fn poll_write_chunks<W: AsyncWrite, B: Buf>(
    writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    buf: &B,
) -> Poll<io::Result<usize>> {
    if !writer.is_write_vectored() {
        return writer.poll_write(cx, buf.chunk());
    }
    let mut chunks = [IoSlice::new(&[]); MAX_CHUNKS];
    let count = buf.chunks_vectored(&mut chunks);
    writer.poll_write_vectored(cx, &chunks[..count])
}
