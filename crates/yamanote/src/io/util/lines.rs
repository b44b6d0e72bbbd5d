//! Text, line by line.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::read_until::poll_until;
use crate::io::AsyncBufRead;

pin_project! {
    /// Reads text line by line; made by [`lines`](crate::io::AsyncBufReadExt::lines).
    ///
    /// A line ends with a newline, or a carriage return and a newline; neither is part of what is
    /// returned.
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Lines<R> {
        #[pin]
        reader: R,
        // The beginning of a line that has not ended.
        line: Vec<u8>,
    }
}

pub(super) fn lines<R: AsyncBufRead>(reader: R) -> Lines<R> {
    Lines {
        reader,
        line: Vec::new(),
    }
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// The next line, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Those of the reader, and [`InvalidData`](io::ErrorKind::InvalidData) for a line that is not
    /// UTF-8; the next call returns the line after it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what has been read of a line is kept for the next call.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::AsyncBufReadExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut lines = AsyncBufReadExt::lines(&b"one\r\ntwo\n\nfour"[..]);
    /// while let Some(line) = lines.next_line().await? {
    ///     println!("{} bytes: {line}", line.len());
    /// }
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn next_line(&mut self) -> io::Result<Option<String>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_line(cx)).await
    }

    /// The reader. What has been read of a line is not in it any more.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The reader.
    pub fn get_ref(&mut self) -> &R {
        &self.reader
    }

    /// The reader. What has been read of a line is lost.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

impl<R: AsyncBufRead> Lines<R> {
    /// The poll behind [`next_line`](Lines::next_line).
    ///
    /// * `Poll::Ready(Ok(Some(line)))`: a line.
    /// * `Poll::Ready(Ok(None))`: the end.
    /// * `Poll::Pending`: the line has not ended; the task will be woken when there is more. This
    ///   may also be said after some of the line was read.
    /// * `Poll::Ready(Err(e))`: the reader failed, or the line is not UTF-8.
    pub fn poll_next_line(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<String>>> {
        let me = self.project();
        ready!(poll_until(me.reader, cx, b'\n', me.line, &mut 0))?;
        let mut line = mem::take(me.line);
        if line.is_empty() {
            return Poll::Ready(Ok(None));
        }
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        }
        let text = String::from_utf8(line);
        Poll::Ready(match text {
            Ok(text) => Ok(Some(text)),
            Err(e) => Err(io::Error::new(io::ErrorKind::InvalidData, e)),
        })
    }
}
