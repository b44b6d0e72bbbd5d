//! A place that is written at most once and read without a lock after that.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU8, Ordering};

const EMPTY: u8 = 0;
/// Somebody is writing: the value is theirs.
const WRITING: u8 = 1;
/// The value is everybody's, to read.
const SET: u8 = 2;

pub(crate) struct Slot<T> {
    state: AtomicU8,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: threads share `&T`, and any of them may have put the value there.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

impl<T> Slot<T> {
    pub(crate) const fn new() -> Self {
        Slot {
            state: AtomicU8::new(EMPTY),
            value: UnsafeCell::new(None),
        }
    }

    pub(crate) const fn with(value: T) -> Self {
        Slot {
            state: AtomicU8::new(SET),
            value: UnsafeCell::new(Some(value)),
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        // Pairs with the Release in `set`.
        self.state.load(Ordering::Acquire) == SET
    }

    pub(crate) fn get(&self) -> Option<&T> {
        match self.is_set() {
            // SAFETY: what is set is not written again while the slot is borrowed.
            true => unsafe { (*self.value.get()).as_ref() },
            false => None,
        }
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    pub(crate) fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// # Panics
    ///
    /// If it is set, or somebody is just about it.
    pub(crate) fn set(&self, value: T) -> &T {
        // The winner has nothing to see of the losers, which panic.
        self.state
            .compare_exchange(EMPTY, WRITING, Ordering::Relaxed, Ordering::Relaxed)
            .expect("a value is set once");
        // SAFETY: the state was moved to `WRITING` here, which happens once, and nobody reads before
        // it is `SET`.
        let place = unsafe { &mut *self.value.get() };
        *place = Some(value);
        // Pairs with the Acquire in `is_set`.
        self.state.store(SET, Ordering::Release);
        self.get().expect("it was set just now")
    }
}
