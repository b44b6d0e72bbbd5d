//! The future behind `AsyncWriteExt::write_all`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::uninterrupted;
use crate::io::AsyncWrite;

pin_project! {
    /// Future for the [`write_all`](crate::io::AsyncWriteExt::write_all) method.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct WriteAll<'a, W: ?Sized> {
        writer: &'a mut W,
        // What is still to be written.
        data: &'a [u8],
        #[pin]
        _pin: PhantomPinned,
    }
}

pub(super) fn write_all<'a, W>(writer: &'a mut W, data: &'a [u8]) -> WriteAll<'a, W>
where
    W: AsyncWrite + Unpin + ?Sized,
{
    WriteAll {
        writer,
        data,
        _pin: PhantomPinned,
    }
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for WriteAll<'_, W> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.project();
        while !me.data.is_empty() {
            let n = ready!(uninterrupted(
                || Pin::new(&mut **me.writer).poll_write(cx, me.data)
            ))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *me.data = &me.data[n..];
        }
        Poll::Ready(Ok(()))
    }
}
