//! From a reader with a buffer to a writer, without a second buffer.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::io::{AsyncBufRead, AsyncWrite};
use crate::util::coop;

/// Copies everything from `reader`, out of its own buffer, to `writer`, and returns the number of
/// bytes copied.
///
/// Ends at the end of the reader, after flushing the writer. It also flushes the writer before it
/// waits for the reader.
///
/// # Errors
///
/// Those of either side, except [`Interrupted`](io::ErrorKind::Interrupted), after which it goes
/// on, and [`WriteZero`](io::ErrorKind::WriteZero) if the writer takes no more.
///
/// # Cancel safety
///
/// If the future is dropped, everything that was taken from the reader has been written; what it
/// still buffers can be read from it.
///
/// # Examples
///
/// ```
/// use yamanote::io::{self, BufReader};
///
/// # futures::executor::block_on(async {
/// let mut reader = BufReader::new(&b"hello"[..]);
/// let mut writer = Vec::new();
/// assert_eq!(io::copy_buf(&mut reader, &mut writer).await?, 5);
/// # io::Result::Ok(()) }).unwrap();
/// ```
pub async fn copy_buf<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncBufRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut progress = Progress {
        copied: 0,
        unflushed: false,
    };
    poll_fn(|cx| progress.poll_copy(cx, Pin::new(&mut *reader), Pin::new(&mut *writer))).await
}

struct Progress {
    copied: u64,
    /// Something was written after the last flush.
    unflushed: bool,
}

impl Progress {
    fn poll_copy<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<u64>>
    where
        R: AsyncBufRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        let unit = ready!(coop::poll_proceed(cx));
        loop {
            let chunk = match reader.as_mut().poll_fill_buf(cx) {
                Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::Interrupted => continue,
                Poll::Ready(result) => {
                    unit.made_progress();
                    result?
                }
                Poll::Pending => {
                    if self.unflushed {
                        ready!(writer.as_mut().poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            };
            if chunk.is_empty() {
                ready!(writer.as_mut().poll_flush(cx))?;
                return Poll::Ready(Ok(self.copied));
            }
            let n = match ready!(writer.as_mut().poll_write(cx, chunk)) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.copied += n as u64;
            self.unflushed = true;
            reader.as_mut().consume(n);
        }
    }
}
