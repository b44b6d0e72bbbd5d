//! A writer with a buffer in front of it.
#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{DEFAULT_BUF_SIZE, uninterrupted};
use crate::io::transfer::{Sink, Source};
use crate::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

pin_project! {
    /// Adds a buffer to a writer.
    ///
    /// Many small writes become few large ones of the writer inside. It does not help where writes
    /// are large anyway (these go past the buffer), or where the writer is memory.
    ///
    /// What is in the buffer when this is dropped is lost: call
    /// [`flush`](crate::io::AsyncWriteExt::flush) or
    /// [`shutdown`](crate::io::AsyncWriteExt::shutdown) before.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::{AsyncWriteExt, BufWriter};
    ///
    /// # futures::executor::block_on(async {
    /// let mut writer = BufWriter::new(Vec::new());
    /// for number in 0..100 {
    ///     writer.write_u16(number).await?;
    /// }
    /// writer.flush().await?;
    /// assert_eq!(writer.into_inner().len(), 200);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub struct BufWriter<W> {
        #[pin]
        pub(super) inner: W,
        pub(super) state: WriteState,
    }
}

/// The buffer, and how far a seek has come.
pub(super) struct WriteState {
    buffer: Vec<u8>,
    /// How much of the buffer a flush that is still under way has written to the writer inside.
    flushed: usize,
    seek: Seeking,
}

#[derive(Debug, Clone, Copy)]
enum Seeking {
    No,
    /// An order, not yet passed on: what is in the buffer goes first.
    Ordered(SeekFrom),
    /// The writer inside goes to its position.
    Started,
}

impl WriteState {
    /// How many bytes the buffer takes without growing.
    fn spare(&self) -> usize {
        self.buffer.capacity() - self.buffer.len()
    }
}

impl<W: AsyncWrite> BufWriter<W> {
    /// Adds a buffer of 8 KiB.
    pub fn new(inner: W) -> Self {
        Self::with_capacity(DEFAULT_BUF_SIZE, inner)
    }

    /// Adds a buffer of at least `capacity` bytes.
    pub fn with_capacity(capacity: usize, inner: W) -> Self {
        BufWriter {
            inner,
            state: WriteState {
                buffer: Vec::with_capacity(capacity),
                flushed: 0,
                seek: Seeking::No,
            },
        }
    }

    /// The writer inside.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The writer inside, mutably. Writing to it directly overtakes what is in the buffer.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The writer inside, pinned. Writing to it directly overtakes what is in the buffer.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut W> {
        self.project().inner
    }

    /// The writer inside. What is in the buffer is lost.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// What is in the buffer.
    pub fn buffer(&self) -> &[u8] {
        &self.state.buffer
    }

    /// Writes everything in the buffer to the writer inside, which is not flushed.
    fn poll_empty_buffer(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut me = self.project();
        let state = me.state;
        let result = loop {
            let rest = &state.buffer[state.flushed..];
            if rest.is_empty() {
                break Ok(());
            }
            match ready!(uninterrupted(|| me.inner.as_mut().poll_write(cx, rest))) {
                Ok(0) => {
                    break Err(io::Error::new(
                        io::ErrorKind::WriteZero,
                        "failed to write the buffered data",
                    ));
                }
                Ok(n) => state.flushed += n,
                Err(e) => break Err(e),
            }
        };
        state.buffer.drain(..state.flushed);
        state.flushed = 0;
        Poll::Ready(result)
    }
}

impl<W: AsyncWrite> AsyncWrite for BufWriter<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.len() > self.state.spare() {
            ready!(self.as_mut().poll_empty_buffer(cx))?;
        }
        let me = self.project();
        if buf.len() >= me.state.buffer.capacity() {
            return me.inner.poll_write(cx, buf);
        }
        me.state.buffer.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_empty_buffer(cx))?;
        self.get_pin_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_empty_buffer(cx))?;
        self.get_pin_mut().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // All go together if the writer inside can do that too. If not, as many go as our buffer
        // takes: it is emptied at most once, for the first of them, so that nothing has been taken
        // if that fails.
        let vectored = self.inner.is_write_vectored();
        let Some(first) = bufs.iter().position(|buf| vectored || !buf.is_empty()) else {
            return Poll::Ready(Ok(0));
        };
        let bufs = &bufs[first..];
        let needed = if vectored {
            bufs.iter()
                .fold(0, |sum: usize, buf| sum.saturating_add(buf.len()))
        } else {
            bufs[0].len()
        };
        if needed > self.state.spare() {
            ready!(self.as_mut().poll_empty_buffer(cx))?;
        }
        let me = self.project();
        if needed >= me.state.buffer.capacity() {
            return if vectored {
                me.inner.poll_write_vectored(cx, bufs)
            } else {
                me.inner.poll_write(cx, &bufs[0])
            };
        }
        let mut taken = 0;
        for buf in bufs {
            if buf.len() > me.state.spare() {
                break;
            }
            me.state.buffer.extend_from_slice(buf);
            taken += buf.len();
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn lend_sink(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Sink<'_>)) {
        match self.state.buffer.is_empty() {
            true => self.get_pin_mut().lend_sink(user),
            false => self
                .get_pin_mut()
                .lend_sink(&mut |sink| sink.lend_after_flush(user)),
        }
    }
}

/// Seeking writes what is in the buffer first.
impl<W: AsyncWrite + AsyncSeek> AsyncSeek for BufWriter<W> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        // Passed on when it is polled: the buffer has to be written before.
        self.project().state.seek = Seeking::Ordered(position);
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if let Seeking::No = self.state.seek {
            return self.get_pin_mut().poll_complete(cx);
        }
        ready!(self.as_mut().poll_empty_buffer(cx))?;

        let mut me = self.project();
        if let Seeking::Ordered(position) = me.state.seek {
            // An operation that is still under way inside would make it refuse.
            ready!(me.inner.as_mut().poll_complete(cx))?;
            me.state.seek = Seeking::No;
            me.inner.as_mut().start_seek(position)?;
            me.state.seek = Seeking::Started;
        }
        let position = ready!(me.inner.poll_complete(cx));
        me.state.seek = Seeking::No;
        Poll::Ready(position)
    }
}

/// Reads go past the buffer, which is for writing.
impl<W: AsyncWrite + AsyncRead> AsyncRead for BufWriter<W> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_pin_mut().poll_read(cx, buf)
    }

    fn lend_source(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        self.get_pin_mut().lend_source(user);
    }
}

/// Reads go past the buffer, which is for writing.
impl<W: AsyncWrite + AsyncBufRead> AsyncBufRead for BufWriter<W> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_pin_mut().poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.get_pin_mut().consume(amt);
    }
}

impl<W: fmt::Debug> fmt::Debug for BufWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, capacity) = (self.state.buffer.len(), self.state.buffer.capacity());
        f.debug_struct("BufWriter")
            .field("writer", &self.inner)
            .field("buffer", &format_args!("{len}/{capacity}"))
            .field("written", &self.state.flushed)
            .finish()
    }
}
