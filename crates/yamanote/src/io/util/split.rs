//! Bytes, segment by segment.
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
    /// Reads the segments between delimiters; made by [`split`](crate::io::AsyncBufReadExt::split).
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Split<R> {
        #[pin]
        reader: R,
        delimiter: u8,
        // The beginning of a segment that has not ended.
        segment: Vec<u8>,
    }
}

pub(super) fn split<R: AsyncBufRead>(reader: R, delimiter: u8) -> Split<R> {
    Split {
        reader,
        delimiter,
        segment: Vec::new(),
    }
}

impl<R: AsyncBufRead + Unpin> Split<R> {
    /// The next segment, without its delimiter, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Those of the reader. What was read of the segment is kept.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what has been read of a segment is kept for the next call.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::AsyncBufReadExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut segments = AsyncBufReadExt::split(&b"a;b"[..], b';');
    /// assert_eq!(segments.next_segment().await?.unwrap(), b"a");
    /// assert_eq!(segments.next_segment().await?.unwrap(), b"b");
    /// assert_eq!(segments.next_segment().await?, None);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn next_segment(&mut self) -> io::Result<Option<Vec<u8>>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_segment(cx)).await
    }
}

impl<R: AsyncBufRead> Split<R> {
    /// The poll behind [`next_segment`](Split::next_segment).
    ///
    /// * `Poll::Ready(Ok(Some(segment)))`: a segment.
    /// * `Poll::Ready(Ok(None))`: the end.
    /// * `Poll::Pending`: the segment has not ended; the task will be woken when there is more.
    ///   This may also be said after some of the segment was read.
    /// * `Poll::Ready(Err(e))`: the reader failed.
    pub fn poll_next_segment(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Vec<u8>>>> {
        let me = self.project();
        ready!(poll_until(me.reader, cx, *me.delimiter, me.segment, &mut 0))?;
        let mut segment = mem::take(me.segment);
        if segment.is_empty() {
            return Poll::Ready(Ok(None));
        }
        if segment.last() == Some(me.delimiter) {
            segment.pop();
        }
        Poll::Ready(Ok(Some(segment)))
    }
}
