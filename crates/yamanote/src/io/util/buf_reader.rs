//! A reader with a buffer in front of it.
#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::DEFAULT_BUF_SIZE;
use crate::io::transfer::{Sink, Source};
use crate::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

pin_project! {
    /// Adds a buffer to a reader.
    ///
    /// Many small reads become few large ones of the reader inside, and the methods of
    /// [`AsyncBufReadExt`](crate::io::AsyncBufReadExt) can be used. It does not help where reads
    /// are large anyway (these go past the buffer), or where the reader is memory.
    ///
    /// What is in the buffer when this is dropped is lost; so do not make several for one stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::{AsyncBufReadExt, BufReader};
    ///
    /// # futures::executor::block_on(async {
    /// let mut lines = BufReader::new(&b"one\ntwo\n"[..]).lines();
    /// assert_eq!(lines.next_line().await?.as_deref(), Some("one"));
    /// assert_eq!(lines.next_line().await?.as_deref(), Some("two"));
    /// assert_eq!(lines.next_line().await?, None);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub struct BufReader<R> {
        #[pin]
        pub(super) inner: R,
        pub(super) state: ReadState,
    }
}

/// The buffer, and how far a seek has come.
pub(super) struct ReadState {
    memory: Box<[u8]>,
    /// `memory[consumed..filled]` was read from inside and is still to be read from outside.
    filled: usize,
    consumed: usize,
    seek: Seeking,
}

/// A seek relative to our reader's position may take two steps, because the reader inside is ahead
/// of it by what is in the buffer.
#[derive(Debug, Clone, Copy)]
enum Seeking {
    No,
    /// An order, not yet passed on.
    Ordered(SeekFrom),
    /// The reader inside goes back to our position; after that it moves by this much.
    StepBack(i64),
    /// The reader inside goes to its final position.
    LastStep,
}

impl ReadState {
    fn unread(&self) -> &[u8] {
        &self.memory[self.consumed..self.filled]
    }

    fn discard(&mut self) {
        (self.consumed, self.filled) = (0, 0);
    }
}

impl<R: AsyncRead> BufReader<R> {
    /// Adds a buffer of 8 KiB.
    pub fn new(inner: R) -> Self {
        Self::with_capacity(DEFAULT_BUF_SIZE, inner)
    }

    /// Adds a buffer of `capacity` bytes.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    #[track_caller]
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        assert!(capacity > 0, "capacity must be greater than zero");
        BufReader {
            inner,
            state: ReadState {
                memory: vec![0; capacity].into_boxed_slice(),
                filled: 0,
                consumed: 0,
                seek: Seeking::No,
            },
        }
    }

    /// The reader inside.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The reader inside, mutably. Reading from it directly misses what is in the buffer.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The reader inside, pinned. Reading from it directly misses what is in the buffer.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().inner
    }

    /// The reader inside. What is in the buffer is lost.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// What is in the buffer. This reads nothing.
    pub fn buffer(&self) -> &[u8] {
        self.state.unread()
    }
}

impl<R: AsyncRead> AsyncRead for BufReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A large read gains nothing from a copy.
        if self.state.unread().is_empty() && buf.remaining() >= self.state.memory.len() {
            let me = self.project();
            let result = ready!(me.inner.poll_read(cx, buf));
            me.state.discard();
            return Poll::Ready(result);
        }
        let available = ready!(self.as_mut().poll_fill_buf(cx))?;
        let n = available.len().min(buf.remaining());
        buf.put_slice(&available[..n]);
        self.consume(n);
        Poll::Ready(Ok(()))
    }

    fn lend_source(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        // What is in the buffer comes first.
        if self.state.unread().is_empty() {
            self.get_pin_mut().lend_source(user);
        }
    }
}

impl<R: AsyncRead> AsyncBufRead for BufReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let me = self.project();
        if me.state.unread().is_empty() {
            let mut buf = ReadBuf::new(&mut me.state.memory);
            ready!(me.inner.poll_read(cx, &mut buf))?;
            (me.state.consumed, me.state.filled) = (0, buf.filled().len());
        }
        Poll::Ready(Ok(me.state.unread()))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        let state = self.project().state;
        state.consumed = state.consumed.saturating_add(amt).min(state.filled);
    }
}

/// Every seek discards the buffer, even if the new position is inside it: so the reader inside
/// moves in any case, and its position is the one that counts.
///
/// A move relative to the current position takes two moves inside if the first cannot express it in
/// an `i64`; if the second fails, the position is the one that the reads from outside had reached.
impl<R: AsyncRead + AsyncSeek> AsyncSeek for BufReader<R> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        // Passed on when it is polled: a step back may have to be waited for.
        self.project().state.seek = Seeking::Ordered(position);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let mut me = self.project();
        let state = me.state;
        loop {
            // An error ends the seek at whatever step it was.
            let seek = std::mem::replace(&mut state.seek, Seeking::No);
            let next = match seek {
                Seeking::No => return me.inner.poll_complete(cx),
                Seeking::Ordered(SeekFrom::Current(n)) => {
                    let ahead = i64::try_from(state.unread().len()).expect("a buffer is smaller");
                    let (step, next) = match n.checked_sub(ahead) {
                        Some(step) => (step, Seeking::LastStep),
                        None => (-ahead, Seeking::StepBack(n)),
                    };
                    me.inner.as_mut().start_seek(SeekFrom::Current(step))?;
                    next
                }
                Seeking::Ordered(position) => {
                    me.inner.as_mut().start_seek(position)?;
                    Seeking::LastStep
                }
                Seeking::StepBack(n) => {
                    if me.inner.as_mut().poll_complete(cx)?.is_pending() {
                        state.seek = seek;
                        return Poll::Pending;
                    }
                    state.discard();
                    me.inner.as_mut().start_seek(SeekFrom::Current(n))?;
                    Seeking::LastStep
                }
                Seeking::LastStep => {
                    let Poll::Ready(position) = me.inner.as_mut().poll_complete(cx)? else {
                        state.seek = seek;
                        return Poll::Pending;
                    };
                    state.discard();
                    return Poll::Ready(Ok(position));
                }
            };
            state.seek = next;
        }
    }
}

/// Writes go past the buffer, which is for reading.
impl<R: AsyncRead + AsyncWrite> AsyncWrite for BufReader<R> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_pin_mut().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_pin_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_pin_mut().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_pin_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.get_ref().is_write_vectored()
    }

    fn lend_sink(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Sink<'_>)) {
        self.get_pin_mut().lend_sink(user);
    }
}

impl<R: fmt::Debug> fmt::Debug for BufReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unread, size) = (self.state.unread().len(), self.state.memory.len());
        f.debug_struct("BufReader")
            .field("reader", &self.inner)
            .field("buffer", &format_args!("{unread}/{size}"))
            .finish()
    }
}
