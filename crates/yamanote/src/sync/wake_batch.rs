//! A handful of wakers collected under a lock and called after it is released, on the stack.
//!
//! A caller that has more than [`WakeBatch::CAPACITY`] to wake releases the lock, wakes and comes
//! back, so that a lock is never held for long and nothing is allocated.
#![forbid(unsafe_code)]

use std::task::Waker;

use crate::util::first_panic::FirstPanic;

/// Dropping it wakes what is left.
pub(crate) struct WakeBatch {
    wakers: [Option<Waker>; WakeBatch::CAPACITY],
    len: usize,
}

impl WakeBatch {
    const CAPACITY: usize = 16;

    pub(crate) fn new() -> Self {
        WakeBatch {
            wakers: [const { None }; WakeBatch::CAPACITY],
            len: 0,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == WakeBatch::CAPACITY
    }

    /// # Panics
    ///
    /// If it is full.
    pub(crate) fn push(&mut self, waker: Waker) {
        self.wakers[self.len] = Some(waker);
        self.len += 1;
    }

    /// Wakes all, in the order of collection. One that panics does not keep the others from being
    /// woken; the panic is left in `panics`, to be resumed when those are woken that had no room
    /// here.
    pub(crate) fn wake_all(mut self, panics: &mut FirstPanic) {
        self.wake_rest(panics);
    }

    fn wake_rest(&mut self, panics: &mut FirstPanic) {
        let len = std::mem::take(&mut self.len);
        let mut rest = self.wakers[..len].iter_mut().filter_map(Option::take);
        while !panics.catch(|| rest.by_ref().for_each(Waker::wake)) {}
    }
}

impl Drop for WakeBatch {
    fn drop(&mut self) {
        if self.len > 0 {
            let mut panics = FirstPanic::default();
            self.wake_rest(&mut panics);
            panics.resume();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Panics(AtomicUsize);
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            if self.0.fetch_add(1, Ordering::Relaxed) % 3 == 0 {
                panic!("every third waker");
            }
        }
    }

    #[test]
    fn a_panic_leaves_nobody_asleep() {
        let calls = Arc::new(Panics(AtomicUsize::new(0)));
        let mut batch = WakeBatch::new();
        while !batch.is_full() {
            batch.push(calls.clone().into());
        }
        catch_unwind(AssertUnwindSafe(|| drop(batch))).unwrap_err();
        assert_eq!(calls.0.load(Ordering::Relaxed), WakeBatch::CAPACITY);
        assert_eq!(Arc::strong_count(&calls), 1);
    }
}
