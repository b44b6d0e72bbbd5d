//! The lists of living biased tasks, for the thread that is near: no lock, no atomic
//! read-modify-write.
//!
//! Tasks spawned far wait in the locked lists of [`super::owned`], and are **taken in** before
//! anything is done near; so each list has the order in which its tasks were spawned, as far as
//! there is one.

use super::list::{List, Population};
use crate::loom::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub(super) struct NearLists {
    /// One for each locked list, closed like that. Rule 7 says who may touch them.
    lists: UnsafeCell<Box<[List]>>,
    /// The tasks that were spawned near, and those that are in the lists. Written near.
    pub(super) population: Population,
    /// How many tasks are in the locked lists. Relaxed: a task that is near has been in the
    /// injection queue before, and that queue's lock hands this on, too.
    arrivals: AtomicUsize,
}

// SAFETY: `with` and `take_in` alone touch the lists, near.
unsafe impl Sync for NearLists {}

impl NearLists {
    pub(super) fn new(count: usize) -> NearLists {
        NearLists {
            lists: UnsafeCell::new((0..count).map(|_| List::new()).collect()),
            population: Population::new(),
            arrivals: AtomicUsize::new(0),
        }
    }

    /// A task was put into a locked list, whose lock is held.
    pub(super) fn note_arrival(&self) {
        self.arrivals.fetch_add(1, Relaxed);
    }

    pub(super) fn has_arrivals(&self) -> bool {
        self.arrivals.load(Relaxed) != 0
    }

    /// Calls `f` with a list.
    ///
    /// # Safety
    ///
    /// This thread is near, and `f` calls nothing that may come here.
    pub(super) unsafe fn with<R>(&self, index: usize, f: impl FnOnce(&mut List) -> R) -> R {
        self.lists.with_mut(|lists| {
            // SAFETY: rule 7, and the caller's promise.
            f(unsafe { &mut (&mut *lists)[index] })
        })
    }

    /// Takes in the tasks of a locked list.
    ///
    /// # Safety
    ///
    /// As [`with`](Self::with).
    pub(super) unsafe fn take_in(&self, index: usize, arrivals: &mut List) {
        self.arrivals.fetch_sub(arrivals.length, Relaxed);
        self.population.alive.add(arrivals.length as u64);
        // SAFETY: passed on.
        unsafe { self.with(index, |list| list.take_in(arrivals)) };
    }
}
