//! A part of a buffer, lent in place of the whole.

use std::ops::Deref;

use super::{IoBuf, IoBufMut};

/// A view of the bytes `begin..end` of an owned buffer, made by [`IoBuf::slice`].
///
/// Derefs to its initialised bytes. [`into_inner`](Slice::into_inner) gives the buffer back.
#[derive(Debug, Clone)]
pub struct Slice<B> {
    buffer: B,
    begin: usize,
    end: usize,
}

impl<B: IoBuf> Slice<B> {
    pub(super) fn new(buffer: B, begin: usize, end: usize) -> Self {
        assert!(begin <= end, "slice begins behind its end: {begin}..{end}");
        assert!(
            end <= buffer.bytes_total(),
            "slice ends at {end}, the buffer at {}",
            buffer.bytes_total()
        );
        assert!(
            begin <= buffer.bytes_init(),
            "slice begins at {begin}, but only {} bytes are initialised",
            buffer.bytes_init()
        );
        Slice { buffer, begin, end }
    }

    /// Where the view begins in the buffer.
    pub fn begin(&self) -> usize {
        self.begin
    }

    /// Where the view ends in the buffer.
    pub fn end(&self) -> usize {
        self.end
    }

    /// The whole buffer.
    pub fn get_ref(&self) -> &B {
        &self.buffer
    }

    /// Gives the whole buffer back.
    pub fn into_inner(self) -> B {
        self.buffer
    }
}

// SAFETY: a part of a buffer that keeps these promises: the bounds were checked against it, and its
// initialised part never shrinks while we have it.
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    fn stable_ptr(&self) -> *const u8 {
        // SAFETY: `begin <= bytes_total`, inside or one past the allocation.
        unsafe { self.buffer.stable_ptr().add(self.begin) }
    }

    fn bytes_init(&self) -> usize {
        self.buffer
            .bytes_init()
            .min(self.end)
            .saturating_sub(self.begin)
    }

    fn bytes_total(&self) -> usize {
        self.end - self.begin
    }
}

// SAFETY: as above.
unsafe impl<B: IoBufMut> IoBufMut for Slice<B> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        // SAFETY: `begin <= bytes_total`, inside or one past the allocation.
        unsafe { self.buffer.stable_mut_ptr().add(self.begin) }
    }

    unsafe fn set_init(&mut self, len: usize) {
        // SAFETY: the bytes before `begin` are initialised (checked when made), the `len` after it
        // by the caller's word.
        unsafe { self.buffer.set_init(self.begin + len) };
    }
}

impl<B: IoBuf> Deref for Slice<B> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: that many bytes are initialised there and nothing writes to them while `self` is
        // borrowed.
        unsafe { std::slice::from_raw_parts(self.stable_ptr(), self.bytes_init()) }
    }
}

impl<B: IoBuf> AsRef<[u8]> for Slice<B> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_fills_the_middle_and_nothing_else() {
        let mut buffer = vec![1u8; 4];
        buffer.reserve_exact(4);
        let mut part = buffer.slice(3..6);
        assert_eq!((part.bytes_init(), part.bytes_total()), (1, 3));
        // SAFETY: two of the three bytes of the view.
        unsafe {
            part.stable_mut_ptr().write_bytes(9, 2);
            part.set_init(2);
        }
        assert_eq!(&part[..], [9, 9]);
        assert_eq!(part.into_inner(), [1, 1, 1, 9, 9]);
    }

    #[test]
    #[should_panic(expected = "only 4 bytes are initialised")]
    fn a_slice_may_not_leave_a_gap() {
        let mut buffer = vec![1u8; 4];
        buffer.reserve_exact(4);
        let _ = buffer.slice(5..6);
    }

    #[test]
    fn slices_nest() {
        let part = b"0123456789".to_vec().slice(2..8).slice(1..3);
        assert_eq!(&part[..], b"34");
    }
}
