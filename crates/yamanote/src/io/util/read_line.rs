//! The future behind `AsyncBufReadExt::read_line`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::read_until::poll_until;
use crate::io::AsyncBufRead;

pin_project! {
    /// Future for the [`read_line`](crate::io::AsyncBufReadExt::read_line) method.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ReadLine<'a, R: ?Sized> {
        reader: &'a mut R,
        // Empty while its contents are in `bytes`, where they need not be UTF-8.
        output: &'a mut String,
        bytes: Vec<u8>,
        read: usize,
        #[pin]
        _pin: PhantomPinned,
    }
}

pub(super) fn read_line<'a, R>(reader: &'a mut R, output: &'a mut String) -> ReadLine<'a, R>
where
    R: AsyncBufRead + Unpin + ?Sized,
{
    ReadLine {
        reader,
        bytes: mem::take(output).into_bytes(),
        output,
        read: 0,
        _pin: PhantomPinned,
    }
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadLine<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.project();
        let reader = Pin::new(&mut **me.reader);
        let result = ready!(poll_until(reader, cx, b'\n', me.bytes, me.read));
        let read = *result.as_ref().unwrap_or(me.read);
        let bytes = mem::take(me.bytes);
        Poll::Ready(finish(me.output, bytes, read, result, OnError::Keep))
    }
}

/// What becomes of text that was read before the reader failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnError {
    Keep,
    Truncate,
}

/// Puts `bytes`, of which the last `read` are new, back into `output` if they are UTF-8, and
/// otherwise only what was there before.
pub(super) fn finish(
    output: &mut String,
    bytes: Vec<u8>,
    read: usize,
    result: io::Result<usize>,
    on_error: OnError,
) -> io::Result<usize> {
    let before = bytes.len() - read;
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            if result.is_err() && on_error == OnError::Truncate {
                text.truncate(before);
            }
            *output = text;
            result
        }
        Err(error) => {
            let invalid = error.utf8_error();
            let mut bytes = error.into_bytes();
            bytes.truncate(before);
            *output = String::from_utf8(bytes).expect("the output was UTF-8 before");
            // The reader's own error is the one to report.
            result.and(Err(io::Error::new(io::ErrorKind::InvalidData, invalid)))
        }
    }
}
