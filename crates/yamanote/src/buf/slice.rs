//! A part of a buffer, lent in place of the whole.

use std::ops::Deref;

use super::{IoBuf, IoBufMut};

/// A view of the bytes `begin..end` of an owned buffer, made by [`IoBuf::slice`].
///
/// Derefs to its initialised bytes. [`into_inner`](Slice::into_inner) gives the buffer back.
///
/// A clone views a clone of the buffer, which may have less room: a cloned `Vec` has room for its
/// values only. The view then ends where the room does.
//
// `begin <= end <= buffer.bytes_total()` and `begin <= buffer.bytes_init()`: unsafe code relies on
// it.
#[derive(Debug)]
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

impl<B: IoBuf + Clone> Clone for Slice<B> {
    fn clone(&self) -> Self {
        let buffer = self.buffer.clone();
        let end = self.end.min(buffer.bytes_total());
        Slice::new(buffer, self.begin, end)
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
    use std::fmt::Debug;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use bytes::BytesMut;
    use proptest::prelude::*;

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

    /// What a program does with a part of a buffer.
    #[derive(Debug, Clone)]
    enum Step {
        Clone,
        /// Fills this many bytes, or as many as there is room for, as a read does.
        Fill(usize),
        /// Gives the part back and takes another.
        Again(usize, usize),
        /// Does all this with a part of the part, which is given back.
        Inside(usize, usize, Vec<Step>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let bounds = || (0..12usize, 0..24usize);
        let plain = prop_oneof![
            Just(Step::Clone),
            (0..24usize).prop_map(Step::Fill),
            bounds().prop_map(|(begin, end)| Step::Again(begin, end)),
        ];
        let steps = prop::collection::vec(plain.clone(), 0..4);
        let inside =
            (bounds(), steps).prop_map(|((begin, end), steps)| Step::Inside(begin, end, steps));
        prop::collection::vec(prop_oneof![3 => plain, 1 => inside], 0..6)
    }

    /// What unsafe code relies on.
    fn check<B: IoBufMut>(part: &mut Slice<B>) {
        let room = part.buffer.bytes_total();
        assert!(part.bytes_init() <= part.bytes_total());
        assert!(
            part.begin + part.bytes_total() <= room,
            "room that there is not"
        );
        assert!(part.begin + part.bytes_init() <= part.buffer.bytes_init().max(part.begin));
        assert!(part.buffer.bytes_init() <= room);
        assert_eq!(
            part.stable_ptr(),
            part.buffer.stable_ptr().wrapping_add(part.begin)
        );
        assert_eq!(part.stable_ptr(), part.stable_mut_ptr().cast_const());
        assert_eq!(part.len(), part.bytes_init());
    }

    fn fill<B: IoBufMut>(buffer: &mut B, n: usize) {
        let n = n.min(buffer.bytes_total());
        // SAFETY: within the room; then that many are initialised.
        unsafe {
            buffer.stable_mut_ptr().write_bytes(n as u8, n);
            buffer.set_init(n);
        }
        assert!(buffer.bytes_init() >= n);
    }

    /// A part of `buffer`, or the whole if there is no such part, which must be refused.
    fn part_of<B: IoBufMut + Clone>(buffer: B, begin: usize, end: usize) -> Slice<B> {
        let (init, total) = (buffer.bytes_init(), buffer.bytes_total());
        let copy = buffer.clone();
        let part = catch_unwind(AssertUnwindSafe(|| buffer.slice(begin..end)));
        let possible = begin <= end && end <= total && begin <= init;
        assert_eq!(
            part.is_ok(),
            possible,
            "{begin}..{end} of {init} and room for {total}"
        );
        part.unwrap_or_else(|_| copy.slice(..))
    }

    fn take<B>(mut part: Slice<B>, steps: &[Step]) -> B
    where
        B: IoBufMut + Clone + Debug,
    {
        check(&mut part);
        for step in steps {
            part = match *step {
                Step::Clone => {
                    let copy = part.clone();
                    assert_eq!(&copy[..], &part[..]);
                    copy
                }
                Step::Fill(n) => {
                    fill(&mut part, n);
                    part
                }
                Step::Again(begin, end) => part_of(part.into_inner(), begin, end),
                Step::Inside(begin, end, ref steps) => {
                    let mut inner = part_of(part, begin, end);
                    check(&mut inner);
                    // One level only: each has a type of its own, and a recursion would not end.
                    for step in steps {
                        inner = match *step {
                            Step::Clone => inner.clone(),
                            Step::Fill(n) => {
                                fill(&mut inner, n);
                                inner
                            }
                            Step::Again(begin, end) => part_of(inner.into_inner(), begin, end),
                            Step::Inside(..) => inner,
                        };
                        check(&mut inner);
                    }
                    inner.into_inner()
                }
            };
            check(&mut part);
        }
        part.into_inner()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// ... whatever code without `unsafe` and reads do with it, in any order.
        #[test]
        fn a_part_never_reaches_further_than_its_buffer(
            init in 0..12usize,
            spare in 0..12usize,
            (begin, end) in (0..12usize, 0..24usize),
            steps in steps(),
        ) {
            let mut vec = Vec::with_capacity(init + spare);
            vec.resize(init, 1);
            let vec = take(part_of(vec, begin, end), &steps);
            prop_assert!(vec.len() <= vec.capacity());

            let mut bytes = BytesMut::with_capacity(init + spare);
            bytes.resize(init, 1);
            let bytes = take(part_of(bytes, begin, end), &steps);
            prop_assert!(bytes.len() <= bytes.capacity());
            // A part of a larger allocation, and one that shares it with another.
            let mut whole = BytesMut::zeroed(init + 4);
            whole.reserve(spare + 4);
            let tail = whole.split_off(2);
            take(part_of(tail, begin, end), &steps);
            prop_assert_eq!(&whole[..], [0, 0]);

            take(part_of(vec![1; init].into_boxed_slice(), begin, end), &steps);
            take(part_of(Box::new([1; 8]), begin, end), &steps);
        }
    }
}
