//! How far one side of a pipe has come, and who wants to be told when it goes on.
//!
//! One atomic word holds the position in bytes and two flags:
//!
//! ```text
//! | position modulo 2^62 | CLOSED | PARKED |
//! ```
//!
//! * The side whose position it is, the *mover*, adds to it. Nobody else does.
//! * The other side, the *waiter*, reads it, and parks here when it has to wait for the next move.
//! * Either may close it, once and for ever.
//!
//! Since a move and the question whether somebody is parked are one operation on one word, and so are
//! the question whether there was a move and parking, no wake-up is lost and no fence is needed: the
//! two operations have an order. `PARKED` changes only under the lock of the waker slot, and while
//! nobody holds the lock it says whether the slot is full. So the mover takes the lock only to wake,
//! the waiter only to park.
//!
//! # Memory ordering
//!
//! The promise: what the mover did before a move (or before closing) is seen by the waiter that sees
//! the move. The Release of [`advance`](Signal::advance) and [`close`](Signal::close) pairs with the
//! Acquire of [`load`](Signal::load) and of [`park`](Signal::park), where it fails. The flag `PARKED`
//! itself carries no data (the lock orders the slot), so setting and reading it is Relaxed.
#![forbid(unsafe_code)]

use std::sync::PoisonError;
use std::task::Waker;

use crate::loom::sync::atomic::{AtomicU64, Ordering};
use crate::loom::sync::{Mutex, MutexGuard};

const PARKED: u64 = 1;
const CLOSED: u64 = 2;
const FLAGS: u64 = PARKED | CLOSED;
const FLAG_BITS: u32 = FLAGS.count_ones();

/// A number of bytes since the pipe was made, modulo 2^62.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position(u64);

impl Position {
    pub(super) const START: Position = Position(0);

    pub(super) fn plus(self, bytes: usize) -> Position {
        Position(self.0.wrapping_add((bytes as u64) << FLAG_BITS))
    }

    /// Bytes from `earlier` to here.
    pub(super) fn since(self, earlier: Position) -> usize {
        // Positions that are compared are never 2^61 apart, see `MAX_CAPACITY`.
        (self.0.wrapping_sub(earlier.0) >> FLAG_BITS) as usize
    }

    /// Where this byte is in a ring of `len` bytes, a power of two.
    pub(super) fn index(self, len: usize) -> usize {
        (self.0 >> FLAG_BITS) as usize & (len - 1)
    }

    /// For the keeping in an atomic of its own.
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
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    pub(super) fn new() -> Self {
        Signal {
            word: AtomicU64::new(Position::START.0),
            waker: Mutex::new(None),
        }
    }

    /// The position, and whether it is the last one.
    pub(super) fn load(&self) -> (Position, bool) {
        // Acquire: pairs with `advance` and `close`.
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
            return self.unpark(step);
        }
        // Release: pairs with the Acquire in `load` and `park`.
        let before = self.word.fetch_add(step, Ordering::Release);
        if before & PARKED != 0 {
            // Parked between the two looks.
            return self.unpark(0);
        }
        None
    }

    /// Says that this was the last move. Returns the waiter to wake.
    #[must_use = "the waiter has to be woken"]
    pub(super) fn close(&self) -> Option<Waker> {
        // Release: pairs with the Acquire in `load` and `park`.
        let before = self.word.fetch_or(CLOSED, Ordering::Release);
        if before & PARKED != 0 {
            return self.unpark(0);
        }
        None
    }

    /// The waiter does not wait any more. Returns its waker, which is not to be woken.
    pub(super) fn unwait(&self) -> Option<Waker> {
        if self.word.load(Ordering::Relaxed) & PARKED != 0 {
            return self.unpark(0);
        }
        None
    }

    /// Takes the waiter out of its slot, and moves on by `step` in the same operation.
    #[cold]
    fn unpark(&self, step: u64) -> Option<Waker> {
        let mut slot = self.lock();
        let parked = self.word.load(Ordering::Relaxed) & PARKED;
        // Release: as in `advance`. The subtraction cannot borrow: the bit is set, and stays so under
        // the lock.
        self.word
            .fetch_add(step.wrapping_sub(parked), Ordering::Release);
        slot.take()
    }

    /// Parks the waiter, unless the position is not `seen` any more, or the last one.
    pub(super) fn park(&self, seen: Position, waker: &Waker) -> Park {
        // Acquire, here and below: pairs with `advance` and `close`.
        let word = self.word.load(Ordering::Acquire);
        if word & !PARKED != seen.0 {
            return Park::Moved;
        }
        if word & PARKED != 0 {
            // Polled again without having been woken; most often by the same task.
            let slot = self.lock();
            if slot.as_ref().is_some_and(|parked| parked.will_wake(waker)) {
                return Park::Parked;
            }
        }
        // Cloned before and dropped after the lock is held: both run code of the waker's author.
        let waker = waker.clone();
        let replaced;
        {
            let mut slot = self.lock();
            let mut word = self.word.load(Ordering::Acquire);
            loop {
                if word & !PARKED != seen.0 {
                    drop(slot);
                    return Park::Moved;
                }
                match self.word.compare_exchange_weak(
                    word,
                    word | PARKED,
                    Ordering::Relaxed,
                    Ordering::Acquire,
                ) {
                    Ok(_) => break,
                    Err(now) => word = now,
                }
            }
            replaced = slot.replace(waker);
        }
        drop(replaced);
        Park::Parked
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        // Nothing under this lock can panic.
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
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
