//! Polling a future on a thread that has nothing else to do, with a waker that unparks the thread.
//!
//! Used by `Handle::block_on`, by every thread that is in `block_on` without running the scheduler,
//! and by `blocking_recv` and its kin. Such a thread drives nothing; others make its resources
//! ready.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::simulation;
use crate::util::{coop, defer, entered};

/// A thread that can be woken. `woken` makes the wake-up last when a foreign `thread::park` inside
/// the future takes the thread's park token.
pub(crate) struct ThreadWaker {
    thread: Thread,
    woken: AtomicBool,
}

impl ThreadWaker {
    fn new() -> Self {
        ThreadWaker {
            thread: thread::current(),
            woken: AtomicBool::new(false),
        }
    }

    /// Blocks until the waker has been called since this last returned.
    fn park(&self) {
        // Pairs with the Release in `wake_by_ref`: what was done before the wake-up is seen by the
        // poll that follows.
        while !self.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Pairs with the Acquire in `park`.
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

thread_local! {
    /// The last waker made here, to be used again when nobody else holds it any more.
    static CACHED: RefCell<Option<Arc<ThreadWaker>>> = const { RefCell::new(None) };
}

fn take_waker() -> Arc<ThreadWaker> {
    CACHED
        .try_with(|cached| cached.borrow_mut().take())
        .ok()
        .flatten()
        .unwrap_or_else(|| Arc::new(ThreadWaker::new()))
}

fn give_back(mut waker: Arc<ThreadWaker>) {
    // A waker that is still held may be called late, and is not used again.
    if Arc::get_mut(&mut waker).is_some() {
        waker.woken.store(false, Ordering::Relaxed); // exclusive: nobody to pair with
        let _ = CACHED.try_with(|cached| *cached.borrow_mut() = Some(waker));
    }
}

/// Polls `future` to its end on this thread, each poll with a fresh cooperative budget.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let _at_once = defer::suspend();
    let parker = take_waker();
    let waker = Waker::from(parker.clone());
    let mut cx = Context::from_waker(&waker);
    let output = loop {
        simulation::step();
        if let Poll::Ready(output) = coop::budget(|| future.as_mut().poll(&mut cx)) {
            break output;
        }
        parker.park();
    };
    drop(waker);
    give_back(parker);
    output
}

/// As [`block_on`], for functions like `blocking_recv`.
///
/// # Panics
///
/// On a thread that runs a runtime's futures, with Tokio's text.
#[track_caller]
pub(crate) fn block_outside<F: Future>(future: F) -> F::Output {
    assert!(
        !entered::is_entered(),
        "Cannot block the current thread from within a runtime. This happens because a function \
         attempted to block the current thread while the thread is being used to drive \
         asynchronous tasks."
    );
    block_on(future)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[test]
    fn a_foreign_thread_wakes_and_a_stray_token_does_not() {
        thread::current().unpark();
        let mut polls = 0;
        let output = block_on(poll_fn(|cx| {
            polls += 1;
            match polls {
                1 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                2 => {
                    let waker = cx.waker().clone();
                    thread::spawn(move || waker.wake());
                    Poll::Pending
                }
                _ => Poll::Ready(polls),
            }
        }));
        assert_eq!(output, 3);
    }
}
