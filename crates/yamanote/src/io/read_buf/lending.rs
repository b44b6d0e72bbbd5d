//! Memory lent to a reader as a [`ReadBuf`], and a reader's own memory lent to its caller.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;

use super::ReadBuf;
use crate::io::AsyncBufRead;

/// The memory that a reader was lent. A reader may put another `ReadBuf` in the place of the one it
/// was lent, and what that one says does not describe our memory. The length is compared too:
/// memory of length zero may lie at any address.
pub(super) struct Lent(*const [MaybeUninit<u8>]);

impl Lent {
    pub(super) fn of(buf: &ReadBuf<'_>) -> Lent {
        Lent(&*buf.buf)
    }

    #[track_caller]
    pub(super) fn assert_same(self, buf: &ReadBuf<'_>) {
        let same = std::ptr::eq(self.0, &*buf.buf);
        assert!(same, "the reader exchanged the buffer");
    }
}

/// Lets `read` fill at most `limit` bytes of `buf`, and counts them as filled in `buf`.
///
/// # Panics
///
/// If `read` puts another buffer in the place of the one it is lent.
pub(crate) fn poll_limited(
    buf: &mut ReadBuf<'_>,
    limit: usize,
    read: impl FnOnce(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
) -> Poll<io::Result<usize>> {
    let mut part = buf.take(limit);
    let lent = Lent::of(&part);
    let result = read(&mut part);
    lent.assert_same(&part);
    let (filled, initialized) = (part.filled, part.initialized);
    // SAFETY: `part` covers the bytes after `buf.filled`, and its first `initialized` ones are.
    unsafe { buf.assume_init(initialized) };
    ready!(result)?;
    buf.advance(filled);
    Poll::Ready(Ok(filled))
}

/// Lets `read` fill the next chunk of `buf`, and advances `buf` by what it filled.
///
/// # Panics
///
/// If `read` puts another buffer in the place of the one it is lent.
pub(crate) fn poll_buf_mut<B: BufMut + ?Sized>(
    buf: &mut B,
    read: impl FnOnce(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
) -> Poll<io::Result<usize>> {
    // SAFETY: a `ReadBuf` over it never stores uninitialized bytes.
    let chunk = unsafe { buf.chunk_mut().as_uninit_slice_mut() };
    let mut part = ReadBuf::uninit(chunk);
    let lent = Lent::of(&part);
    ready!(read(&mut part))?;
    lent.assert_same(&part);
    let filled = part.filled;
    // SAFETY: filled bytes are initialized, and they are the beginning of the chunk.
    unsafe { buf.advance_mut(filled) };
    Poll::Ready(Ok(filled))
}

/// Lets the reader in `place` fill its own buffer, and returns that buffer for as long as the
/// reader was borrowed. The reader stays in its place only on `Pending`.
///
/// # Panics
///
/// If the place is empty.
pub(crate) fn poll_fill_buf<'a, R: AsyncBufRead + Unpin + ?Sized>(
    place: &mut Option<&'a mut R>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<&'a [u8]>> {
    let reader = place.take().expect("polled after completion");
    match Pin::new(&mut *reader).poll_fill_buf(cx) {
        Poll::Pending => {
            *place = Some(reader);
            Poll::Pending
        }
        Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
        Poll::Ready(Ok(filled)) => {
            let filled: *const [u8] = filled;
            // SAFETY: on this path `reader`, an exclusive borrow for `'a`, is not used any more,
            // nor is it back in its place; so the buffer may borrow from it for `'a`. Today's
            // borrow checker holds the inner borrow against the other path as well, hence the
            // pointer.
            Poll::Ready(Ok(unsafe { &*filled }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limited_buffer_fills_its_parent() {
        let mut memory = [MaybeUninit::uninit(); 8];
        let mut buf = ReadBuf::uninit(&mut memory);
        buf.put_slice(b"ab");
        let read = poll_limited(&mut buf, 3, |part| {
            assert_eq!(part.remaining(), 3);
            part.initialize_unfilled();
            part.put_slice(b"c");
            Poll::Ready(Ok(()))
        });
        assert!(matches!(read, Poll::Ready(Ok(1))));
        assert_eq!(buf.filled(), b"abc");
        assert_eq!(buf.initialized(), b"abc\0\0");
        let read = poll_limited(&mut buf, 100, |part| {
            assert_eq!((part.remaining(), part.initialized().len()), (5, 2));
            part.put_slice(b"lost");
            Poll::Ready(Err(io::ErrorKind::Other.into()))
        });
        assert!(matches!(read, Poll::Ready(Err(_))));
        assert_eq!(buf.filled(), b"abc");
    }

    #[test]
    #[should_panic = "exchanged the buffer"]
    fn an_exchanged_buffer_is_noticed() {
        let mut other = [1; 100];
        let other: &mut [u8] = &mut other;
        // SAFETY: `other` outlives every use of what is read into it here. (A real reader would
        // have memory that lives for ever.)
        let other: &'static mut [u8] = unsafe { &mut *std::ptr::from_mut(other) };
        let mut memory = [0; 4];
        let mut buf = ReadBuf::new(&mut memory);
        let _ = poll_limited(&mut buf, 4, |part| {
            *part = ReadBuf::new(other);
            part.set_filled(100);
            Poll::Ready(Ok(()))
        });
    }

    /// An empty buffer lies where its neighbour begins.
    #[test]
    #[should_panic = "exchanged the buffer"]
    fn an_empty_buffer_exchanged_for_its_neighbour_is_noticed() {
        let mut memory = [0; 8];
        // SAFETY: as above.
        let memory: &'static mut [u8] = unsafe { &mut *std::ptr::from_mut(&mut memory[..]) };
        let (full, neighbour) = memory.split_at_mut(4);
        let mut buf = ReadBuf::new(full);
        buf.set_filled(4);
        let _ = poll_limited(&mut buf, 4, |part| {
            assert_eq!(part.buf.as_ptr(), neighbour.as_ptr().cast());
            *part = ReadBuf::new(neighbour);
            part.set_filled(4);
            Poll::Ready(Ok(()))
        });
    }
}
