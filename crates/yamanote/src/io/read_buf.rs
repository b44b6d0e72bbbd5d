//! The buffer a reader fills: how much of it is filled, and how much of it may be looked at.
//!
//! ```text
//! 0            filled          initialized          capacity
//! |  read data  | old or zeroes  |   never written    |
//! ```
//!
//! `filled <= initialized <= capacity` always; bytes before `initialized` have been written at least
//! once, so that they may be shown as `u8`. The functions at the end of this file are the doors
//! through which safe code outside passes such a buffer on without losing what is known of it.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;

use crate::io::AsyncBufRead;

/// A byte buffer that is filled from the front, and knows which part of it is initialized.
///
/// [`AsyncRead::poll_read`] takes one, so that a reader can be given memory that was never written
/// to. The buffer has three parts that follow each other: filled with data, initialized but not
/// filled, and uninitialized.
///
/// [`AsyncRead::poll_read`]: crate::io::AsyncRead::poll_read
///
/// # Examples
///
/// ```
/// use std::mem::MaybeUninit;
/// use yamanote::io::ReadBuf;
///
/// let mut memory = [MaybeUninit::uninit(); 8];
/// let mut buf = ReadBuf::uninit(&mut memory);
/// buf.put_slice(b"read");
/// assert_eq!(buf.filled(), b"read");
/// assert_eq!(buf.remaining(), 4);
/// ```
pub struct ReadBuf<'a> {
    buf: &'a mut [MaybeUninit<u8>],
    filled: usize,
    initialized: usize,
}

impl<'a> ReadBuf<'a> {
    /// Wraps a buffer that is wholly initialized and counts as empty.
    #[inline]
    pub fn new(buf: &'a mut [u8]) -> ReadBuf<'a> {
        let initialized = buf.len();
        // SAFETY: `u8` and `MaybeUninit<u8>` have the same layout, and this struct never writes an
        // uninitialized byte below `initialized`, so the lender gets back what may be read as `u8`.
        // (Only `inner_mut` and `unfilled_mut` would allow it; their contracts forbid it.)
        let buf = unsafe { &mut *(buf as *mut [u8] as *mut [MaybeUninit<u8>]) };
        ReadBuf {
            buf,
            filled: 0,
            initialized,
        }
    }

    /// Wraps a buffer of which no byte is known to be initialized.
    ///
    /// Use [`assume_init`](ReadBuf::assume_init) if a part of it is.
    #[inline]
    pub fn uninit(buf: &'a mut [MaybeUninit<u8>]) -> ReadBuf<'a> {
        ReadBuf {
            buf,
            filled: 0,
            initialized: 0,
        }
    }

    /// The size of the whole buffer in bytes.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.buf.len()
    }

    /// The part that holds data.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        // SAFETY: `filled <= initialized`.
        unsafe { assume_init_ref(&self.buf[..self.filled]) }
    }

    /// The part that holds data, mutably.
    #[inline]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        // SAFETY: `filled <= initialized`; through `&mut [u8]` only initialized bytes can be stored.
        unsafe { assume_init_mut(&mut self.buf[..self.filled]) }
    }

    /// A new `ReadBuf` over the first `n` bytes of the unfilled part, or over all of it if it is
    /// shorter.
    ///
    /// What is filled in the new buffer is not filled in this one: tell it with
    /// [`assume_init`](ReadBuf::assume_init) and [`advance`](ReadBuf::advance).
    #[inline]
    pub fn take(&mut self, n: usize) -> ReadBuf<'_> {
        let n = n.min(self.remaining());
        let initialized = (self.initialized - self.filled).min(n);
        ReadBuf {
            buf: &mut self.buf[self.filled..][..n],
            filled: 0,
            initialized,
        }
    }

    /// The initialized part, of which the filled part is the beginning.
    #[inline]
    pub fn initialized(&self) -> &[u8] {
        // SAFETY: these bytes are initialized.
        unsafe { assume_init_ref(&self.buf[..self.initialized]) }
    }

    /// The initialized part, mutably. The filled part is its beginning.
    #[inline]
    pub fn initialized_mut(&mut self) -> &mut [u8] {
        // SAFETY: these bytes are initialized; `&mut [u8]` keeps them so.
        unsafe { assume_init_mut(&mut self.buf[..self.initialized]) }
    }

    /// The whole buffer, as memory that may be uninitialized.
    ///
    /// # Safety
    ///
    /// The caller does not de-initialize bytes below the initialized mark: it may write, but not
    /// uninitialized values.
    #[inline]
    pub unsafe fn inner_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.buf
    }

    /// The unfilled part, as memory that may be uninitialized.
    ///
    /// # Safety
    ///
    /// The caller does not de-initialize bytes below the initialized mark: it may write, but not
    /// uninitialized values.
    #[inline]
    pub unsafe fn unfilled_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        &mut self.buf[self.filled..]
    }

    /// The unfilled part, after writing zeroes where it was not yet initialized.
    ///
    /// The zeroes are written once: a later call finds them.
    #[inline]
    pub fn initialize_unfilled(&mut self) -> &mut [u8] {
        self.initialize_unfilled_to(self.remaining())
    }

    /// The first `n` bytes of the unfilled part, initialized.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`remaining`](ReadBuf::remaining).
    #[inline]
    #[track_caller]
    pub fn initialize_unfilled_to(&mut self, n: usize) -> &mut [u8] {
        assert!(n <= self.remaining(), "n overflows remaining");
        let end = self.filled + n;
        if self.initialized < end {
            self.buf[self.initialized..end].fill(MaybeUninit::new(0));
            self.initialized = end;
        }
        // SAFETY: everything below `initialized`, which is at least `end`, is initialized.
        unsafe { assume_init_mut(&mut self.buf[self.filled..end]) }
    }

    /// How many bytes can still be filled in.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.capacity() - self.filled
    }

    /// Forgets the data. What was initialized stays initialized.
    #[inline]
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Counts `n` more initialized bytes as filled.
    ///
    /// # Panics
    ///
    /// If they are not all initialized.
    #[inline]
    #[track_caller]
    pub fn advance(&mut self, n: usize) {
        let filled = self.filled.checked_add(n).expect("filled overflow");
        self.set_filled(filled);
    }

    /// Counts exactly the first `n` bytes of the buffer as filled; this may be fewer than before.
    ///
    /// # Panics
    ///
    /// If they are not all initialized.
    #[inline]
    #[track_caller]
    pub fn set_filled(&mut self, n: usize) {
        assert!(
            n <= self.initialized,
            "filled must not become larger than initialized"
        );
        self.filled = n;
    }

    /// Declares the first `n` bytes of the unfilled part to be initialized. They are not counted as
    /// filled by this.
    ///
    /// # Safety
    ///
    /// They are initialized.
    #[inline]
    pub unsafe fn assume_init(&mut self, n: usize) {
        self.initialized = self.initialized.max(self.filled + n);
    }

    /// Appends a copy of `data`.
    ///
    /// # Panics
    ///
    /// If it does not fit into what is [`remaining`](ReadBuf::remaining).
    #[inline]
    #[track_caller]
    pub fn put_slice(&mut self, data: &[u8]) {
        assert!(
            data.len() <= self.remaining(),
            "buf.len() must fit in remaining(); buf.len() = {}, remaining() = {}",
            data.len(),
            self.remaining()
        );
        let end = self.filled + data.len();
        // SAFETY: initialized bytes may always be seen as `MaybeUninit`.
        let data = unsafe { &*(data as *const [u8] as *const [MaybeUninit<u8>]) };
        self.buf[self.filled..end].copy_from_slice(data);
        self.initialized = self.initialized.max(end);
        self.filled = end;
    }
}

// SAFETY: `chunk_mut` is the unfilled part, `remaining_mut` its length, and `advance_mut` moves its
// beginning; nothing else does.
unsafe impl BufMut for ReadBuf<'_> {
    fn remaining_mut(&self) -> usize {
        self.remaining()
    }

    // SAFETY: (contract of the trait) the caller has initialized the next `cnt` bytes of `chunk_mut`.
    unsafe fn advance_mut(&mut self, cnt: usize) {
        // SAFETY: that is what the caller promised.
        unsafe { self.assume_init(cnt) };
        self.advance(cnt);
    }

    fn chunk_mut(&mut self) -> &mut bytes::buf::UninitSlice {
        // `UninitSlice` accepts no uninitialized values from safe code.
        bytes::buf::UninitSlice::uninit(&mut self.buf[self.filled..])
    }
}

impl fmt::Debug for ReadBuf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuf")
            .field("filled", &self.filled)
            .field("initialized", &self.initialized)
            .field("capacity", &self.capacity())
            .finish()
    }
}

/// # Safety
///
/// Every byte of `bytes` is initialized.
unsafe fn assume_init_ref(bytes: &[MaybeUninit<u8>]) -> &[u8] {
    // SAFETY: same layout, and initialized says the caller.
    unsafe { &*(bytes as *const [MaybeUninit<u8>] as *const [u8]) }
}

/// # Safety
///
/// Every byte of `bytes` is initialized.
unsafe fn assume_init_mut(bytes: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    // SAFETY: same layout, and initialized says the caller.
    unsafe { &mut *(bytes as *mut [MaybeUninit<u8>] as *mut [u8]) }
}

/// Which memory a reader was lent. A reader may put another `ReadBuf` in the place of the one it was
/// lent, and what that one says is no word on our memory. The length belongs to it: memory of a
/// length of zero may lie at any address.
struct Lent(*const [MaybeUninit<u8>]);

impl Lent {
    fn of(buf: &ReadBuf<'_>) -> Lent {
        Lent(&*buf.buf)
    }

    #[track_caller]
    fn assert_same(self, buf: &ReadBuf<'_>) {
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
    // SAFETY: `part` covers the bytes behind `buf.filled`, and its first `initialized` ones are.
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

/// A vector that readers fill through its spare capacity.
///
/// It remembers how much of the spare capacity is initialized, so that a reader that wants zeroed
/// memory at every call gets it zeroed once. `V` is `Vec<u8>` or `&mut Vec<u8>`, and nothing else can
/// be constructed: the memory of these does not change behind the struct's back.
#[derive(Debug)]
pub(crate) struct FillVec<V> {
    vec: V,
    /// Bytes known to be initialized behind the vector's length.
    initialized: usize,
}

impl FillVec<Vec<u8>> {
    pub(crate) fn owned(vec: Vec<u8>) -> Self {
        FillVec {
            vec,
            initialized: 0,
        }
    }

    /// Gives the vector away and leaves an empty one.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.initialized = 0;
        std::mem::take(&mut self.vec)
    }
}

impl<'a> FillVec<&'a mut Vec<u8>> {
    pub(crate) fn borrowed(vec: &'a mut Vec<u8>) -> Self {
        FillVec {
            vec,
            initialized: 0,
        }
    }
}

impl<V: AsRef<Vec<u8>> + AsMut<Vec<u8>>> FillVec<V> {
    pub(crate) fn capacity(&self) -> usize {
        self.vec.as_ref().capacity()
    }

    pub(crate) fn spare(&self) -> usize {
        self.vec.as_ref().capacity() - self.vec.as_ref().len()
    }

    pub(crate) fn reserve(&mut self, additional: usize) {
        if self.spare() < additional {
            // The new memory holds a copy of the data only.
            self.initialized = 0;
            self.vec.as_mut().reserve(additional);
        }
    }

    pub(crate) fn extend_from_slice(&mut self, data: &[u8]) {
        self.reserve(data.len());
        self.vec.as_mut().extend_from_slice(data);
        self.initialized = self.initialized.saturating_sub(data.len());
    }

    /// Lets `read` fill the spare capacity, lengthens the vector by what it filled, and returns that.
    ///
    /// # Panics
    ///
    /// If `read` puts another buffer in the place of the one it is lent.
    pub(crate) fn poll_spare(
        &mut self,
        read: impl FnOnce(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<usize>> {
        let vec = self.vec.as_mut();
        let mut spare = ReadBuf::uninit(vec.spare_capacity_mut());
        // SAFETY: kept by `reserve`, `extend_from_slice` and this function, the only ones that touch
        // the vector.
        unsafe { spare.assume_init(self.initialized) };
        // If `read` panics nothing is known any more.
        self.initialized = 0;
        let lent = Lent::of(&spare);
        let result = read(&mut spare);
        lent.assert_same(&spare);
        let filled = spare.filled;
        self.initialized = spare.initialized - filled;
        let len = vec.len() + filled;
        // SAFETY: initialized up to the old length and for the filled bytes, and within capacity.
        unsafe { vec.set_len(len) };
        result.map_ok(|()| filled)
    }
}

/// Lets the reader in `slot` fill its own buffer, and returns that buffer for as long as the reader
/// was borrowed. The reader stays in the slot only on `Pending`.
///
/// # Panics
///
/// If the slot is empty.
pub(crate) fn poll_fill_buf<'a, R: AsyncBufRead + Unpin + ?Sized>(
    slot: &mut Option<&'a mut R>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<&'a [u8]>> {
    let reader = slot.take().expect("polled after completion");
    match Pin::new(&mut *reader).poll_fill_buf(cx) {
        Poll::Pending => {
            *slot = Some(reader);
            Poll::Pending
        }
        Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
        Poll::Ready(Ok(filled)) => {
            let filled: *const [u8] = filled;
            // SAFETY: on this path `reader`, an exclusive borrow for `'a`, is not used any more, nor
            // is it back in the slot; so the buffer may borrow from it for `'a`. Today's borrow
            // checker holds the inner borrow against the other path as well, hence the pointer.
            Poll::Ready(Ok(unsafe { &*filled }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_initialized_is_not_zeroed_again() {
        let mut vec = FillVec::owned(Vec::with_capacity(8));
        let read = vec.poll_spare(|buf| {
            buf.initialize_unfilled()[1] = 7;
            buf.advance(1);
            Poll::Ready(Ok(()))
        });
        assert!(matches!(read, Poll::Ready(Ok(1))));
        let read = vec.poll_spare(|buf| {
            assert_eq!(buf.initialized(), [7, 0, 0, 0, 0, 0, 0]);
            buf.advance(2);
            Poll::Ready(Ok(()))
        });
        assert!(matches!(read, Poll::Ready(Ok(2))));
        vec.extend_from_slice(&[9]);
        assert_eq!(vec.initialized, 4);
        vec.reserve(100);
        assert_eq!(vec.initialized, 0);
        assert_eq!(vec.take(), [0, 7, 0, 9]);
    }

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
        // SAFETY: `other` outlives every use of what is read into it here. (A reader outside would
        // have memory that is lent for ever.)
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
