//! How far one side of a pipe has come, and the waker of the other side if it waits for a move.
//!
//! One atomic word holds the position in bytes and three flags; beside it there is a place for a
//! waker:
//!
//! ```text
//! | position modulo 2^61 | CLOSED | TAKING | PARKED |      | place |
//! ```
//!
//! * The side whose position it is, the *mover*, adds to it. Nobody else does.
//! * The other side, the *waiter*, reads it, and parks here when it has to wait for the next move.
//! * Either may close it, once and forever.
//!
//! Since a move and the question whether somebody is parked are one operation on one word, and so
//! are the question whether there was a move and parking, no wake-up is lost and no fence is
//! needed: the two operations have an order.
//!
//! Whose the place is:
//!
//! | PARKED | TAKING | place | belongs to                                                   |
//! |--------|--------|-------|--------------------------------------------------------------|
//! | 0      | 0      | any   | the waiter, which parks by putting a waker in, then `PARKED` |
//! | 1      | 0      | full  | the side that clears `PARKED`: the waiter, or by setting `TAKING` |
//! | 0      | 1      | any   | the side that set `TAKING`, until it clears it               |
//!
//! A waiter that finds `TAKING` set after it has seen all moves cannot park now, and does not wait
//! for the two instructions until it is cleared: it wakes itself.
//!
//! # Memory ordering
//!
//! The promise: what the mover did before a move (or before closing) is seen by the waiter that
//! sees the move. The Release of every step that moves or closes pairs with the Acquire of
//! [`load`](Signal::load) and [`park`](Signal::park).
//!
//! The place: the Release that sets `PARKED` in `park` pairs with the Acquire that sets `TAKING` in
//! [`take`](Signal::take); the Release that clears `TAKING` pairs with the Acquire in `park`,
//! before the place is written again.

use std::panic::RefUnwindSafe;
use std::task::Waker;

use crate::loom::cell::UnsafeCell;
use crate::loom::hint;
use crate::loom::sync::atomic::{AtomicU64, Ordering};

const PARKED: u64 = 1;
const TAKING: u64 = 2;
const CLOSED: u64 = 4;
const FLAGS: u64 = PARKED | TAKING | CLOSED;
const FLAG_BITS: u32 = FLAGS.count_ones();

/// A number of bytes since the pipe was made, modulo 2^61.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position(u64);

impl Position {
    pub(super) const START: Position = Position(0);

    pub(super) fn plus(self, bytes: usize) -> Position {
        Position(self.0.wrapping_add((bytes as u64) << FLAG_BITS))
    }

    /// Bytes from `earlier` to here.
    pub(super) fn since(self, earlier: Position) -> usize {
        // Positions that are compared are never 2^60 apart, see `MAX_CAPACITY`.
        (self.0.wrapping_sub(earlier.0) >> FLAG_BITS) as usize
    }

    /// Where this byte is in a ring of `len` bytes, a power of two.
    pub(super) fn index(self, len: usize) -> usize {
        (self.0 >> FLAG_BITS) as usize & (len - 1)
    }

    /// To be kept in another atomic.
    pub(super) fn to_bits(self) -> u64 {
        self.0
    }

    pub(super) fn from_bits(bits: u64) -> Position {
        debug_assert_eq!(bits & FLAGS, 0);
        Position(bits)
    }
}

/// What [`Signal::park`] did.
#[must_use = "a waiter that was not parked has to look again"]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Park {
    /// The waker will be woken by the next move, or by the end.
    Parked,
    /// There was a move, or the end.
    Moved,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Signal {
    word: AtomicU64,
    place: UnsafeCell<Option<Waker>>,
}

// SAFETY: the place, which is Send, is touched only by the side it belongs to, see the table above.
// This holds for one mover and one waiter; the types that contain a signal have one of each, by
// `&mut`.
unsafe impl Sync for Signal {}
// A panicking waker leaves the word and the place in one of the states of the table.
impl RefUnwindSafe for Signal {}

impl Signal {
    pub(super) fn new() -> Self {
        Signal {
            word: AtomicU64::new(Position::START.0),
            place: UnsafeCell::new(None),
        }
    }

    /// The position, and whether it is the last one.
    pub(super) fn load(&self) -> (Position, bool) {
        // Acquire: pairs with `advance`, `take` and `close`.
        let word = self.word.load(Ordering::Acquire);
        (Position(word & !FLAGS), word & CLOSED != 0)
    }

    /// Whether somebody closed it, where nothing else is read that was done before that.
    pub(super) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// The mover has done `bytes` more. Returns the waiter to wake.
    #[must_use = "the waiter has to be woken"]
    pub(super) fn advance(&self, bytes: usize) -> Option<Waker> {
        let step = (bytes as u64) << FLAG_BITS;
        if self.word.load(Ordering::Relaxed) & PARKED != 0 {
            return self.take(step);
        }
        // Release: pairs with the Acquire in `load` and `park`.
        let before = self.word.fetch_add(step, Ordering::Release);
        if before & PARKED != 0 {
            // Parked between the two looks.
            return self.take(0);
        }
        None
    }

    /// Says that this was the last move. Returns the waiter to wake.
    #[must_use = "the waiter has to be woken"]
    pub(super) fn close(&self) -> Option<Waker> {
        // Release: pairs with the Acquire in `load` and `park`.
        self.word.fetch_or(CLOSED, Ordering::Release);
        self.take(0)
    }

    /// The waiter does not wait any more. Returns its waker, which is not to be woken.
    pub(super) fn unwait(&self) -> Option<Waker> {
        self.take(0)
    }

    /// Moves on by `step`, and takes the waiter out of its place if it is parked.
    fn take(&self, step: u64) -> Option<Waker> {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & PARKED != 0 {
            let taking = (word - PARKED).wrapping_add(step) | TAKING;
            // Release: for the step, as in `advance`. Acquire: the waker in the place; pairs with
            // `park`.
            let moved =
                self.word
                    .compare_exchange_weak(word, taking, Ordering::AcqRel, Ordering::Relaxed);
            match moved {
                Ok(_) => {
                    let waker = self.place.with_mut(|place| {
                        // SAFETY: this side has set TAKING, so the place belongs to it. Nobody else
                        // has, as PARKED is never set while TAKING is.
                        unsafe { (*place).take() }
                    });
                    // Release: the place is empty; pairs with the Acquire in `park`.
                    self.word.fetch_and(!TAKING, Ordering::Release);
                    return waker;
                }
                Err(now) => word = now,
            }
        }
        if step != 0 {
            // The waiter has taken itself out. Release: as in `advance`.
            let before = self.word.fetch_add(step, Ordering::Release);
            if before & PARKED != 0 {
                return self.take(0);
            }
        }
        None
    }

    /// Parks the waiter, unless the position is not `seen` any more, or the last one.
    pub(super) fn park(&self, seen: Position, waker: &Waker) -> Park {
        // Acquire, here and below: pairs with `advance`, `take` and `close`.
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & !(PARKED | TAKING) != seen.0 {
                return Park::Moved;
            }
            if word & TAKING != 0 {
                hint::spin_loop();
                waker.wake_by_ref();
                return Park::Parked;
            }
            if word & PARKED == 0 {
                break;
            }
            // Polled again without having been woken: take itself out, to look into the place.
            let unparked = self.word.compare_exchange_weak(
                word,
                word - PARKED,
                Ordering::Acquire,
                Ordering::Acquire,
            );
            match unparked {
                Ok(_) => word -= PARKED,
                Err(now) => word = now,
            }
        }
        let same = self.place.with(|place| {
            // SAFETY: neither flag is set, and only the waiter sets PARKED: the place belongs to
            // it. The mover's last access to it happened before it cleared TAKING, which the load
            // of `word` has acquired.
            let old = unsafe { (*place).as_ref() };
            old.is_some_and(|old| old.will_wake(waker))
        });
        // Cloned before and dropped after it is parked: both run code of the waker's author.
        let replaced = if same {
            None
        } else {
            let new = waker.clone();
            self.place.with_mut(|place| {
                // SAFETY: as above.
                unsafe { (*place).replace(new) }
            })
        };
        // Release: the waker in the place; pairs with the Acquire in `take`.
        let parked =
            self.word
                .compare_exchange(word, word | PARKED, Ordering::Release, Ordering::Relaxed);
        if parked.is_err() {
            let unneeded = self.place.with_mut(|place| {
                // SAFETY: as above; PARKED was not set, so the place is still the waiter's.
                unsafe { (*place).take() }
            });
            drop(unneeded);
            return Park::Moved;
        }
        drop(replaced);
        Park::Parked
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn positions_wrap() {
        let late = Position::from_bits(0u64.wrapping_sub(3 << FLAG_BITS));
        assert_eq!(late.plus(5).since(late), 5);
        assert_eq!(late.plus(5).index(8), 2);
        assert_eq!(late.index(8), 5);
    }

    #[test]
    fn parking_is_refused_after_a_move_or_the_end() {
        let signal = Signal::new();
        let (seen, closed) = signal.load();
        assert!(!closed);
        assert_eq!(signal.park(seen, Waker::noop()), Park::Parked);
        assert_eq!(signal.park(seen, Waker::noop()), Park::Parked);
        assert!(signal.advance(1).is_some());
        assert!(signal.advance(1).is_none());
        assert_eq!(signal.park(seen, Waker::noop()), Park::Moved);
        assert_eq!(signal.load(), (seen.plus(2), false));
        assert_eq!(signal.park(seen.plus(2), Waker::noop()), Park::Parked);
        assert!(signal.close().is_some());
        assert!(signal.close().is_none());
        assert_eq!(signal.park(seen.plus(2), Waker::noop()), Park::Moved);
        assert_eq!(signal.load(), (seen.plus(2), true));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::loom::sync::Arc;
    use crate::loom::thread;
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// The waiter changes its waker while the mover moves: the last one is woken, or not parked.
    #[test]
    fn loom_spsc_other_waker() {
        ::loom::model(|| {
            let signal = Arc::new(Signal::new());
            let mover = {
                let signal = Arc::clone(&signal);
                thread::spawn(move || signal.advance(1).map(Waker::wake))
            };
            let (seen, _) = signal.load();
            let mut last = None;
            for _ in 0..2 {
                let woken = std::sync::Arc::<Woken>::default();
                let parked = signal.park(seen, &Waker::from(woken.clone()));
                last = (parked == Park::Parked).then_some(woken);
            }
            mover.join().unwrap();
            if let Some(woken) = last {
                assert!(woken.0.load(Ordering::SeqCst));
            }
        });
    }

    /// Both sides go at once: the waiter's waker is taken by one of them, or left with nobody to
    /// see it.
    #[test]
    fn loom_spsc_both_go() {
        ::loom::model(|| {
            let signal = Arc::new(Signal::new());
            let (seen, _) = signal.load();
            assert_eq!(signal.park(seen, Waker::noop()), Park::Parked);
            let mover = {
                let signal = Arc::clone(&signal);
                thread::spawn(move || signal.close().is_some())
            };
            let by_waiter = signal.unwait().is_some();
            let by_mover = mover.join().unwrap();
            assert!(by_waiter != by_mover);
        });
    }
}
