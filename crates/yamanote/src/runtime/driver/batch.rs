//! What a turn collects under a lock and finishes outside it: wakers to wake, values to drop.
//!
//! Waking and dropping run user code, which may call straight back into the driver.
#![forbid(unsafe_code)]

use std::any::Any;

use crate::util::contained::contained;
use crate::util::room::Room;
use crate::util::wake_list::WakeList;

#[derive(Default)]
pub(crate) struct Batch {
    pub wakers: WakeList,
    pub garbage: Vec<Box<dyn Any + Send>>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.is_empty() && self.garbage.is_empty()
    }

    /// Wakes and drops what was collected; the batch can be used again. Returns how many were
    /// woken.
    ///
    /// The panic of a destructor concerns nobody else: it ends here, after the panic hook has
    /// reported it.
    pub(crate) fn finish(&mut self) -> usize {
        let woken = self.wakers.len();
        for value in self.garbage.drain(..) {
            contained(|| drop(value));
        }
        self.garbage.free_excess();
        self.wakers.wake_all();
        woken
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.is_empty() {
            self.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_panicking_destructor_does_not_keep_the_others() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("expected in this test");
            }
        }
        struct Count(Arc<AtomicUsize>);
        impl Drop for Count {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut batch = Batch::default();
        batch.garbage.push(Box::new(Bomb));
        batch.garbage.push(Box::new(Count(dropped.clone())));
        assert_eq!(batch.finish(), 0);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        assert!(batch.is_empty());
    }
}
