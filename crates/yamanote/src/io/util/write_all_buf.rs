//! The future behind `AsyncWriteExt::write_all_buf`: writes until nothing remains in the buffer.
//!
//! The buffer always stands where the writer has got to, so a future dropped half-way can be
//! replaced by another with the same buffer.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use pin_project_lite::pin_project;

use super::uninterrupted;
use super::write_buf::poll_write_chunks;
use crate::io::AsyncWrite;

pin_project! {
    /// Future for the [`write_all_buf`](crate::io::AsyncWriteExt::write_all_buf) method.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct WriteAllBuf<'a, W, B> {
        writer: &'a mut W,
        buf: &'a mut B,
        #[pin]
        _pin: PhantomPinned,
    }
}

pub(super) fn write_all_buf<'a, W, B>(writer: &'a mut W, buf: &'a mut B) -> WriteAllBuf<'a, W, B>
where
    W: AsyncWrite + Unpin,
    B: Buf,
{
    WriteAllBuf {
        writer,
        buf,
        _pin: PhantomPinned,
    }
}

impl<W: AsyncWrite + Unpin, B: Buf> Future for WriteAllBuf<'_, W, B> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.project();
        while me.buf.has_remaining() {
            let n = ready!(uninterrupted(|| {
                poll_write_chunks(Pin::new(&mut **me.writer), cx, *me.buf)
            }))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            me.buf.advance(n);
        }
        Poll::Ready(Ok(()))
    }
}
