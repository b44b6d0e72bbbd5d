//! A point in time, on a clock that tests can stop.
#![forbid(unsafe_code)]

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use crate::runtime::context;
use crate::runtime::driver::time::clock;

/// Stands for "never" where a deadline would overflow: about 30 years. Nobody waits longer, and no
/// clock overflows by it.
const NEVER: Duration = Duration::from_secs(86_400 * 365 * 30);

/// A measurement of a monotonic clock, made of a [`std::time::Instant`].
///
/// It differs from that in two ways. [`now`](Self::now) is the time of the current runtime, whose
/// clock [`pause`](super::pause) can stop. And where `std` reserves a panic for the difference of
/// instants in the wrong order, this returns zero.
///
/// # Examples
///
/// ```
/// use yamanote::time::{Duration, Instant, sleep};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let start = Instant::now();
/// sleep(Duration::from_millis(2)).await;
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// # }
/// ```
#[derive(Clone, Copy, Eq, PartialEq, PartialOrd, Ord, Hash)]
pub struct Instant {
    std: std::time::Instant,
}

impl Instant {
    /// The time now.
    pub fn now() -> Instant {
        if !clock::any_clock_was_frozen() {
            return std::time::Instant::now().into();
        }
        context::with_current(|handle| handle.driver_handle().clock().now())
            .unwrap_or_else(|_| std::time::Instant::now())
            .into()
    }

    /// Makes an instant of `std`'s.
    pub fn from_std(std: std::time::Instant) -> Instant {
        Instant { std }
    }

    /// The instant `duration` from now, or one that is never reached in practice.
    pub(super) fn after(duration: Duration) -> Instant {
        Instant::now() + clamp(duration)
    }

    /// Makes `std`'s instant of this one.
    pub fn into_std(self) -> std::time::Instant {
        self.std
    }

    /// The time from `earlier` to this, or zero if `earlier` is later.
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.std.saturating_duration_since(earlier.std)
    }

    /// The time from `earlier` to this, or `None` if `earlier` is later.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::time::{Duration, Instant};
    ///
    /// let now = Instant::now();
    /// let later = now + Duration::from_secs(1);
    /// assert_eq!(later.checked_duration_since(now), Some(Duration::from_secs(1)));
    /// assert_eq!(now.checked_duration_since(later), None);
    /// ```
    pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
        self.std.checked_duration_since(earlier.std)
    }

    /// The time from `earlier` to this, or zero if `earlier` is later.
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.std.saturating_duration_since(earlier.std)
    }

    /// The time from this to now, or zero if this is in the future.
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(*self)
    }

    /// This and `duration`, or `None` if that cannot be represented.
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.std.checked_add(duration).map(Instant::from_std)
    }

    /// This less `duration`, or `None` if that cannot be represented.
    pub fn checked_sub(&self, duration: Duration) -> Option<Instant> {
        self.std.checked_sub(duration).map(Instant::from_std)
    }
}

/// A duration, or 30 years if it is longer.
pub(super) fn clamp(duration: Duration) -> Duration {
    duration.min(NEVER)
}

impl From<std::time::Instant> for Instant {
    fn from(std: std::time::Instant) -> Instant {
        Instant::from_std(std)
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> std::time::Instant {
        instant.into_std()
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        (self.std + duration).into()
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        self.std += duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        (self.std - duration).into()
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        self.std -= duration;
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}
