//! Where the owner of a slot sleeps, and how another thread ends that sleep.
//!
//! ```text
//!              unpark                       prepare(place)
//!   EMPTY ----------------> NOTIFIED     EMPTY ------------> PARKED(place) --+ the owner blocks
//!     ^                        |           ^                     |           | in futex, epoll
//!     +------------------------+           |      unpark         v           | or ring
//!        prepare or finish take            +---- finish ---- NOTIFIED <------+
//! ```
//!
//! 1. Only the thread that holds the slot calls `prepare` and `finish`.
//! 2. Any thread calls `unpark`. It leaves a token; if it found the owner parked, it must also
//!    interrupt that place, which `Unpark` names.
//! 3. A token is taken exactly once, by `prepare` (then the owner does not block), by `finish`, or
//!    by `take_token` (then the owner looks at everything before it calls `prepare`).
//!
//! # Memory ordering
//!
//! The promise: the owner, after it took the token, sees what a thread did before `unpark`. The
//! swap in `unpark` (release half) pairs with the swaps in `prepare` and `finish` (acquire half).
//! The swaps are `SeqCst` because callers rely on a store-load order across two words: the owner
//! parks, then reads the earliest timer; a foreign thread stores a timer, then asks `is_parked`.
//! One of the two sees the other (`Driver::timer_add` with `Driver::park`).
#![forbid(unsafe_code)]

use crate::loom::sync::atomic::{AtomicU32, Ordering::SeqCst};
use crate::sys::futex;
use std::time::Duration;

const EMPTY: u32 = 0;
const NOTIFIED: u32 = 1;
const PARKED_FUTEX: u32 = 2;
const PARKED_EPOLL: u32 = 3;
const PARKED_RING: u32 = 4;

/// The place the owner is about to block in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Futex,
    Epoll,
    Ring,
}

/// What `unpark` found, and what its caller must do now.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Unpark {
    /// The owner runs, or was told already: nothing to do.
    Noted,
    /// The owner sleeps in epoll: wake that.
    InterruptEpoll,
    /// The owner sleeps in its ring: wake that.
    InterruptRing,
}

#[derive(Debug, Default)]
pub(crate) struct Parker {
    state: AtomicU32,
}

impl Parker {
    /// Announces the sleep. `false`: there was a token, which is now taken; do not block.
    #[must_use]
    pub(crate) fn prepare(&self, place: Place) -> bool {
        let parked = match place {
            Place::Futex => PARKED_FUTEX,
            Place::Epoll => PARKED_EPOLL,
            Place::Ring => PARKED_RING,
        };
        match self.state.swap(parked, SeqCst) {
            EMPTY => {
                order_for_loom();
                true
            }
            NOTIFIED => {
                // Between the two swaps another unpark may come and interrupt a place in which
                // nobody sleeps yet. Its token is taken here with the first; the interruption
                // itself costs one early return from the next sleep.
                self.state.swap(EMPTY, SeqCst);
                false
            }
            state => panic!("parked twice: a slot has one owner (state {state})"),
        }
    }

    /// Blocks in the futex until unparked or until `timeout`; early returns are possible.
    pub(crate) fn wait_futex(&self, timeout: Option<Duration>) {
        // The kernel would sleep for its timer slack, 50 us and more.
        if timeout == Some(Duration::ZERO) {
            return;
        }
        futex::wait(&self.state, PARKED_FUTEX, timeout);
    }

    /// Ends the sleep; `true` if a token was taken.
    pub(crate) fn finish(&self) -> bool {
        let before = self.state.swap(EMPTY, SeqCst);
        assert_ne!(before, EMPTY, "finish without prepare");
        before == NOTIFIED
    }

    /// Takes a token without a sleep. For the owner, while it is awake.
    pub(crate) fn take_token(&self) {
        // Only the owner takes tokens, so what it has seen is still there.
        if self.state.load(SeqCst) == NOTIFIED {
            self.state.swap(EMPTY, SeqCst);
        }
    }

    pub(crate) fn unpark(&self) -> Unpark {
        // A token that is there already stands for this one too.
        match self.state.swap(NOTIFIED, SeqCst) {
            EMPTY | NOTIFIED => Unpark::Noted,
            PARKED_FUTEX => {
                futex::wake_one(&self.state);
                Unpark::Noted
            }
            PARKED_EPOLL => Unpark::InterruptEpoll,
            PARKED_RING => Unpark::InterruptRing,
            state => unreachable!("parker state {state}"),
        }
    }

    pub(crate) fn is_parked(&self) -> bool {
        matches!(
            self.state.load(SeqCst),
            PARKED_FUTEX | PARKED_EPOLL | PARKED_RING
        )
    }
}

/// Loom knows the single order of SeqCst operations for fences only.
pub(super) fn order_for_loom() {
    #[cfg(all(test, loom))]
    crate::loom::sync::atomic::fence(SeqCst);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_token_before_the_sleep_prevents_it_once() {
        let parker = Parker::default();
        assert_eq!(parker.unpark(), Unpark::Noted);
        assert_eq!(parker.unpark(), Unpark::Noted);
        assert!(!parker.prepare(Place::Ring));
        assert!(parker.prepare(Place::Ring));
        assert!(parker.is_parked());
        assert_eq!(parker.unpark(), Unpark::InterruptRing);
        assert!(!parker.is_parked());
        assert!(parker.finish());
        assert!(parker.prepare(Place::Epoll));
        assert!(!parker.finish());
    }

    #[test]
    fn a_sleeper_in_the_futex_is_woken() {
        let parker = Arc::new(Parker::default());
        let other = Arc::clone(&parker);
        let sleeper = std::thread::spawn(move || {
            let mut tokens = 0;
            while tokens < 1000 {
                if !other.prepare(Place::Futex) {
                    tokens += 1;
                    continue;
                }
                other.wait_futex(None);
                tokens += u32::from(other.finish());
            }
        });
        while !sleeper.is_finished() {
            let _ = parker.unpark();
            std::thread::yield_now();
        }
        sleeper.join().unwrap();
    }
}
