//! A lock that two cores fight for, taken in longer turns.
//!
//! When each of two workers takes the same lock every hundred nanoseconds, the lock and all that is
//! under it travel between their caches each time, which costs several times the work done under
//! it. A worker that finds the lock taken therefore stays away for a while, longer each time,
//! without looking: the other works on with everything in its cache, and gets as much done as both
//! would. This is the back-off of T. Anderson, "The Performance of Spin Lock Alternatives for
//! Shared-Memory Multiprocessors", 1990. After a few microseconds it ends in the lock's own
//! waiting, in case the holder does not run.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::loom::sync::{Mutex, MutexGuard};
use crate::util::poison::{unpoisoned, unpoisoned_if_free};
use crate::util::spin::spin_until;

/// Long against the work under the lock, short against the sleep of a thread. With about an eighth
/// of it, two workers that fought for a semaphore needed a fifth more.
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
    // A pause takes no time in loom; it would only add orders of the same events.
    while pause <= LONGEST_PAUSE && cfg!(not(all(test, loom))) {
        spin_until(Instant::now() + pause);
        if let Some(guard) = unpoisoned_if_free(mutex.try_lock()) {
            return guard;
        }
        pause *= 2;
    }
    unpoisoned(mutex.lock())
}
