//! How long tasks wait from the moment at which they become runnable until they are polled.
//!
//! It costs a look at the clock at each end, so it is measured only if the program asks, and it can
//! ask only in a build that is made for it.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::histogram::Histogram;
use crate::runtime::task::{LocalNotified, Notified};
use crate::unstable::SCHEDULE_LATENCY;
use crate::util::nanos::as_ns;

/// The clock of one scheduler.
pub(crate) struct LatencyClock {
    start: Option<Instant>,
}

impl LatencyClock {
    pub(crate) fn new(is_asked_for: bool) -> LatencyClock {
        LatencyClock {
            start: is_asked_for.then(Instant::now),
        }
    }

    #[inline]
    fn start(&self) -> Option<Instant> {
        self.start.filter(|_| SCHEDULE_LATENCY)
    }

    /// The task becomes runnable.
    #[inline]
    pub(crate) fn stamp<S>(&self, task: &Notified<S>) {
        if let Some(start) = self.start() {
            task.stamp(as_ns(start.elapsed()).max(1));
        }
    }

    /// The task is about to be polled: how long it has waited.
    #[inline]
    pub(crate) fn measure<'a, S>(
        &self,
        task: &LocalNotified<S>,
        waits: impl FnOnce() -> Option<&'a Histogram>,
    ) -> Option<Duration> {
        let waited = self.start()?.elapsed();
        let waited = waited.saturating_sub(Duration::from_nanos(task.stamped()?));
        if let Some(waits) = waits() {
            waits.record(as_ns(waited));
        }
        Some(waited)
    }
}
