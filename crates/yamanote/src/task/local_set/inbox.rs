//! What other threads leave for a `LocalSet`, and whom they wake for it.
//!
//! The set, which polls under some waker, takes over what is here when a poll begins, and leaves that
//! waker. Who pushes takes the waker away and wakes it, so one poll is asked for however much comes.
//!
//! # Memory ordering
//!
//! The promise: what is pushed before a poll begins is found by it; for what is pushed later the
//! poll's waker is woken. The lock keeps it, and `dirty` spares the lock to a poll under the waker
//! that is here anyway: it is set, with Release, under the lock of each push, and cleared under that
//! of a taking over. A poll whose Acquire finds it clear did not see the push; so the push takes the
//! waker, which only a taking over puts back, and wakes it.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::mem;
use std::sync::PoisonError;
use std::task::Waker;

use crate::loom::sync::atomic::{AtomicBool, Ordering};
use crate::loom::sync::{Mutex, MutexGuard};
use crate::util::room::Room;

pub(super) struct Inbox<T> {
    state: Mutex<State<T>>,
    /// Something was pushed, and the waker taken, since the last taking over.
    dirty: AtomicBool,
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
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No user code runs under this lock; nothing is left half done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves `value`, and returns whom to wake. After [`close`](Self::close) it hands it back.
    pub(super) fn push(&self, value: T) -> Result<Option<Waker>, T> {
        let mut state = self.lock();
        if state.closed {
            return Err(value);
        }
        state.queue.push_back(value);
        self.dirty.store(true, Ordering::Release);
        Ok(state.waker.take())
    }

    /// A poll under the waker of the last taking over needs another one only if this says so.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// Appends what is here to `queue`, and leaves `waker`. Returns the waker that was here, to be
    /// dropped when nothing is borrowed.
    pub(super) fn take_over(&self, queue: &mut VecDeque<T>, waker: Waker) -> Option<Waker> {
        let mut state = self.lock();
        queue.append(&mut state.queue);
        let excess = state.queue.take_excess();
        // Relaxed: written under the lock only, and the caller alone reads it without.
        self.dirty.store(false, Ordering::Relaxed);
        let before = state.waker.replace(waker);
        drop(state);
        drop(excess);
        before
    }

    /// Lets nothing in any more, and returns what is here, to be dropped when nothing is borrowed.
    pub(super) fn close(&self) -> (VecDeque<T>, Option<Waker>) {
        let mut state = self.lock();
        state.closed = true;
        (mem::take(&mut state.queue), state.waker.take())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn closed_it_hands_back() {
        let inbox = Inbox::new();
        let mut queue = VecDeque::new();
        assert!(inbox.push(1).unwrap().is_none(), "nobody has polled");
        assert!(inbox.is_dirty());
        assert!(inbox.take_over(&mut queue, Waker::noop().clone()).is_none());
        assert!(!inbox.is_dirty());
        assert!(inbox.push(2).unwrap().is_some());
        assert!(inbox.push(3).unwrap().is_none(), "woken once");
        let (left, waker) = inbox.close();
        assert_eq!((queue, left), ([1].into(), [2, 3].into()));
        assert!(waker.is_none());
        assert_eq!(inbox.push(4).unwrap_err(), 4);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::loom::sync::Arc;
    use crate::loom::sync::atomic::AtomicUsize;
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
            let mut queue = VecDeque::new();
            let mut woken_before = 0;
            let mut last = 0;
            for poll in 0..2 {
                let known = poll > 0 && last == poll % wakers;
                last = poll % wakers;
                woken_before = counts[last].0.load(Ordering::SeqCst);
                if !known || inbox.is_dirty() {
                    inbox.take_over(&mut queue, Waker::from(counts[last].clone()));
                }
            }
            for thread in threads {
                thread.join().unwrap();
            }
            let asked = counts[last].0.load(Ordering::SeqCst) > woken_before;
            assert!(queue.len() == 2 || asked, "found {queue:?} and not woken");
            // And the poll that was asked for finds the rest.
            if inbox.is_dirty() {
                inbox.take_over(&mut queue, Waker::noop().clone());
            }
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
