//! What a buffer must promise before the kernel gets its address.

use std::borrow::Cow;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Slice;

/// A buffer that the kernel can read from while the program goes on.
///
/// Its memory is in two parts: the first [`bytes_init`](IoBuf::bytes_init) bytes have values, the
/// rest up to [`bytes_total`](IoBuf::bytes_total) is room.
///
/// # Safety
///
/// For the implementor, as long as the value exists and is not touched through a mutable method:
///
/// - the three methods answer the same each time, even after the value has been moved (so the bytes
///   are behind a pointer, not inside the value);
/// - the first `bytes_init` bytes at [`stable_ptr`](IoBuf::stable_ptr) are initialised and may be
///   read through it, the `bytes_total` bytes are allocated, and `bytes_init <= bytes_total`;
/// - nothing else writes to them.
///
/// A type that borrows its bytes may implement this. Code that keeps a buffer beyond the borrow
/// asks for `IoBuf + 'static`: so does an operation that the kernel carries out in its own time.
pub unsafe trait IoBuf: Send + Unpin {
    /// Where the buffer begins.
    fn stable_ptr(&self) -> *const u8;

    /// How many bytes have values. A write writes this many.
    fn bytes_init(&self) -> usize;

    /// How many bytes there are, with and without values. A read fills at most this many.
    fn bytes_total(&self) -> usize;

    /// A view of a part of the buffer, to be lent in its place. An open end means the end of the
    /// room, not of the initialised bytes.
    ///
    /// # Panics
    ///
    /// If the range begins behind the initialised bytes (a read would leave a gap without values),
    /// ends behind the room, or begins behind its own end.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::buf::IoBuf;
    ///
    /// let part = b"hello, world".to_vec().slice(7..);
    /// assert_eq!(&part[..5], b"world");
    /// assert_eq!(part.into_inner(), b"hello, world");
    /// ```
    fn slice(self, range: impl RangeBounds<usize>) -> Slice<Self>
    where
        Self: Sized,
    {
        let begin = match range.start_bound() {
            Bound::Included(&begin) => begin,
            Bound::Excluded(&before) => before.checked_add(1).expect("slice begins out of bounds"),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.checked_add(1).expect("slice ends out of bounds"),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.bytes_total(),
        };
        Slice::new(self, begin, end)
    }
}

/// A buffer that the kernel can write to while the program goes on.
///
/// # Safety
///
/// In addition to the promises of [`IoBuf`]:
///
/// - [`stable_mut_ptr`](IoBufMut::stable_mut_ptr) is the address of `stable_ptr`, and all
///   `bytes_total` bytes there may be written to through it, at any time until the next use of the
///   value. A pointer made from a slice of the initialised bytes may not be used beyond them, so it
///   will not do where there is room behind them;
/// - any byte value is valid there.
pub unsafe trait IoBufMut: IoBuf {
    /// Where the buffer begins.
    fn stable_mut_ptr(&mut self) -> *mut u8;

    /// Says that the first `len` bytes have values now. Never makes the initialised part shorter: a
    /// read of fewer bytes leaves the others as they were.
    ///
    /// # Safety
    ///
    /// The first `len` bytes are initialised, and `len <= bytes_total()`.
    unsafe fn set_init(&mut self, len: usize);
}

// SAFETY: the elements are on the heap, owned and unshared; `len` of them are initialised.
unsafe impl IoBuf for Vec<u8> {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn bytes_total(&self) -> usize {
        self.capacity()
    }
}

// SAFETY: as above; the spare capacity is allocated and ours.
unsafe impl IoBufMut for Vec<u8> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, len: usize) {
        if self.len() < len {
            // SAFETY: initialised and within the capacity, by the caller's word.
            unsafe { self.set_len(len) };
        }
    }
}

// SAFETY: the bytes are behind a pointer; this value has its part of them to itself.
unsafe impl IoBuf for BytesMut {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn bytes_total(&self) -> usize {
        self.capacity()
    }
}

// SAFETY: as above; the spare capacity belongs to this value alone.
unsafe impl IoBufMut for BytesMut {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        let len = self.len();
        // SAFETY: it gets shorter. What is cut off is initialised, and is neither dropped nor
        // written to.
        unsafe { self.set_len(0) };
        // `as_mut_ptr` goes through a slice of `len` bytes; this pointer may be used for the room.
        let all = self.spare_capacity_mut().as_mut_ptr();
        // SAFETY: these bytes had values before, and nothing was written.
        unsafe { self.set_len(len) };
        all.cast()
    }

    unsafe fn set_init(&mut self, len: usize) {
        if self.len() < len {
            // SAFETY: initialised and within the capacity, by the caller's word.
            unsafe { self.set_len(len) };
        }
    }
}

/// Buffers of bytes that all have values.
macro_rules! whole {
    ($([$($generics:tt)*] $buffer:ty;)+) => {$(
        // SAFETY: the bytes are behind a pointer that moves with the value; all are initialised.
        // The value owns them, shares them (so that nobody writes to them) or borrows them.
        unsafe impl<$($generics)*> IoBuf for $buffer {
            fn stable_ptr(&self) -> *const u8 {
                (**self).as_plain().as_ptr()
            }

            fn bytes_init(&self) -> usize {
                (**self).as_plain().len()
            }

            fn bytes_total(&self) -> usize {
                (**self).as_plain().len()
            }
        }
    )+};
}

/// Those of these buffers that may be written to.
macro_rules! whole_mut {
    ($([$($generics:tt)*] $buffer:ty;)+) => {$(
        // SAFETY: as above; the value has the bytes to itself, and the pointer is made from all of
        // them.
        unsafe impl<$($generics)*> IoBufMut for $buffer {
            fn stable_mut_ptr(&mut self) -> *mut u8 {
                self.as_mut_ptr().cast()
            }

            unsafe fn set_init(&mut self, len: usize) {
                debug_assert!(len <= self.len());
            }
        }
    )+};
}

whole! {
    ['a] &'a [u8];
    ['a, const N: usize] &'a [u8; N];
    ['a] &'a str;
    ['a] &'a mut [u8];
    ['a, const N: usize] &'a mut [u8; N];
    [] Box<[u8]>;
    [const N: usize] Box<[u8; N]>;
    [] Box<str>;
    [] Arc<[u8]>;
    [const N: usize] Arc<[u8; N]>;
    [] Arc<str>;
    ['a] Cow<'a, [u8]>;
    ['a] Cow<'a, str>;
    [] String;
    [] Bytes;
}

// Text is not among them: not every byte is valid there.
whole_mut! {
    ['a] &'a mut [u8];
    ['a, const N: usize] &'a mut [u8; N];
    [] Box<[u8]>;
    [const N: usize] Box<[u8; N]>;
}

/// What the buffers above point to.
trait Plain {
    fn as_plain(&self) -> &[u8];
}

impl Plain for [u8] {
    fn as_plain(&self) -> &[u8] {
        self
    }
}

impl<const N: usize> Plain for [u8; N] {
    fn as_plain(&self) -> &[u8] {
        self
    }
}

impl Plain for str {
    fn as_plain(&self) -> &[u8] {
        self.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(mut buf: impl IoBufMut, with: u8, n: usize) -> usize {
        assert!(n <= buf.bytes_total());
        // SAFETY: within the room; then that many are initialised.
        unsafe {
            buf.stable_mut_ptr().write_bytes(with, n);
            buf.set_init(n);
        }
        assert_eq!(buf.stable_ptr(), buf.stable_mut_ptr().cast_const());
        buf.bytes_init()
    }

    #[test]
    fn the_address_survives_a_move_and_init_never_shrinks() {
        let vec = Vec::with_capacity(16);
        let address = vec.stable_ptr();
        let moved = Box::new(vec);
        assert_eq!(moved.stable_ptr(), address);
        assert_eq!(fill(*moved, 1, 5), 5);
        assert_eq!(fill(vec![0; 10], 1, 5), 10);
        assert_eq!(fill(BytesMut::with_capacity(8), 1, 3), 3);
        assert_eq!(fill(vec![0u8; 4].into_boxed_slice(), 1, 3), 4);
        assert_eq!(fill(Box::new([0u8; 4]), 1, 3), 4);
    }
}
