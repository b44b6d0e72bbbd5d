//! What other threads leave for a `LocalSet`, and the waker that they wake for it.
//!
//! The set, which polls under some waker, leaves that waker here when a poll begins. A thread that
//! pushes takes it away and wakes it, so one poll is asked for however much comes.
//!
//! # Memory ordering
//!
//! The promise: a poll finds what is pushed before it begins; for what is pushed later, its waker
//! is woken. The lock keeps it, and two values save taking the lock. `dirty` saves it in a poll
//! under the waker that is here anyway: it is set, with Release, under the lock of each push, and
//! cleared under the lock when the waker is set. A poll whose Acquire finds it clear did not see
//! the push; so the push takes the waker, which only setting it puts back, and wakes it. `len`
//! saves it in a look into an empty inbox: it is stored with Release under the lock, so that a look
//! that comes after the waker was set finds what was pushed before that.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::mem;
use std::task::Waker;

use crate::loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::loom::sync::{Mutex, MutexGuard};
use crate::util::poison::unpoisoned;
use crate::util::room::Room;

pub(super) struct Inbox<T> {
    state: Mutex<State<T>>,
    /// Something was pushed, and the waker taken, since the waker was set.
    dirty: AtomicBool,
    /// The queue's length.
    len: AtomicUsize,
}

struct State<T> {
    queue: VecDeque<T>,
    waker: Option<Waker>,
    closed: bool,
}

impl<T> Inbox<T> {
    pub(super) fn new() -> Inbox<T> {
        Inbox {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                waker: None,
                closed: false,
            }),
            dirty: AtomicBool::new(false),
            len: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        unpoisoned(self.state.lock())
    }

    /// Leaves `value`, and returns the waker to wake. After [`close`](Self::close) it hands `value`
    /// back.
    pub(super) fn push(&self, value: T) -> Result<Option<Waker>, T> {
        let mut state = self.lock();
        if state.closed {
            return Err(value);
        }
        state.queue.push_back(value);
        self.len.store(state.queue.len(), Ordering::Release);
        self.dirty.store(true, Ordering::Release);
        Ok(state.waker.take())
    }

    /// Whether a poll under the waker that was set last must set it again.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// What has been here for longest.
    pub(super) fn pop(&self) -> Option<T> {
        if self.len.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut state = self.lock();
        let value = state.queue.pop_front();
        self.len.store(state.queue.len(), Ordering::Release);
        let excess = state.queue.take_excess();
        drop(state);
        drop(excess);
        value
    }

    /// Leaves `waker`. Returns the one that was here, to be dropped when nothing is borrowed.
    pub(super) fn set_waker(&self, waker: Waker) -> Option<Waker> {
        let mut state = self.lock();
        // Relaxed: written under the lock only, and the caller alone reads it without.
        self.dirty.store(false, Ordering::Relaxed);
        state.waker.replace(waker)
    }

    /// Lets nothing in any more, and returns what is here, to be dropped when nothing is borrowed.
    pub(super) fn close(&self) -> (VecDeque<T>, Option<Waker>) {
        let mut state = self.lock();
        state.closed = true;
        self.len.store(0, Ordering::Release);
        (mem::take(&mut state.queue), state.waker.take())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn closed_it_hands_back() {
        let inbox = Inbox::new();
        assert!(inbox.push(1).unwrap().is_none(), "nobody has polled");
        assert!(inbox.is_dirty());
        assert!(inbox.set_waker(Waker::noop().clone()).is_none());
        assert!(!inbox.is_dirty());
        assert_eq!((inbox.pop(), inbox.pop()), (Some(1), None));
        assert!(inbox.push(2).unwrap().is_some());
        assert!(inbox.push(3).unwrap().is_none(), "woken once");
        let (left, waker) = inbox.close();
        assert_eq!(left, [2, 3]);
        assert!(waker.is_none() && inbox.pop().is_none());
        assert_eq!(inbox.push(4).unwrap_err(), 4);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::loom::sync::Arc;
    use crate::loom::thread;
    use std::task::Wake;

    /// An executor: a poll sees what came before the wake-ups that it has seen.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Two threads push while the set is polled twice, under one waker or two: everything was
    /// found, or a poll is asked for, of the waker that was used last.
    fn nothing_is_lost(wakers: usize) {
        ::loom::model(move || {
            let inbox = Arc::new(Inbox::new());
            let threads: Vec<_> = (0..2)
                .map(|value| {
                    let inbox = inbox.clone();
                    thread::spawn(move || {
                        if let Some(waker) = inbox.push(value).unwrap() {
                            waker.wake();
                        }
                    })
                })
                .collect();
            let counts = [
                std::sync::Arc::<Woken>::default(),
                std::sync::Arc::<Woken>::default(),
            ];
            let mut queue = Vec::new();
            let mut woken_before = 0;
            let mut last = 0;
            for poll in 0..2 {
                let known = poll > 0 && last == poll % wakers;
                last = poll % wakers;
                woken_before = counts[last].0.load(Ordering::SeqCst);
                if !known || inbox.is_dirty() {
                    inbox.set_waker(Waker::from(counts[last].clone()));
                }
                queue.extend(inbox.pop());
                queue.extend(inbox.pop());
            }
            for thread in threads {
                thread.join().unwrap();
            }
            let asked = counts[last].0.load(Ordering::SeqCst) > woken_before;
            assert!(queue.len() == 2 || asked, "found {queue:?} and not woken");
            // And the poll that was asked for finds the rest.
            queue.extend(std::iter::from_fn(|| inbox.pop()));
            assert_eq!(queue.len(), 2);
        });
    }

    #[test]
    fn loom_local_set_one_waker() {
        nothing_is_lost(1);
    }

    #[test]
    fn loom_local_set_two_wakers() {
        nothing_is_lost(2);
    }
}
