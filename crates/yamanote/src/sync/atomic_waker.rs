//! A place for one waker, filled by one task and emptied by anybody who has news for it.
//!
//! One word says to whom the place belongs:
//!
//! | FILLING | WAKING | the place belongs to |
//! |---------|--------|----------------------|
//! | 0       | 0      | nobody; it may hold a waker |
//! | 1       | 0      | the registering task |
//! | 0       | 1      | the thread that set WAKING, until it clears it |
//! | 1       | 1      | the registering task, which owes a wake-up to whoever set WAKING |
//!
//! Rules:
//!
//! 1. The task registers and *then* looks for news; others publish news and *then* call
//!    [`wake`](AtomicWaker::wake).
//! 2. Both begin with a read-modify-write of the word, so one of them is first. Registration first:
//!    `wake` finds the waker, or leaves WAKING to the registering task. `wake` first: the task sees
//!    the news when it looks, because its step reads what that of `wake` wrote.
//! 3. Wakers are woken and dropped outside of the place; only cloning happens inside, and a clone
//!    that panics leaves the old waker where it was.

use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::task::Waker;

use crate::loom::cell::UnsafeCell;
use crate::loom::hint;
use crate::loom::sync::atomic::{AtomicUsize, Ordering};

const FREE: usize = 0;
const FILLING: usize = 1;
const WAKING: usize = 2;

/// One task's waker; [`register`](Self::register) is for one task at a time, the rest for
/// everybody.
pub(crate) struct AtomicWaker {
    state: AtomicUsize,
    place: UnsafeCell<Option<Waker>>,
}

// SAFETY: the place is touched only by the one thread that `state` says it belongs to (see the
// table); handing it over is an Acquire that reads a Release. A Waker may be used from any thread.
unsafe impl Send for AtomicWaker {}
// SAFETY: as above.
unsafe impl Sync for AtomicWaker {}
// Nothing of the place is left half done by a panic (rule 3).
impl RefUnwindSafe for AtomicWaker {}
impl UnwindSafe for AtomicWaker {}

impl AtomicWaker {
    pub(crate) fn new() -> AtomicWaker {
        AtomicWaker {
            state: AtomicUsize::new(FREE),
            place: UnsafeCell::new(None),
        }
    }

    /// Puts a clone of `waker` into the place, instead of an earlier one. News published before a
    /// concurrent [`wake`](Self::wake) is either seen after this returns, or `waker` is woken.
    pub(crate) fn register(&self, waker: &Waker) {
        // Acquire: pairs with the Release in `Leave::drop` and `take`, for the place and for the
        // news (rule 2).
        let entered =
            self.state
                .compare_exchange(FREE, FILLING, Ordering::Acquire, Ordering::Acquire);
        match entered {
            Ok(_) => {}
            Err(WAKING) => {
                // Whoever is waking may have taken the earlier waker before its news was ours to
                // see.
                waker.wake_by_ref();
                hint::spin_loop();
                return;
            }
            // Two tasks register at once: one of them wins, and nothing is promised to the other.
            Err(_) => return,
        }
        let leave = Leave(self);
        // SAFETY: FILLING was set by this call, so the place is ours until `leave`.
        let is_same = self
            .place
            .with(|place| unsafe { matches!(&*place, Some(earlier) if earlier.will_wake(waker)) });
        let earlier = match is_same {
            true => None,
            false => {
                let fresh = waker.clone();
                // SAFETY: as above.
                self.place
                    .with_mut(|place| unsafe { (*place).replace(fresh) })
            }
        };
        drop(leave);
        // The earlier waker is another task's; its panic is not for the caller.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(earlier)));
    }

    /// Wakes the task that registered last, if it has not been woken since.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }

    /// Takes the waker out without waking it. `None` also if somebody else is busy with the place,
    /// and then wakes the task or has woken it.
    pub(crate) fn take(&self) -> Option<Waker> {
        // Release: what the caller published is seen by the task that enters after this (rule 2).
        // Acquire: pairs with the Release in `Leave::drop`, for the waker.
        match self.state.fetch_or(WAKING, Ordering::AcqRel) {
            FREE => {
                // SAFETY: WAKING was set by this call while nobody had the place.
                let waker = self.place.with_mut(|place| unsafe { (*place).take() });
                // Release: pairs with the Acquire in `register` and here.
                let left = self.state.swap(FREE, Ordering::Release);
                debug_assert_eq!(left, WAKING);
                waker
            }
            _ => None,
        }
    }
}

/// Gives the place back after registering, also when cloning the waker panicked.
struct Leave<'a>(&'a AtomicWaker);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let AtomicWaker { state, place } = self.0;
        // Release: pairs with the Acquire in `take` and `register`, for the waker.
        // Acquire, when it fails: pairs with the Release of the `take` that left its wake-up to us.
        let left = state.compare_exchange(FILLING, FREE, Ordering::AcqRel, Ordering::Acquire);
        if let Err(owing) = left {
            debug_assert_eq!(owing, FILLING | WAKING);
            // SAFETY: FILLING is still set, and by us.
            let waker = place.with_mut(|place| unsafe { (*place).take() });
            // As above; and Release for the news of the `take` that we stand in for.
            state.swap(FREE, Ordering::AcqRel);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl fmt::Debug for AtomicWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtomicWaker")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    use std::task::{RawWaker, RawWakerVTable, Wake};
    use yamanote_test::CountingWaker;

    #[test]
    fn the_last_registered_is_woken_once() {
        let (first, second) = (CountingWaker::new(), CountingWaker::new());
        let place = AtomicWaker::new();
        place.wake();
        place.register(&first.waker());
        place.register(&second.waker());
        assert_eq!((first.alive(), second.alive()), (0, 1));
        place.wake();
        place.wake();
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
        assert_eq!(second.alive(), 0);
    }

    #[test]
    fn the_same_waker_is_not_cloned_again() {
        let counting = CountingWaker::new();
        let waker = counting.waker();
        let place = AtomicWaker::new();
        place.register(&waker);
        place.register(&waker);
        assert_eq!(counting.alive(), 2);
        drop(place.take());
        assert_eq!((counting.alive(), counting.wakes()), (1, 0));
    }

    #[test]
    fn a_clone_that_panics_leaves_the_place_usable() {
        static PANICS: RawWakerVTable =
            RawWakerVTable::new(|_| panic!("no clone"), |_| (), |_| (), |_| ());
        // SAFETY: the functions use no data.
        let panics = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &PANICS)) };
        let counting = CountingWaker::new();
        let place = AtomicWaker::new();
        place.register(&counting.waker());
        assert!(catch_unwind(AssertUnwindSafe(|| place.register(&panics))).is_err());
        place.wake();
        assert_eq!(counting.wakes(), 1);
        place.register(&counting.waker());
        place.wake();
        assert_eq!(counting.wakes(), 2);
    }

    /// A waker that uses the place it was in, when woken and when dropped.
    #[test]
    fn a_waker_may_use_the_place() {
        struct Reenters(Arc<AtomicWaker>, AtomicUsize);
        impl Wake for Reenters {
            fn wake(self: Arc<Self>) {
                self.0.wake();
                self.0.register(Waker::noop());
                self.1.fetch_add(1, SeqCst);
            }
        }
        impl Drop for Reenters {
            fn drop(&mut self) {
                self.0.wake();
            }
        }
        let place = Arc::new(AtomicWaker::new());
        let waker = Arc::new(Reenters(place.clone(), AtomicUsize::new(0)));
        place.register(&Waker::from(waker.clone()));
        place.wake();
        assert_eq!(waker.1.load(SeqCst), 1);
        place.register(&Waker::from(waker));
        place.register(Waker::noop());
    }

    #[test]
    fn no_wake_up_is_lost_between_threads() {
        for _ in 0..if cfg!(miri) { 10 } else { 200 } {
            let place = Arc::new(AtomicWaker::new());
            let news = Arc::new(AtomicBool::new(false));
            let (their_place, their_news) = (place.clone(), news.clone());
            let teller = std::thread::spawn(move || {
                their_news.store(true, SeqCst);
                their_place.wake();
            });
            crate::util::thread_park::block_on(std::future::poll_fn(|cx| {
                place.register(cx.waker());
                match news.load(SeqCst) {
                    true => std::task::Poll::Ready(()),
                    false => std::task::Poll::Pending,
                }
            }));
            teller.join().unwrap();
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::future::block_on;
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Poll;

    /// Two tellers, one task that waits for both; the news is Relaxed, so the place must order it.
    #[test]
    fn loom_register_against_two_wakes() {
        loom::model(|| {
            let shared = Arc::new((AtomicWaker::new(), AtomicUsize::new(0)));
            let tellers: Vec<_> = (0..2)
                .map(|_| {
                    let shared = shared.clone();
                    loom::thread::spawn(move || {
                        shared.1.fetch_add(1, Relaxed);
                        shared.0.wake();
                    })
                })
                .collect();
            block_on(std::future::poll_fn(|cx| {
                shared.0.register(cx.waker());
                match shared.1.load(Relaxed) {
                    2 => Poll::Ready(()),
                    _ => Poll::Pending,
                }
            }));
            for teller in tellers {
                teller.join().unwrap();
            }
        });
    }
}
