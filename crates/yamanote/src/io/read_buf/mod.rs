//! The buffer a reader fills: how much of it is filled, and how much of it may be looked at.
//!
//! ```text
//! 0            filled          initialized          capacity
//! |  read data  | old or zeroes  |   never written    |
//! ```
//!
//! `filled <= initialized <= capacity` always; bytes before `initialized` have been written at
//! least once, so that they may be shown as `u8`. `lending` and `fill_vec` are the doors through
//! which safe code outside passes such a buffer on without losing what is known of it.

mod fill_vec;
mod lending;
pub(crate) use fill_vec::FillVec;
pub(crate) use lending::{poll_buf_mut, poll_fill_buf, poll_limited};

use std::fmt;
use std::mem::MaybeUninit;

use bytes::BufMut;

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
        // SAFETY: `filled <= initialized`; through `&mut [u8]` only initialized bytes can be
        // stored.
        unsafe { assume_init_mut(&mut self.buf[..self.filled]) }
    }

    /// A new `ReadBuf` over the first `n` bytes of the unfilled part, or over all of it if it is
    /// shorter.
    ///
    /// What is filled in the new buffer is not filled in this one: say so with
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

    // SAFETY: (contract of the trait) the caller has initialized the next `cnt` bytes of
    // `chunk_mut`.
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
    // SAFETY: same layout, and the caller promises that the bytes are initialized.
    unsafe { &*(bytes as *const [MaybeUninit<u8>] as *const [u8]) }
}

/// # Safety
///
/// Every byte of `bytes` is initialized.
unsafe fn assume_init_mut(bytes: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    // SAFETY: same layout, and the caller promises that the bytes are initialized.
    unsafe { &mut *(bytes as *mut [MaybeUninit<u8>] as *mut [u8]) }
}
