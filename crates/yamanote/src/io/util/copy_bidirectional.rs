//! Between two streams, in both directions at once.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::DEFAULT_BUF_SIZE;
use super::copy::CopyBuffer;
use crate::io::{AsyncRead, AsyncWrite};
use crate::util::coop;

/// Copies everything from `a` to `b` and everything from `b` to `a`, at the same time. Returns the
/// number of bytes copied in each direction, `a` to `b` first.
///
/// When one stream ends, the other is flushed and shut down, and the copy in the other direction
/// goes on until it ends too. The copies go through buffers of 8 KiB; see
/// [`copy_bidirectional_with_sizes`]. Much at a time is [moved by the
/// kernel](crate::io::copy#copies-by-the-kernel) where both are descriptors.
///
/// # Errors
///
/// The first error of either stream ends both copies. [`Interrupted`](io::ErrorKind::Interrupted)
/// is not passed on. How much was copied before an error is not known.
///
/// # Cancel safety
///
/// Not cancel safe: what has been read and not yet written is lost if the future is dropped, as
/// with [`copy`](crate::io::copy).
pub async fn copy_bidirectional<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    copy_both_ways(a, b, [DEFAULT_BUF_SIZE; 2]).await
}

/// As [`copy_bidirectional`], with buffers of the given sizes in bytes.
///
/// # Errors
///
/// As [`copy_bidirectional`].
///
/// # Panics
///
/// If a size is 0.
///
/// # Cancel safety
///
/// Not cancel safe: what has been read and not yet written is lost if the future is dropped, as
/// with [`copy`](crate::io::copy).
pub async fn copy_bidirectional_with_sizes<A, B>(
    a: &mut A,
    b: &mut B,
    a_to_b_buf_size: usize,
    b_to_a_buf_size: usize,
) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    assert!(
        a_to_b_buf_size > 0,
        "`a_to_b_buf_size` must be greater than 0"
    );
    assert!(
        b_to_a_buf_size > 0,
        "`b_to_a_buf_size` must be greater than 0"
    );
    copy_both_ways(a, b, [a_to_b_buf_size, b_to_a_buf_size]).await
}

async fn copy_both_ways<A, B>(
    a: &mut A,
    b: &mut B,
    buffer_sizes: [usize; 2],
) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let [mut a_to_b, mut b_to_a] = buffer_sizes.map(|size| OneWay::Copying(CopyBuffer::new(size)));
    let mut is_b_first = false;
    poll_fn(|cx| {
        let (mut a, mut b) = (Pin::new(&mut *a), Pin::new(&mut *b));
        // Both are polled each time, so that both are registered when this returns `Pending`.
        let mut from_b = None;
        if is_b_first {
            from_b = Some(b_to_a.poll(cx, b.as_mut(), a.as_mut())?);
        }
        let from_a = a_to_b.poll(cx, a.as_mut(), b.as_mut())?;
        let from_b = match from_b {
            Some(from_b) => from_b,
            None => b_to_a.poll(cx, b, a)?,
        };
        if !coop::has_budget_remaining() {
            // Perhaps the first has left the other nothing.
            is_b_first = !is_b_first;
        }
        Poll::Ready(Ok((ready!(from_a), ready!(from_b))))
    })
    .await
}

/// One direction; the numbers are bytes copied.
#[derive(Debug)]
enum OneWay {
    Copying(CopyBuffer),
    ShuttingDown(u64),
    Done(u64),
}

impl OneWay {
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        loop {
            *self = match self {
                OneWay::Copying(buffer) => OneWay::ShuttingDown(ready!(buffer.poll_copy(
                    cx,
                    reader.as_mut(),
                    writer.as_mut()
                ))?),
                OneWay::ShuttingDown(copied) => {
                    ready!(writer.as_mut().poll_shutdown(cx))?;
                    OneWay::Done(*copied)
                }
                OneWay::Done(copied) => return Poll::Ready(Ok(*copied)),
            };
        }
    }
}
