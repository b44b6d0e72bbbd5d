//! From a reader to a writer, through a buffer.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::bypass::Bypass;
use super::{DEFAULT_BUF_SIZE, uninterrupted};
use crate::io::transfer::Next;
use crate::io::{AsyncRead, AsyncWrite, ReadBuf};
use crate::util::coop;

/// Copies everything from `reader` to `writer`, and returns the number of bytes copied.
///
/// Ends at the end of the reader, after flushing the writer. It also flushes the writer before it
/// waits for the reader, so that nothing lingers in a writer's buffer while nothing comes. The copy
/// goes through a buffer of 8 KiB; if the reader has one of its own, use
/// [`copy_buf`](crate::io::copy_buf).
///
/// # Copies by the kernel
///
/// Between TCP and Unix streams, pipes and the standard streams of children the kernel can move
/// bytes without a buffer of this process, by splice(2), at a third of the cost or less. The copy
/// does that by itself once the reader fills the buffer several times in a row, and stops when
/// little comes at a time. It sees them through references, `Box`, `Pin`,
/// [`Take`](crate::io::Take), [`Chain`](crate::io::Chain) once its first reader has ended,
/// [`BufReader`](crate::io::BufReader), [`BufWriter`](crate::io::BufWriter),
/// [`BufStream`](crate::io::BufStream), [`join`](crate::io::join()) and halves of every kind. Any
/// other type gets each byte by its `poll_read` and `poll_write`. Results, errors and the order of
/// bytes are the same either way.
///
/// A [`File`](crate::fs::File) at either end is copied by the kernel from the start: to another
/// file in the blocking pool, sharing blocks where the file system can (copy_file_range(2)); to a
/// stream by sendfile(2), if what is to be sent is in the page cache, else through a pipe that the
/// pool fills; from a stream through a pipe that the pool empties, once the stream is bulky.
/// Whatever may wait for a disk is done in the pool. The files' cursors are where reads and writes
/// of the same bytes would have left them.
///
/// **A file that is overwritten after it was sent.** What is queued in a stream are the pages of
/// the file, so bytes that have not arrived when somebody overwrites the file in place may arrive
/// as the new ones. (To replace a file by renaming another to its name is safe.) The kernel sends
/// only files that are open for reading alone; one that this handle could write to is read and
/// written through the buffer, and arrives as it was.
///
/// It is done without where a call is refused, also in the middle of a copy; where no descriptor is
/// to be had for the pipe that stands between two sockets; and to sockets where SIGPIPE would kill
/// this process (Rust programs ignore it from the start).
/// [`Builder::kernel_copies`](crate::runtime::Builder::kernel_copies) turns it off, and
/// [`RuntimeMetrics::kernel_copied_bytes`](crate::runtime::RuntimeMetrics::kernel_copied_bytes)
/// counts what was moved so.
///
/// # Errors
///
/// Those of either side, except [`Interrupted`](io::ErrorKind::Interrupted), after which it goes
/// on, and [`WriteZero`](io::ErrorKind::WriteZero) if the writer takes no more.
///
/// # Cancel safety
///
/// Not cancel safe: what has been read and not yet written is lost if the future is dropped. That
/// is at most what the buffer holds: the kernel is asked for no more than the writer has said it
/// has room for. (A writer that takes less than it said, because memory is short or
/// `TCP_NOTSENT_LOWAT` is set, can leave up to a megabyte between the two, once.) Of a file nothing
/// is lost that the buffer does not hold; a copy to another file, or the write of what that has
/// accepted, may go on for a moment after the drop.
///
/// # Examples
///
/// ```
/// use yamanote::io;
///
/// # futures::executor::block_on(async {
/// let mut reader = &b"hello"[..];
/// let mut writer = Vec::new();
/// assert_eq!(io::copy(&mut reader, &mut writer).await?, 5);
/// assert_eq!(writer, b"hello");
/// # io::Result::Ok(()) }).unwrap();
/// ```
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut buffer = CopyBuffer::new(DEFAULT_BUF_SIZE);
    poll_fn(|cx| buffer.poll_copy(cx, Pin::new(&mut *reader), Pin::new(&mut *writer))).await
}

/// What is under way from a reader to a writer.
#[derive(Debug)]
pub(super) struct CopyBuffer {
    memory: Box<[u8]>,
    /// `memory[written..filled]` was read and is still to be written.
    filled: usize,
    written: usize,
    copied: u64,
    reader_ended: bool,
    /// Something was written after the last flush.
    unflushed: bool,
    bypass: Bypass,
}

impl CopyBuffer {
    pub(super) fn new(size: usize) -> Self {
        CopyBuffer {
            memory: vec![0; size].into_boxed_slice(),
            filled: 0,
            written: 0,
            copied: 0,
            reader_ended: false,
            unflushed: false,
            bypass: Bypass::new(),
        }
    }

    /// Copies until the reader ends, then flushes. Returns the number of bytes copied.
    pub(super) fn poll_copy<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        let unit = ready!(coop::poll_proceed(cx));
        loop {
            if self.is_drained() && self.bypass.is_wanted() && !self.reader_ended {
                let bypass = &mut self.bypass;
                let moved = ready!(bypass.poll_move(cx, reader.as_mut(), writer.as_mut()))?;
                if moved.count > 0 {
                    unit.made_progress();
                    self.copied += moved.count;
                    self.unflushed = true;
                }
                match moved.next {
                    Next::Again => continue,
                    Next::Flush => {
                        ready!(writer.as_mut().poll_flush(cx))?;
                        unit.made_progress();
                        self.unflushed = false;
                        continue;
                    }
                    Next::End => self.reader_ended = true,
                    Next::Plain | Next::Later | Next::GiveUp => {}
                }
            }
            if self.may_fill() {
                match self.poll_fill(cx, reader.as_mut()) {
                    Poll::Ready(result) => {
                        unit.made_progress();
                        result?;
                    }
                    Poll::Pending if self.is_drained() => {
                        // The reader makes us wait: do not make the other side wait for what it
                        // could have.
                        if self.unflushed {
                            ready!(writer.as_mut().poll_flush(cx))?;
                            unit.made_progress();
                            self.unflushed = false;
                        }
                        return Poll::Pending;
                    }
                    Poll::Pending => {}
                }
            }
            while !self.is_drained() {
                let rest = &self.memory[self.written..self.filled];
                let Poll::Ready(result) = uninterrupted(|| writer.as_mut().poll_write(cx, rest))
                else {
                    // Use the time: a fuller buffer makes the next write larger.
                    if self.may_fill() {
                        ready!(self.poll_fill(cx, reader.as_mut()))?;
                    }
                    return Poll::Pending;
                };
                unit.made_progress();
                let n = result?;
                if n == 0 {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::WriteZero,
                        "write zero byte into writer",
                    )));
                }
                self.written += n;
                self.copied += n as u64;
                self.unflushed = true;
            }
            assert_eq!(
                self.written, self.filled,
                "writer returned length larger than input slice"
            );
            (self.written, self.filled) = (0, 0);

            if self.reader_ended {
                ready!(writer.as_mut().poll_flush(cx))?;
                unit.made_progress();
                return Poll::Ready(Ok(self.copied));
            }
        }
    }

    fn is_drained(&self) -> bool {
        self.written >= self.filled
    }

    fn may_fill(&self) -> bool {
        !self.reader_ended && self.filled < self.memory.len()
    }

    /// Reads once, to the place after what is already in the buffer. What was taken from the reader
    /// and went around the buffer comes first.
    fn poll_fill<R: AsyncRead + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
    ) -> Poll<io::Result<()>> {
        let room = &mut self.memory[self.filled..];
        let held = self.bypass.read_held(room)?;
        if held > 0 {
            self.filled += held;
            return Poll::Ready(Ok(()));
        }
        let mut buf = ReadBuf::new(room);
        ready!(uninterrupted(|| reader.as_mut().poll_read(cx, &mut buf)))?;
        let n = buf.filled().len();
        self.bypass.note_read(n, buf.capacity());
        self.reader_ended = n == 0;
        self.filled += n;
        Poll::Ready(Ok(()))
    }
}
