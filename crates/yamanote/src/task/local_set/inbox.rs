//! What other threads leave for a `LocalSet`, and the waker that they wake for it.
//!
//! The set, which polls under some waker, leaves that waker here when a poll begins. A thread that
//! pushes takes it away and wakes it, so one poll is asked for however much comes. Requests, of
//! those who want to see the set's tasks, are pushed like runnable tasks; a poll takes them all
//! when it leaves its waker.
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

/// Requests that are kept while nobody polls the set.
const MOST_REQUESTS: usize = 8;

pub(super) struct Inbox<T, R> {
    state: Mutex<State<T, R>>,
    /// Something was pushed, and the waker taken, since the waker was set.
    dirty: AtomicBool,
    /// The queue's length.
    len: AtomicUsize,
}

struct State<T, R> {
    queue: VecDeque<T>,
    requests: Vec<R>,
    waker: Option<Waker>,
    closed: bool,
}

/// What is to be dropped, or answered, when nothing is borrowed.
pub(super) struct Taken<R> {
    pub(super) stale: Option<Waker>,
    pub(super) requests: Vec<R>,
}

impl<T, R> Inbox<T, R> {
    pub(super) fn new() -> Inbox<T, R> {
        Inbox {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                requests: Vec::new(),
                waker: None,
                closed: false,
            }),
            dirty: AtomicBool::new(false),
            len: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T, R>> {
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

    /// Leaves a request, in place of the oldest if there are many, and returns the waker to wake.
    /// After [`close`](Self::close) it is dropped, and so is the oldest.
    pub(super) fn ask(&self, request: R) -> Option<Waker> {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            drop(request);
            return None;
        }
        let is_full = state.requests.len() == MOST_REQUESTS;
        let oldest = is_full.then(|| state.requests.remove(0));
        state.requests.push(request);
        self.dirty.store(true, Ordering::Release);
        let waker = state.waker.take();
        drop(state);
        drop(oldest);
        waker
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

    /// Leaves `waker`, and takes the one that was here and all requests.
    pub(super) fn set_waker(&self, waker: Waker) -> Taken<R> {
        let mut state = self.lock();
        // Relaxed: written under the lock only, and the caller alone reads it without.
        self.dirty.store(false, Ordering::Relaxed);
        Taken {
            stale: state.waker.replace(waker),
            requests: mem::take(&mut state.requests),
        }
    }

    /// Lets nothing in any more, and returns what is here, to be dropped when nothing is borrowed.
    pub(super) fn close(&self) -> (VecDeque<T>, Taken<R>) {
        let mut state = self.lock();
        state.closed = true;
        self.len.store(0, Ordering::Release);
        let taken = Taken {
            stale: state.waker.take(),
            requests: mem::take(&mut state.requests),
        };
        (mem::take(&mut state.queue), taken)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn closed_it_hands_back() {
        let inbox = Inbox::<_, usize>::new();
        assert!(inbox.push(1).unwrap().is_none(), "nobody has polled");
        assert!(inbox.is_dirty());
        let taken = inbox.set_waker(Waker::noop().clone());
        assert!(taken.stale.is_none() && taken.requests.is_empty());
        assert!(!inbox.is_dirty());
        assert_eq!((inbox.pop(), inbox.pop()), (Some(1), None));
        assert!(inbox.push(2).unwrap().is_some());
        assert!(inbox.push(3).unwrap().is_none(), "woken once");
        let (left, taken) = inbox.close();
        assert_eq!(left, [2, 3]);
        assert!(taken.stale.is_none() && inbox.pop().is_none());
        assert_eq!(inbox.push(4).unwrap_err(), 4);
    }

    /// A request asks for a poll as a task does; the last few are kept.
    #[test]
    fn requests_are_taken_by_the_next_poll() {
        let inbox = Inbox::<(), usize>::new();
        inbox.set_waker(Waker::noop().clone());
        assert!(inbox.ask(0).is_some() && inbox.is_dirty());
        for request in 1..=MOST_REQUESTS {
            assert!(inbox.ask(request).is_none(), "woken once");
        }
        let taken = inbox.set_waker(Waker::noop().clone());
        assert!(taken.requests.into_iter().eq(1..=MOST_REQUESTS));
        assert!(!inbox.is_dirty());
        assert!(inbox.ask(9).is_some());
        assert_eq!(inbox.close().1.requests, [9]);
        assert!(inbox.ask(10).is_none());
        assert!(inbox.close().1.requests.is_empty());
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

    /// Two threads push, the second of them a request if `asks`, while the set is polled twice,
    /// under one waker or two: everything was found, or a poll is asked for, of the waker that was
    /// used last.
    fn nothing_is_lost(wakers: usize, asks: bool) {
        ::loom::model(move || {
            let inbox = Arc::new(Inbox::new());
            let threads: Vec<_> = (0..2)
                .map(|value| {
                    let inbox = inbox.clone();
                    thread::spawn(move || {
                        let waker = match asks && value == 1 {
                            true => inbox.ask(value),
                            false => inbox.push(value).unwrap(),
                        };
                        if let Some(waker) = waker {
                            waker.wake();
                        }
                    })
                })
                .collect();
            let counts = [
                std::sync::Arc::<Woken>::default(),
                std::sync::Arc::<Woken>::default(),
            ];
            let mut found = Vec::new();
            let mut woken_before = 0;
            let mut last = 0;
            for poll in 0..2 {
                let known = poll > 0 && last == poll % wakers;
                last = poll % wakers;
                woken_before = counts[last].0.load(Ordering::SeqCst);
                if !known || inbox.is_dirty() {
                    let waker = Waker::from(counts[last].clone());
                    found.extend(inbox.set_waker(waker).requests);
                }
                found.extend(inbox.pop());
                found.extend(inbox.pop());
            }
            for thread in threads {
                thread.join().unwrap();
            }
            let asked = counts[last].0.load(Ordering::SeqCst) > woken_before;
            assert!(found.len() == 2 || asked, "found {found:?} and not woken");
            // And the poll that was asked for finds the rest.
            found.extend(inbox.set_waker(Waker::noop().clone()).requests);
            found.extend(std::iter::from_fn(|| inbox.pop()));
            assert_eq!(found.len(), 2);
        });
    }

    #[test]
    fn loom_local_set_one_waker() {
        nothing_is_lost(1, false);
    }

    #[test]
    fn loom_local_set_two_wakers() {
        nothing_is_lost(2, false);
    }

    #[test]
    fn loom_local_set_is_asked() {
        nothing_is_lost(1, true);
        nothing_is_lost(2, true);
    }
}
