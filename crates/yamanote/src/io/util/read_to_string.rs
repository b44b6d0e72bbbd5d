//! The future behind `AsyncReadExt::read_to_string`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::read_line::{OnError, finish};
use super::read_to_end::Filling;
use crate::io::AsyncRead;
use crate::io::read_buf::FillVec;

pin_project! {
    /// Future for the [`read_to_string`](crate::io::AsyncReadExt::read_to_string) method.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ReadToString<'a, R: ?Sized> {
        reader: &'a mut R,
        // Empty while its contents are in `filling`, where they need not be UTF-8.
        output: &'a mut String,
        filling: Filling<Vec<u8>>,
        #[pin]
        _pin: PhantomPinned,
    }
}

pub(super) fn read_to_string<'a, R>(
    reader: &'a mut R,
    output: &'a mut String,
) -> ReadToString<'a, R>
where
    R: AsyncRead + Unpin + ?Sized,
{
    let vec = mem::take(output).into_bytes();
    ReadToString {
        reader,
        output,
        filling: Filling::new(FillVec::owned(vec)),
        _pin: PhantomPinned,
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToString<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.project();
        let result = ready!(me.filling.poll_to_end(cx, Pin::new(&mut **me.reader)));
        let read = *result.as_ref().unwrap_or(&me.filling.read());
        let bytes = me.filling.vec.take();
        Poll::Ready(finish(me.output, bytes, read, result, OnError::Truncate))
    }
}
