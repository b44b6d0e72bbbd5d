//! A lock that two cores fight for, taken in longer turns.
//!
//! When each of two workers takes the same lock every hundred nanoseconds, the lock and all that is
//! under it travel between their caches at each turn, which costs several times what is done under
//! it. Who finds the lock taken therefore stays away for a while, longer each time, without looking:
//! the other works on with everything in its cache, and gets as much done as both would. This is the
//! back-off of T. Anderson, "The Performance of Spin Lock Alternatives for Shared-Memory
//! Multiprocessors", 1990. After a few microseconds it ends in the lock's own waiting, for a holder
//! that does not run.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::loom::sync::{Mutex, MutexGuard};
use crate::util::poison::{unpoisoned, unpoisoned_if_free};
use crate::util::spin::spin_until;

/// Long against a turn, short against the sleep of a thread. With about an eighth of it a fight of two
/// workers for a semaphore cost a fifth more.
const FIRST_PAUSE: Duration = Duration::from_nanos(1000);
const LONGEST_PAUSE: Duration = Duration::from_nanos(4000);

/// Locks `mutex`.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match unpoisoned_if_free(mutex.try_lock()) {
        Some(guard) => guard,
        None => stay_away(mutex),
    }
}

#[cold]
fn stay_away<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    let mut pause = FIRST_PAUSE;
    // To loom a pause is no time, only more orders of the same.
    while pause <= LONGEST_PAUSE && cfg!(not(all(test, loom))) {
        spin_until(Instant::now() + pause);
        if let Some(guard) = unpoisoned_if_free(mutex.try_lock()) {
            return guard;
        }
        pause *= 2;
    }
    unpoisoned(mutex.lock())
}
