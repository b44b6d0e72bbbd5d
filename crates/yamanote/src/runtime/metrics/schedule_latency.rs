//! How long tasks wait to be run; unstable in Tokio.
#![forbid(unsafe_code)]

use std::ops::Range;
use std::time::Duration;

use super::RuntimeMetrics;
use crate::runtime::scheduler::histogram::Histogram;

impl RuntimeMetrics {
    /// Whether it is counted how long tasks wait to be run: after
    /// [`enable_metrics_schedule_latency_histogram`][e].
    ///
    /// [e]: crate::runtime::Builder::enable_metrics_schedule_latency_histogram
    pub fn schedule_latency_histogram_enabled(&self) -> bool {
        self.latencies(0).is_some()
    }

    /// How many buckets the histogram has; 0 if it is not enabled.
    pub fn schedule_latency_histogram_num_buckets(&self) -> usize {
        self.latencies(0).map_or(0, Histogram::buckets)
    }

    /// The waits that are counted in this bucket; an empty range if the histogram is not enabled.
    ///
    /// # Panics
    ///
    /// When there is no bucket of this number.
    #[track_caller]
    pub fn schedule_latency_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        self.latencies(0).map_or_else(Range::default, |waits| {
            let range = waits.range(bucket);
            Duration::from_nanos(range.start)..Duration::from_nanos(range.end)
        })
    }

    /// How many waits of tasks that the worker ran are counted in this bucket; 0 if the histogram
    /// is not enabled.
    ///
    /// # Panics
    ///
    /// When `worker` is not below [`num_workers`](Self::num_workers), or there is no bucket of this
    /// number.
    #[track_caller]
    pub fn schedule_latency_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        self.latencies(worker)
            .map_or(0, |waits| waits.count(bucket))
    }

    #[track_caller]
    fn latencies(&self, worker: usize) -> Option<&Histogram> {
        self.handle.scheduler.meter(worker).latencies.as_ref()
    }
}
