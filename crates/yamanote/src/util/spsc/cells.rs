//! Memory that one side writes while the other reads, each its own part of it.
//!
//! Outside of loom this is plain memory, copied in blocks. Under loom each byte is a cell that loom
//! watches, so that a part touched by both sides at once is an error of the model.

#[cfg(not(all(test, loom)))]
pub(super) use plain::Cells;
#[cfg(all(test, loom))]
pub(super) use watched::Cells;

#[cfg(not(all(test, loom)))]
mod plain {
    use std::mem::MaybeUninit;
    use std::ptr::NonNull;

    /// `capacity` bytes, at first uninitialized.
    #[derive(Debug)]
    pub(crate) struct Cells {
        start: NonNull<u8>,
        capacity: usize,
    }

    // SAFETY: it owns its memory, and the contracts of `write` and `read` forbid racing accesses.
    unsafe impl Send for Cells {}
    // SAFETY: as for Send.
    unsafe impl Sync for Cells {}

    impl Cells {
        pub(crate) fn new(capacity: usize) -> Self {
            let memory: Box<[MaybeUninit<u8>]> = Box::new_uninit_slice(capacity);
            // A `Box` must not be aliased, and both sides hold on to this memory: keep the pointer.
            let start = NonNull::from(Box::leak(memory)).cast();
            Cells { start, capacity }
        }

        pub(crate) fn capacity(&self) -> usize {
            self.capacity
        }

        /// Copies `data` to `at`.
        ///
        /// # Safety
        ///
        /// * `at..at + data.len()` is within the capacity.
        /// * No other call touches that part at the same time.
        pub(crate) unsafe fn write(&self, at: usize, data: &[u8]) {
            debug_assert!(at + data.len() <= self.capacity);
            // SAFETY: within the allocation and exclusive, says the caller; `data` is elsewhere,
            // since a slice of this memory lives only inside `read`, whose part is another one.
            unsafe {
                let to = self.start.as_ptr().add(at);
                to.copy_from_nonoverlapping(data.as_ptr(), data.len());
            }
        }

        /// Shows the `len` bytes at `at` to `f`.
        ///
        /// # Safety
        ///
        /// * `at..at + len` is within the capacity.
        /// * It has been written.
        /// * No call of `write` touches it at the same time.
        pub(crate) unsafe fn read(&self, at: usize, len: usize, f: impl FnOnce(&[u8])) {
            debug_assert!(at + len <= self.capacity);
            // SAFETY: within the allocation, initialized and not written to, says the caller.
            f(unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(at), len) });
        }
    }

    impl Drop for Cells {
        fn drop(&mut self) {
            let memory = std::ptr::slice_from_raw_parts_mut(
                self.start.as_ptr().cast::<MaybeUninit<u8>>(),
                self.capacity,
            );
            // SAFETY: leaked from such a box in `new`, and given back only here.
            drop(unsafe { Box::from_raw(memory) });
        }
    }
}

#[cfg(all(test, loom))]
mod watched {
    use crate::loom::cell::UnsafeCell;

    #[derive(Debug)]
    pub(crate) struct Cells(Box<[UnsafeCell<Option<u8>>]>);

    // SAFETY: as for the plain one; loom finds the races.
    unsafe impl Sync for Cells {}

    impl Cells {
        pub(crate) fn new(capacity: usize) -> Self {
            Cells((0..capacity).map(|_| UnsafeCell::new(None)).collect())
        }

        pub(crate) fn capacity(&self) -> usize {
            self.0.len()
        }

        /// # Safety
        ///
        /// As for the plain one.
        pub(crate) unsafe fn write(&self, at: usize, data: &[u8]) {
            for (cell, byte) in self.0[at..].iter().zip(data) {
                // SAFETY: exclusive, says the caller, and loom checks it.
                cell.with_mut(|cell| unsafe { *cell = Some(*byte) });
            }
        }

        /// # Safety
        ///
        /// As for the plain one.
        pub(crate) unsafe fn read(&self, at: usize, len: usize, f: impl FnOnce(&[u8])) {
            let read = self.0[at..at + len].iter().map(|cell| {
                // SAFETY: not written to at the same time, says the caller, and loom checks it.
                cell.with(|cell| unsafe { (*cell).expect("read before written") })
            });
            f(&read.collect::<Vec<u8>>());
        }
    }
}
