//! A reader of the beginning of a reader.
#![forbid(unsafe_code)]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::io::read_buf::poll_limited;
use crate::io::transfer::Source;
use crate::io::{AsyncBufRead, AsyncRead, ReadBuf};

pin_project! {
    /// Reads at most a given number of bytes from a reader; made by
    /// [`take`](crate::io::AsyncReadExt::take).
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::AsyncReadExt;
    ///
    /// # futures::executor::block_on(async {
    /// // The body of a message ends where its header says.
    /// let mut body = Vec::new();
    /// let stream = &b"helloNEXT"[..];
    /// stream.take(5).read_to_end(&mut body).await?;
    /// assert_eq!(body, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[derive(Debug)]
    #[must_use = "streams do nothing unless you `.await` or poll them"]
    pub struct Take<R> {
        #[pin]
        inner: R,
        limit: u64,
    }
}

pub(super) fn take<R: AsyncRead>(inner: R, limit: u64) -> Take<R> {
    Take { inner, limit }
}

impl<R: AsyncRead> Take<R> {
    /// How many bytes may still be read. The reader may end before that.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Sets how many bytes may be read from now on, whatever was read before.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// The reader.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The reader, mutably. What is read from it directly does not count.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The reader, pinned. What is read from it directly does not count.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().inner
    }

    /// The reader.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: AsyncRead> AsyncRead for Take<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.project();
        if *me.limit == 0 {
            return Poll::Ready(Ok(()));
        }
        let limit = usize::try_from(*me.limit).unwrap_or(usize::MAX);
        let n = ready!(poll_limited(buf, limit, |buf| me.inner.poll_read(cx, buf)))?;
        *me.limit -= n as u64;
        Poll::Ready(Ok(()))
    }

    fn lend_source(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        let me = self.project();
        let limit = me.limit;
        me.inner
            .lend_source(&mut |source| source.lend_limited(limit, user));
    }
}

impl<R: AsyncBufRead> AsyncBufRead for Take<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let me = self.project();
        if *me.limit == 0 {
            return Poll::Ready(Ok(&[]));
        }
        let filled = ready!(me.inner.poll_fill_buf(cx))?;
        Poll::Ready(Ok(&filled[..at_most(filled.len(), *me.limit)]))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        let me = self.project();
        let amt = at_most(amt, *me.limit);
        *me.limit -= amt as u64;
        me.inner.consume(amt);
    }
}

fn at_most(len: usize, limit: u64) -> usize {
    usize::try_from(limit).map_or(len, |limit| len.min(limit))
}
