//! How much room a queue keeps once it is empty.
//!
//! A queue would otherwise hold the room of its largest burst for as long as its runtime lives:
//! eight megabytes for a million tasks that were made runnable together. It keeps what everyday
//! bursts need, so that these do not allocate again and again, and gives up the rest. Growing anew
//! costs little beside the handling of that many items.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::mem::{self, size_of};

/// Room in bytes that an empty queue may keep: 256 tasks or 128 wakers.
const KEPT_BYTES: usize = 2048;

pub(crate) trait Room: Default {
    /// Room in bytes, if there is nothing in it.
    fn idle_bytes(&self) -> Option<usize>;

    /// Leaves a queue without room if this one is empty and has more than may be kept. Returns the
    /// old one, for a caller under a lock to free outside of it.
    #[must_use = "freed under the lock otherwise"]
    fn take_excess(&mut self) -> Option<Self> {
        let has_excess = self.idle_bytes().is_some_and(|bytes| bytes > KEPT_BYTES);
        has_excess.then(|| mem::take(self))
    }

    /// As [`take_excess`](Self::take_excess), freed here.
    fn free_excess(&mut self) {
        drop(self.take_excess());
    }
}

impl<T> Room for Vec<T> {
    fn idle_bytes(&self) -> Option<usize> {
        self.is_empty().then(|| self.capacity() * size_of::<T>())
    }
}

impl<T> Room for VecDeque<T> {
    fn idle_bytes(&self) -> Option<usize> {
        self.is_empty().then(|| self.capacity() * size_of::<T>())
    }
}

/// The oldest item. A caller that finds none has emptied the queue, and is in no hurry.
pub(crate) fn pop_front<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let item = queue.pop_front();
    if item.is_none() {
        queue.free_excess();
    }
    item
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_queue_gives_up_only_what_is_much() {
        let mut queue: VecDeque<u64> = (0..10_000).collect();
        assert!(queue.take_excess().is_none(), "it is in use");
        queue.clear();
        assert!(
            queue
                .take_excess()
                .is_some_and(|old| old.capacity() >= 10_000)
        );
        assert_eq!(queue.capacity(), 0);

        queue.extend(0..10_000);
        while pop_front(&mut queue).is_some() {}
        assert_eq!(queue.capacity(), 0);

        let mut small: Vec<u64> = Vec::with_capacity(KEPT_BYTES / 8);
        small.free_excess();
        assert_eq!(small.capacity(), KEPT_BYTES / 8, "an everyday burst");
    }
}
