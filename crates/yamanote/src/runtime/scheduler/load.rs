//! How busy a worker has been: what the metrics say of each.
//!
//! Time is busy unless the worker is parked (or, on a current-thread runtime, nobody drives it). It
//! is added up when the worker parks and now and then in between, so that the number also moves for
//! a worker that never parks.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// One worker's account. Written by the thread that is the worker, read by anybody: numbers that
/// nothing else depends on, hence Relaxed throughout. When another thread becomes the worker, a
/// lock hands the account over.
pub(crate) struct Load {
    zero: Instant,
    /// Busy time is accounted for up to here; nanoseconds after `zero`.
    accounted_ns: AtomicU64,
    busy_ns: AtomicU64,
    parks: AtomicU64,
    parks_and_unparks: AtomicU64,
    noop_parks: AtomicU64,
    /// Polls of the worker when it last was going to sleep.
    polls_before: AtomicU64,
}

impl Load {
    /// For a worker that is busy from now on.
    pub(crate) fn new() -> Self {
        Load {
            zero: Instant::now(),
            accounted_ns: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
            parks: AtomicU64::new(0),
            parks_and_unparks: AtomicU64::new(0),
            noop_parks: AtomicU64::new(0),
            polls_before: AtomicU64::new(0),
        }
    }

    /// The worker, which has made so many polls, is going to sleep. If it has slept before and
    /// found nothing to do in between, it stays parked, and that is counted alone.
    pub(crate) fn park(&self, polls: u64) {
        if self.polls_before.load(Relaxed) == polls {
            add(&self.noop_parks, 1);
        }
        self.polls_before.store(polls, Relaxed);
        if self.is_parked() {
            return;
        }
        self.account(Instant::now());
        add(&self.parks, 1);
        add(&self.parks_and_unparks, 1);
    }

    /// The worker has something to do, perhaps after having slept.
    pub(crate) fn unpark(&self) {
        if self.is_parked() {
            self.unpark_at(Instant::now());
        }
    }

    /// The worker has slept until `now`.
    pub(crate) fn unpark_at(&self, now: Instant) {
        self.resume(now);
        add(&self.parks_and_unparks, 1);
    }

    /// The worker has been busy until `now`.
    pub(crate) fn account(&self, now: Instant) {
        let now_ns = self.ns(now);
        let since_ns = self.accounted_ns.load(Relaxed);
        add(&self.busy_ns, now_ns.saturating_sub(since_ns));
        self.accounted_ns.store(now_ns, Relaxed);
    }

    /// The worker has been idle until `now`.
    pub(crate) fn resume(&self, now: Instant) {
        self.accounted_ns.store(self.ns(now), Relaxed);
    }

    pub(crate) fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy_ns.load(Relaxed))
    }

    pub(crate) fn parks(&self) -> u64 {
        self.parks.load(Relaxed)
    }

    pub(crate) fn parks_and_unparks(&self) -> u64 {
        self.parks_and_unparks.load(Relaxed)
    }

    /// How often it went to sleep without having polled a task since the last time.
    pub(crate) fn noop_parks(&self) -> u64 {
        self.noop_parks.load(Relaxed)
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.parks_and_unparks() % 2 == 1
    }

    fn ns(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.zero).as_nanos() as u64
    }
}

/// There is one writer at a time, so no read-modify-write is needed.
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(amount), Relaxed);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Sleep does not count; everything else does.
    #[test]
    fn only_time_awake_is_busy() {
        let load = Load::new();
        let after = |ms| load.zero + Duration::from_millis(ms);
        load.account(after(3));
        load.account(after(5));
        assert_eq!(load.busy(), Duration::from_millis(5));
        load.resume(after(100));
        load.account(after(101));
        assert_eq!(load.busy(), Duration::from_millis(6));
    }

    /// An odd number means that the worker sleeps.
    #[test]
    fn parks_are_counted_alone_and_with_their_ends() {
        let load = Load::new();
        load.unpark();
        assert_eq!((load.parks(), load.parks_and_unparks()), (0, 0));
        for _ in 0..3 {
            load.park(7);
            assert_eq!((load.parks(), load.parks_and_unparks()), (1, 1));
        }
        load.unpark();
        assert_eq!((load.parks(), load.parks_and_unparks()), (1, 2));
        assert_eq!(load.noop_parks(), 2);
    }
}
