//! The injection queue: tasks made runnable by threads that have no queue of their own here. (And
//! the rest of a worker's line, see `multi_thread/queue`.)
//!
//! A plain locked queue with its length beside it, so that a scheduler that only wants to know
//! whether it is empty never takes the lock. No user code runs under the lock: an item that is
//! refused is handed back, and closing returns what was left.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use crate::loom::sync::atomic::{AtomicUsize, Ordering};
use crate::loom::sync::{Mutex, MutexGuard};
use crate::simulation;
use crate::util::poison::unpoisoned;
use crate::util::room::Room;

pub(crate) struct Inject<T> {
    /// Written under the lock only. A reader that misses a push is woken by the pusher
    /// (`Driver::unpark` after `push`), so `Relaxed` would do for the correctness of the queue; it
    /// is stored with `Release` and loaded with `Acquire` so that a reader that sees zero also sees
    /// everything the last popper did.
    len: AtomicUsize,
    queue: Mutex<Queue<T>>,
}

struct Queue<T> {
    items: VecDeque<T>,
    closed: bool,
    /// Items that were ever pushed.
    pushed: u64,
    /// How often something was pushed while there was nothing.
    begun: u64,
}

impl<T> Inject<T> {
    pub(crate) fn new() -> Self {
        Inject {
            len: AtomicUsize::new(0),
            queue: Mutex::new(Queue {
                items: VecDeque::new(),
                closed: false,
                pushed: 0,
                begun: 0,
            }),
        }
    }

    pub(crate) fn len(&self) -> usize {
        // Pairs with the Release in `publish`.
        self.len.load(Ordering::Acquire)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items were ever pushed.
    pub(crate) fn pushed(&self) -> u64 {
        self.lock().pushed
    }

    /// How often something was pushed while there was nothing.
    pub(crate) fn begun(&self) -> u64 {
        self.lock().begun
    }

    #[cfg(test)]
    fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Appends an item, or hands it back when the queue is closed.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(item);
        }
        queue.extend([item]);
        self.publish(&queue);
        Ok(())
    }

    /// Appends all items under one lock, or hands them back when the queue is closed.
    pub(crate) fn push_batch<I>(&self, items: I) -> Result<(), I>
    where
        I: IntoIterator<Item = T>,
    {
        let mut queue = self.lock();
        if queue.closed {
            return Err(items);
        }
        queue.extend(items);
        self.publish(&queue);
        Ok(())
    }

    pub(crate) fn pop(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.lock();
        simulation::choose_first(&mut queue.items);
        let item = queue.items.pop_front();
        self.publish(&queue);
        free_excess(queue);
        item
    }

    /// Gives up to `max` items to `take`, oldest first. It is called under the lock.
    pub(crate) fn pop_batch(&self, max: usize, take: impl FnMut(T)) {
        if max == 0 || self.is_empty() {
            return;
        }
        let mut queue = self.lock();
        let count = max.min(queue.items.len());
        queue.items.drain(..count).for_each(take);
        self.publish(&queue);
        free_excess(queue);
    }

    /// Refuses every later item; returns what was queued, for the caller to drop outside the lock.
    pub(crate) fn close(&self) -> VecDeque<T> {
        let mut queue = self.lock();
        queue.closed = true;
        let items = std::mem::take(&mut queue.items);
        self.publish(&queue);
        items
    }

    fn publish(&self, queue: &MutexGuard<'_, Queue<T>>) {
        // Pairs with the Acquire in `len`.
        self.len.store(queue.items.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        unpoisoned(self.queue.lock())
    }
}

impl<T> Queue<T> {
    fn extend(&mut self, items: impl IntoIterator<Item = T>) {
        let before = self.items.len();
        self.items.extend(items);
        let pushed = self.items.len() - before;
        self.pushed += pushed as u64;
        self.begun += u64::from(before == 0 && pushed > 0);
    }
}

/// Frees the room that a burst has left, outside of the lock.
fn free_excess<T>(mut queue: MutexGuard<'_, Queue<T>>) {
    let excess = queue.items.take_excess();
    drop(queue);
    drop(excess);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn items_leave_in_the_order_they_came() {
        let inject = Inject::new();
        inject.push(1).unwrap();
        inject.push_batch([2, 3, 4]).unwrap();
        assert_eq!(inject.len(), 4);
        assert_eq!((inject.pushed(), inject.begun()), (4, 1));
        assert_eq!(inject.pop(), Some(1));
        let mut out = Vec::new();
        inject.pop_batch(2, |item| out.push(item));
        assert_eq!(out, [2, 3]);
        assert_eq!(inject.pop(), Some(4));
        assert_eq!(inject.pop(), None);
    }

    #[test]
    fn a_closed_queue_hands_everything_back() {
        let inject = Inject::new();
        inject.push(1).unwrap();
        assert_eq!(inject.close(), [1]);
        assert_eq!(inject.push(2), Err(2));
        assert_eq!(inject.push_batch([3]), Err([3]));
        assert!(inject.is_empty() && inject.is_closed());
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::loom::sync::Arc;
    use crate::loom::thread;

    /// Each item is refused, popped or handed out by the close: once, and none is left behind it.
    #[test]
    fn loom_inject_the_close_loses_nothing() {
        loom::model(|| {
            let inject = Arc::new(Inject::new());
            let pushing = thread::spawn({
                let inject = inject.clone();
                move || {
                    let mut refused = Vec::from_iter(inject.push(1).err());
                    refused.extend(inject.push_batch([2, 3]).err().into_iter().flatten());
                    refused
                }
            });
            let popping = thread::spawn({
                let inject = inject.clone();
                move || {
                    let mut popped = VecDeque::from_iter(inject.pop());
                    inject.pop_batch(1, |item| popped.push_back(item));
                    popped
                }
            });
            let mut items = Vec::from(inject.close());
            items.extend(pushing.join().unwrap());
            items.extend(popping.join().unwrap());
            items.sort();
            assert_eq!(items, [1, 2, 3]);
            assert!(inject.is_empty() && inject.pop().is_none());
        });
    }

    /// A thread that sees the length of a push finds the item; one that sees zero sees what the
    /// popper did.
    #[test]
    fn loom_inject_the_length_is_what_is_there() {
        loom::model(|| {
            let inject = Arc::new(Inject::new());
            let pushing = thread::spawn({
                let inject = inject.clone();
                move || inject.push_batch([1, 2]).is_ok()
            });
            let there = inject.len();
            let mut popped = VecDeque::new();
            while let Some(item) = inject.pop() {
                popped.push_back(item);
            }
            assert!(popped.len() >= there);
            assert!(pushing.join().unwrap());
            popped.extend(inject.pop());
            popped.extend(inject.pop());
            assert_eq!(popped, [1, 2]);
            assert!(inject.is_empty());
        });
    }
}
