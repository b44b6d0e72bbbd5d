//! A value that everybody may hold and one thread may look at.
//!
//! Local tasks are woken and aborted from any thread, so what their wakers lead to is shared by
//! all. Their run queue is not: in an [`OwnerCell`] it is reached without a lock by the thread it
//! belongs to, and any other thread learns that it must go another way.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The number of a thread, never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadNumber(u64);

impl ThreadNumber {
    /// The calling thread's. Works in destructors of thread-locals too: the cell needs none.
    pub(crate) fn current() -> ThreadNumber {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        thread_local! {
            static NUMBER: Cell<u64> = const { Cell::new(0) };
        }
        NUMBER.with(|number| {
            if number.get() == 0 {
                // Relaxed: only uniqueness counts. 2^64 threads are never started.
                number.set(NEXT.fetch_add(1, Relaxed));
            }
            ThreadNumber(number.get())
        })
    }

    /// Never 0.
    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

/// A value that only the thread that made it may see.
///
/// Whoever owns it may move and drop it, so the value must be `Send`; it need not be `Sync`.
pub(crate) struct OwnerCell<T> {
    owner: ThreadNumber,
    value: T,
}

// SAFETY: a `&OwnerCell<T>` on another thread than the owner's does not lead to a `&T`, and numbers
// of threads are not reused; so all the `&T` that exist at a time are on one thread.
unsafe impl<T: Send> Sync for OwnerCell<T> {}

impl<T> OwnerCell<T> {
    /// The calling thread becomes the owner.
    pub(crate) fn new(value: T) -> OwnerCell<T> {
        OwnerCell {
            owner: ThreadNumber::current(),
            value,
        }
    }

    /// The value; `None` on any thread but the owner.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        (self.owner == ThreadNumber::current()).then_some(&self.value)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_sees_the_value() {
        let cell = OwnerCell::new(Cell::new(1));
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(cell.get().is_none()));
        });
        cell.get().expect("this thread made it").set(2);
        assert_eq!(cell.get().map(Cell::get), Some(2));
        std::thread::spawn(move || assert!(cell.get().is_none()))
            .join()
            .unwrap();
    }
}
