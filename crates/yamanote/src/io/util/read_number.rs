//! The future behind `AsyncReadExt::read_u8` and its 21 relatives.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::uninterrupted;
use crate::io::{AsyncRead, ReadBuf};

pin_project! {
    /// Future for the methods of [`AsyncReadExt`](crate::io::AsyncReadExt) that read a number; `B`
    /// is an array of as many bytes.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ReadNumber<R, T, B> {
        #[pin]
        reader: R,
        bytes: B,
        filled: usize,
        decode: fn(B) -> T,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<R, T, const N: usize> ReadNumber<R, T, [u8; N]> {
    pub(super) fn new(reader: R, decode: fn([u8; N]) -> T) -> Self {
        ReadNumber {
            reader,
            bytes: [0; N],
            filled: 0,
            decode,
            _pin: PhantomPinned,
        }
    }
}

impl<R: AsyncRead, T, const N: usize> Future for ReadNumber<R, T, [u8; N]> {
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let mut me = self.project();
        while *me.filled < N {
            let mut buf = ReadBuf::new(&mut me.bytes[*me.filled..]);
            ready!(uninterrupted(|| me.reader.as_mut().poll_read(cx, &mut buf)))?;
            match buf.filled().len() {
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                n => *me.filled += n,
            }
        }
        Poll::Ready(Ok((me.decode)(*me.bytes)))
    }
}
