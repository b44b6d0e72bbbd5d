//! Ticking with a period: `interval`, `interval_at`, and what happens after a missed tick.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Instant;
use super::instant::clamp;
use super::timer::Timer;
use crate::util::spans::{self, Resource, resource};

/// A tick that is late by no more than this is not missed: the schedule goes on as if it had been
/// in time. Tokio's number.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Ticks every `period`, for the first time at once.
///
/// The time spent between two calls of [`tick`](Interval::tick) counts, so the rate stays constant
/// where a loop around [`sleep`](super::sleep) would slow down. An interval goes on forever; drop
/// it to stop.
///
/// # Panics
///
/// If `period` is zero, if there is no current runtime, or if its timers are not enabled
/// ([`Builder::enable_time`](crate::runtime::Builder::enable_time)).
///
/// # Examples
///
/// ```
/// use yamanote::time::{self, Duration};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut interval = time::interval(Duration::from_millis(10));
///
/// let first = interval.tick().await; // ticks at once
/// interval.tick().await; // ticks after 10 ms
/// let third = interval.tick().await; // ticks after 10 ms
/// assert_eq!(third - first, Duration::from_millis(20));
/// # }
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, for the first time at `start`.
///
/// Otherwise as [`interval`].
///
/// # Panics
///
/// If `period` is zero, if there is no current runtime, or if its timers are not enabled
/// ([`Builder::enable_time`](crate::runtime::Builder::enable_time)).
///
/// # Examples
///
/// ```
/// use yamanote::time::{Duration, Instant, interval_at};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let start = Instant::now() + Duration::from_millis(5);
/// let mut interval = interval_at(start, Duration::from_millis(1));
/// assert_eq!(interval.tick().await, start);
/// assert_eq!(interval.tick().await, start + Duration::from_millis(1));
/// # }
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "`period` must be non-zero.");
    Interval {
        timer: Timer::new(start),
        period: clamp(period),
        missed_tick_behavior: MissedTickBehavior::default(),
        resource: resource!(
            "tokio::time::interval",
            Location::caller(),
            concrete_type = "Interval",
            kind = "timer",
        ),
    }
}

/// What an [`Interval`] does after a tick was asked for too late: more than 5 ms after it was due.
///
/// With a period of 50 ms, and the task busy from the first tick until 120 ms, the second tick
/// comes at 120 ms, and then:
///
/// | | scheduled for 50 | third | fourth | fifth |
/// |---|---|---|---|---|
/// | `Burst` | at 120 | at once (for 100) | 150 | 200 |
/// | `Delay` | at 120 | 170 | 220 | 270 |
/// | `Skip` | at 120 | 150 | 200 | 250 |
///
/// # Examples
///
/// ```
/// use yamanote::time::{self, Duration, MissedTickBehavior};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut interval = time::interval(Duration::from_millis(5));
/// interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
/// for _ in 0..3 {
///     interval.tick().await;
///     // Work that may take longer than the period.
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedTickBehavior {
    /// Ticks as fast as they are asked for until none is missing: the number of ticks is kept.
    #[default]
    Burst,

    /// Begins a new schedule at the late tick: two ticks are never closer than the period.
    Delay,

    /// Leaves out what was missed: ticks stay multiples of the period after the first.
    Skip,
}

impl MissedTickBehavior {
    /// When the tick is due that follows the one due at `due`, which came at `now`.
    fn next(self, due: Instant, now: Instant, period: Duration) -> Instant {
        match self {
            MissedTickBehavior::Burst => due + period,
            MissedTickBehavior::Delay => now + period,
            MissedTickBehavior::Skip => {
                // Both are below 2^64: a period is clamped to 30 years, and the remainder is less.
                let into_period = (now - due).as_nanos() % period.as_nanos();
                let into_period = u64::try_from(into_period).unwrap_or(u64::MAX);
                now + (period - Duration::from_nanos(into_period))
            }
        }
    }
}

/// Ticks with a fixed period. Made by [`interval`] and [`interval_at`].
///
/// For a stream of ticks, wrap it with `tokio_stream`'s `IntervalStream`.
pub struct Interval {
    timer: Timer,
    period: Duration,
    missed_tick_behavior: MissedTickBehavior,
    resource: Resource,
}

impl Interval {
    /// Waits for the next tick and returns when it was due.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped before it completed, no tick is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::time::{self, Duration};
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut interval = time::interval(Duration::from_millis(10));
    /// let first = interval.tick().await;
    /// let second = interval.tick().await;
    /// assert_eq!(second - first, Duration::from_millis(10));
    /// # }
    /// ```
    pub async fn tick(&mut self) -> Instant {
        let resource = self.resource.clone();
        let tick = poll_fn(|cx| self.poll_tick(cx));
        spans::async_op(&resource, "Interval::tick", "poll_tick", false, || tick).await
    }

    /// Polls for the next tick; ready with the instant it was due.
    ///
    /// While it is pending, the task of the last poll is woken at the tick.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.timer).poll(cx));

        let due = self.timer.deadline();
        let now = Instant::now();
        let next = if now > due + TOLERANCE {
            self.missed_tick_behavior.next(due, now, self.period)
        } else {
            due + self.period
        };
        self.timer.restart(next);
        Poll::Ready(due)
    }

    /// Lets the next tick be due one period from now.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::time::{self, Duration, Instant};
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut interval = time::interval(Duration::from_millis(10));
    /// interval.tick().await;
    /// time::sleep(Duration::from_millis(5)).await;
    /// interval.reset();
    /// let before = Instant::now();
    /// interval.tick().await;
    /// assert!(before.elapsed() >= Duration::from_millis(9));
    /// # }
    /// ```
    pub fn reset(&mut self) {
        self.timer.reset(Instant::now() + self.period);
    }

    /// Lets the next tick be due now.
    pub fn reset_immediately(&mut self) {
        self.timer.reset(Instant::now());
    }

    /// Lets the next tick be due `after` from now, and the others in periods from there.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use yamanote::time::{self, Instant};
    ///
    /// # #[yamanote::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let mut interval = time::interval(Duration::from_secs(10));
    /// interval.tick().await;
    /// let now = Instant::now();
    /// interval.reset_after(Duration::from_secs(1));
    /// interval.tick().await;
    /// assert_eq!(now.elapsed(), Duration::from_secs(1));
    /// interval.tick().await;
    /// assert_eq!(now.elapsed(), Duration::from_secs(11));
    /// # }
    /// ```
    pub fn reset_after(&mut self, after: Duration) {
        self.timer.reset(Instant::after(after));
    }

    /// Lets the next tick be due at `deadline`, and the others in periods from there.
    ///
    /// A `deadline` that has passed ticks at once.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.timer.reset(deadline);
    }

    /// What it does after a missed tick.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed_tick_behavior
    }

    /// Says what it does after a missed tick; [`Burst`](MissedTickBehavior::Burst) until then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use yamanote::time::{self, Instant, MissedTickBehavior};
    ///
    /// # #[yamanote::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let mut interval = time::interval(Duration::from_secs(10));
    /// interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    /// interval.tick().await;
    /// time::sleep(Duration::from_secs(25)).await; // two are missed
    /// interval.tick().await;
    /// let last = Instant::now();
    /// interval.tick().await;
    /// assert_eq!(last.elapsed(), Duration::from_secs(10));
    /// # }
    /// ```
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed_tick_behavior = behavior;
    }

    /// The time from tick to tick.
    pub fn period(&self) -> Duration {
        self.period
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("next", &self.timer.deadline())
            .field("period", &self.period)
            .field("missed_tick_behavior", &self.missed_tick_behavior)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_missed_ticks() {
        let ms = Duration::from_millis;
        let start = Instant::now();
        let after = |behavior: MissedTickBehavior, due: u64, now: u64| {
            behavior.next(start + ms(due), start + ms(now), ms(50)) - start
        };
        use MissedTickBehavior::{Burst, Delay, Skip};
        assert_eq!(after(Burst, 50, 120), ms(100));
        assert_eq!(after(Delay, 50, 120), ms(170));
        assert_eq!(after(Skip, 50, 120), ms(150));
        // Exactly on a later tick: that one is taken by this poll, the next is a period away.
        assert_eq!(after(Skip, 50, 150), ms(200));
    }

    #[test]
    fn skip_survives_the_longest_periods() {
        let start = Instant::now();
        let period = clamp(Duration::MAX);
        let late = start + Duration::from_secs(10);
        let next = MissedTickBehavior::Skip.next(start, late, period);
        assert_eq!(next - start, period);
    }
}
