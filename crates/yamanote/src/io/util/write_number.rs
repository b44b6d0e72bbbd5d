//! The future behind `AsyncWriteExt::write_u8` and its 21 relatives.
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
    /// Future for the methods of [`AsyncWriteExt`](crate::io::AsyncWriteExt) that write a number;
    /// `B` is an array of as many bytes.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct WriteNumber<W, B> {
        #[pin]
        writer: W,
        bytes: B,
        written: usize,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<W, const N: usize> WriteNumber<W, [u8; N]> {
    pub(super) fn new(writer: W, bytes: [u8; N]) -> Self {
        WriteNumber {
            writer,
            bytes,
            written: 0,
            _pin: PhantomPinned,
        }
    }
}

impl<W: AsyncWrite, const N: usize> Future for WriteNumber<W, [u8; N]> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut me = self.project();
        while *me.written < N {
            let rest = &me.bytes[*me.written..];
            match ready!(uninterrupted(|| me.writer.as_mut().poll_write(cx, rest)))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => *me.written += n,
            }
        }
        Poll::Ready(Ok(()))
    }
}
