//! What a buffer must promise before the kernel gets its address.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Slice;

/// A buffer the kernel can read from while the program goes on.
///
/// Its memory is in two parts: the first [`bytes_init`](IoBuf::bytes_init) bytes have values, the
/// rest up to [`bytes_total`](IoBuf::bytes_total) is room.
///
/// # Safety
///
/// For the implementor, as long as the value exists and is not touched through a mutable method:
///
/// - [`stable_ptr`](IoBuf::stable_ptr) returns the same address each time, also after the value has
///   been moved (so the bytes are behind a pointer, not inside the value);
/// - the first `bytes_init` bytes there are initialised and may be read, the `bytes_total` bytes are
///   allocated, and `bytes_init <= bytes_total`;
/// - nothing else writes to them.
pub unsafe trait IoBuf: Send + Unpin + 'static {
    /// Where the buffer begins.
    fn stable_ptr(&self) -> *const u8;

    /// How many bytes have values. A write sends this many.
    fn bytes_init(&self) -> usize;

    /// How many bytes there are, with and without values. A read fills at most this many.
    fn bytes_total(&self) -> usize;

    /// A view of a part of the buffer, to be lent in its place. An open end means the end of the
    /// room, not of the initialised bytes.
    ///
    /// # Panics
    ///
    /// If the range begins behind the initialised bytes (a read would leave a gap without values),
    /// ends behind the room, or begins behind its end.
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

/// A buffer the kernel can write to while the program goes on.
///
/// # Safety
///
/// In addition to the promises of [`IoBuf`]:
///
/// - [`stable_mut_ptr`](IoBufMut::stable_mut_ptr) is the address of `stable_ptr`, and all
///   `bytes_total` bytes there may be written to, at any time until the next use of the value;
/// - any byte value is valid there.
pub unsafe trait IoBufMut: IoBuf {
    /// Where the buffer begins.
    fn stable_mut_ptr(&mut self) -> *mut u8;

    /// Says that the first `len` bytes have values now. Never shortens: a read of fewer bytes than
    /// are initialised leaves the others as they were.
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

// SAFETY: the elements are on the heap, owned, unshared and all initialised.
unsafe impl IoBuf for Box<[u8]> {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn bytes_total(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for Box<[u8]> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, len: usize) {
        debug_assert!(len <= self.len());
    }
}

// SAFETY: the array is on the heap, owned, unshared and initialised.
unsafe impl<const N: usize> IoBuf for Box<[u8; N]> {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        N
    }

    fn bytes_total(&self) -> usize {
        N
    }
}

// SAFETY: as above.
unsafe impl<const N: usize> IoBufMut for Box<[u8; N]> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, len: usize) {
        debug_assert!(len <= N);
    }
}

// SAFETY: never moved, freed or written to.
unsafe impl IoBuf for &'static [u8] {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn bytes_total(&self) -> usize {
        self.len()
    }
}

// SAFETY: never moved or freed; the exclusive reference is in the value.
unsafe impl IoBuf for &'static mut [u8] {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn bytes_total(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for &'static mut [u8] {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, len: usize) {
        debug_assert!(len <= self.len());
    }
}

// SAFETY: never moved, freed or written to.
unsafe impl IoBuf for &'static str {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn bytes_total(&self) -> usize {
        self.len()
    }
}

// SAFETY: the bytes are on the heap, owned and unshared. Not `IoBufMut`: not any byte is valid.
unsafe impl IoBuf for String {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn bytes_total(&self) -> usize {
        self.len()
    }
}

// SAFETY: the bytes are shared and therefore immutable; this value keeps them alive.
unsafe impl IoBuf for Arc<[u8]> {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn bytes_total(&self) -> usize {
        self.len()
    }
}

// SAFETY: the bytes are behind a pointer, immutable, and kept alive by this value.
unsafe impl IoBuf for Bytes {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn bytes_total(&self) -> usize {
        self.len()
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
        self.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, len: usize) {
        if self.len() < len {
            // SAFETY: initialised and within the capacity, by the caller's word.
            unsafe { self.set_len(len) };
        }
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
