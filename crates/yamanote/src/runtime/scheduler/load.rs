//! How busy a worker has been: what the metrics say of each.
//!
//! Time is busy unless the worker is parked (or, on a current-thread runtime, nobody drives it). It
//! is added up when the worker parks and now and then in between, so that the number also moves for
//! a worker that never parks.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::util::counter::Counter;

/// One worker's account. Written by the thread that is the worker, read by anybody: numbers that
/// nothing else depends on. When another thread becomes the worker, a
/// lock hands the account over.
pub(crate) struct Load {
    zero: Instant,
    /// Busy time is accounted for up to here; nanoseconds after `zero`.
    accounted_ns: Counter,
    busy_ns: Counter,
    parks: Counter,
    parks_and_unparks: Counter,
    noop_parks: Counter,
    /// Polls of the worker when it last was going to sleep.
    polls_before: Counter,
}

impl Load {
    /// For a worker that is busy from now on.
    pub(crate) fn new() -> Self {
        Load {
            zero: Instant::now(),
            accounted_ns: Counter::new(),
            busy_ns: Counter::new(),
            parks: Counter::new(),
            parks_and_unparks: Counter::new(),
            noop_parks: Counter::new(),
            polls_before: Counter::new(),
        }
    }

    /// The worker, which has made so many polls, is going to sleep. If it has slept before and
    /// found nothing to do in between, it stays parked, and that is counted alone.
    pub(crate) fn park(&self, polls: u64) {
        if self.polls_before.get() == polls {
            self.noop_parks.add(1);
        }
        self.polls_before.set(polls);
        if self.is_parked() {
            return;
        }
        self.account(Instant::now());
        self.parks.add(1);
        self.parks_and_unparks.add(1);
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
        self.parks_and_unparks.add(1);
    }

    /// The worker has been busy until `now`.
    pub(crate) fn account(&self, now: Instant) {
        let now_ns = self.ns(now);
        let since_ns = self.accounted_ns.get();
        self.busy_ns.add(now_ns.saturating_sub(since_ns));
        self.accounted_ns.set(now_ns);
    }

    /// The worker has been busy for so long, beside what is accounted for otherwise.
    pub(crate) fn add_busy(&self, ns: u64) {
        self.busy_ns.add(ns);
    }

    /// The worker has been idle until `now`.
    pub(crate) fn resume(&self, now: Instant) {
        self.accounted_ns.set(self.ns(now));
    }

    pub(crate) fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy_ns.get())
    }

    pub(crate) fn parks(&self) -> u64 {
        self.parks.get()
    }

    pub(crate) fn parks_and_unparks(&self) -> u64 {
        self.parks_and_unparks.get()
    }

    /// How often it went to sleep without having polled a task since the last time.
    pub(crate) fn noop_parks(&self) -> u64 {
        self.noop_parks.get()
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.parks_and_unparks() % 2 == 1
    }

    fn ns(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.zero).as_nanos() as u64
    }
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
        load.add_busy(1_000_000);
        assert_eq!(load.busy(), Duration::from_millis(7));
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
