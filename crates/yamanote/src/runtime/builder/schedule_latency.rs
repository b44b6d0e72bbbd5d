//! Whether to measure how long tasks wait to be run; unstable in Tokio.
#![forbid(unsafe_code)]

use std::sync::Arc;

use super::Builder;
use crate::runtime::HistogramConfiguration;
use crate::runtime::metrics::configuration::Linear;

impl Builder {
    /// Measures how long each task waits from the moment at which it becomes runnable until it is
    /// polled, for [`TaskMeta::schedule_latency`](crate::runtime::TaskMeta::schedule_latency). Off
    /// by default: it reads the clock twice a poll.
    pub fn track_task_schedule_latency(&mut self) -> &mut Self {
        self.tracks_latency = true;
        self
    }

    /// As [`track_task_schedule_latency`](Self::track_task_schedule_latency), and counts the waits
    /// in a histogram for each worker.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_multi_thread()
    ///     .enable_metrics_schedule_latency_histogram()
    ///     .build()
    ///     .unwrap();
    /// assert!(rt.metrics().schedule_latency_histogram_enabled());
    /// ```
    pub fn enable_metrics_schedule_latency_histogram(&mut self) -> &mut Self {
        let layout = &mut self.latency_layout;
        layout.get_or_insert_with(|| Arc::new(Linear::default()));
        self.counts_latency = true;
        self.track_task_schedule_latency()
    }

    /// How the waits are counted. By default there are ten buckets, each 100 µs wide.
    pub fn metrics_schedule_latency_histogram_configuration(
        &mut self,
        configuration: HistogramConfiguration,
    ) -> &mut Self {
        self.latency_layout = Some(configuration.layout);
        self
    }
}
