//! Which polls are timed, and how their times are counted.
#![forbid(unsafe_code)]

unstable! { mod unstable; }

use std::sync::Arc;

use super::Builder;
use crate::runtime::scheduler::histogram::{Layout, Log};
use crate::runtime::scheduler::poll_timer::PollTimes;

/// How the histogram is to be, as far as the program says.
#[derive(Clone, Default)]
pub(super) struct HistogramSettings {
    layout: Option<Arc<dyn Layout>>,
    /// What Tokio's older names set, which goes first.
    legacy: LegacySettings,
}

/// From the width of the first bucket, whether the widths double, and the number of buckets.
type MakeLegacy = fn(Option<u64>, bool, Option<usize>) -> Arc<dyn Layout>;

#[derive(Clone, Default)]
struct LegacySettings {
    make: Option<MakeLegacy>,
    resolution_ns: Option<u64>,
    is_doubling: bool,
    buckets: Option<usize>,
}

impl HistogramSettings {
    pub(super) fn layout(&self) -> Arc<dyn Layout> {
        let legacy = &self.legacy;
        match (legacy.make, &self.layout) {
            (Some(make), _) => make(legacy.resolution_ns, legacy.is_doubling, legacy.buckets),
            (None, Some(layout)) => layout.clone(),
            (None, None) => Arc::new(Log::default()),
        }
    }
}

impl Builder {
    /// Which polls of tasks are timed, for
    /// [`Worker::poll_times`](crate::insight::Worker::poll_times). By default
    /// ([`Sampled`](PollTimes::Sampled)) about one in sixteen, fewer where a worker has but one
    /// task to poll at a time; that is enough to see what is usual, and costs next to nothing. A
    /// rare long poll may be missed: [`Each`](PollTimes::Each) misses none, at ten to twenty
    /// nanoseconds a poll.
    ///
    /// The time of a poll includes what the worker does between it and the one before, some tens of
    /// nanoseconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::insight::PollTimes;
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_current_thread().poll_times(PollTimes::Each).build().unwrap();
    /// rt.block_on(async { yamanote::spawn(async {}).await.unwrap() });
    /// assert_eq!(rt.metrics().insight().workers[0].poll_times.count(), 1);
    /// ```
    pub fn poll_times(&mut self, which: PollTimes) -> &mut Self {
        self.poll_times = which;
        self
    }
}
