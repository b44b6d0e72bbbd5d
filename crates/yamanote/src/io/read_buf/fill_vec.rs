//! A vector lent to a reader: [`FillVec`].

use std::io;
use std::task::Poll;

use super::ReadBuf;
use super::lending::Lent;

/// A vector that readers fill through its spare capacity.
///
/// It remembers how much of the spare capacity is initialized, so that a reader that wants zeroed
/// memory at every call gets it zeroed once. `V` is `Vec<u8>` or `&mut Vec<u8>`, and nothing else
/// can be constructed: the memory of these does not change behind the struct's back.
#[derive(Debug)]
pub(crate) struct FillVec<V> {
    vec: V,
    /// Bytes known to be initialized after the vector's length.
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

    /// Lets `read` fill the spare capacity, lengthens the vector by what it filled, and returns
    /// that.
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
        // SAFETY: kept by `reserve`, `extend_from_slice` and this function, the only ones that
        // touch the vector.
        unsafe { spare.assume_init(self.initialized) };
        // If `read` panics, nothing is known any more.
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
}
