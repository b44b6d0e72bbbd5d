//! A small pseudo-random generator for fairness decisions (which worker to steal from, which branch
//! of `select!` to poll first). Not for secrets.
//!
//! Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::sync::Mutex;

use super::poison::unpoisoned;

/// Xorshift64* state; never zero.
#[derive(Debug, Clone)]
pub(crate) struct FastRand {
    state: u64,
}

impl FastRand {
    pub(crate) fn new(seed: u64) -> Self {
        // Zero is the one state xorshift never leaves.
        FastRand {
            state: seed | (u64::from(seed == 0)),
        }
    }

    pub(crate) fn next_u32(&mut self) -> u32 {
        let mut x = self.state;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.state = x;
        (x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    /// A number in `0..n`, by Lemire's multiplication; its bias is below 2^-32 * n.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(n)) >> 32) as u32
    }
}

/// A seed that differs between calls and between processes.
pub(crate) fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

thread_local! {
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// A series of seeds for the threads that enter one runtime, each with the next.
pub(crate) struct Seeds(Mutex<FastRand>);

impl Seeds {
    pub(crate) fn new(seed: u64) -> Self {
        Seeds(Mutex::new(FastRand::new(seed)))
    }

    /// This thread goes on from the next seed until the guard is dropped, and then from where it
    /// was.
    pub(crate) fn enter(&self) -> Seeded {
        let mut series = unpoisoned(self.0.lock());
        let seed = u64::from(series.next_u32()) << 32 | u64::from(series.next_u32());
        Seeded {
            before: THREAD.replace(FastRand::new(seed).state),
        }
    }
}

pub(crate) struct Seeded {
    before: u64,
}

impl Drop for Seeded {
    fn drop(&mut self) {
        THREAD.set(self.before);
    }
}

/// A number in `0..n` from this thread's own generator.
pub(crate) fn thread_below(n: u32) -> u32 {
    THREAD
        .try_with(|cell| {
            let mut rng = FastRand::new(match cell.get() {
                0 => fresh_seed(),
                state => state,
            });
            let value = rng.below(n);
            cell.set(rng.state);
            value
        })
        .unwrap_or(0)
}
