//! What of it is unstable in Tokio, under its names.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use super::{Builder, LegacySettings};
use crate::runtime::metrics::configuration::{
    Doubling, HistogramConfiguration, HistogramScale, Linear,
};
use crate::runtime::scheduler::histogram::Layout;
use crate::runtime::scheduler::poll_timer::PollTimes;
use crate::util::nanos::as_ns;

impl Builder {
    /// Counts how long each poll of a task takes, in a histogram for each worker. Off by default;
    /// it reads the clock once or twice a poll.
    ///
    /// [`poll_times`](Self::poll_times) is the same under a stable name.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_multi_thread()
    ///     .enable_metrics_poll_time_histogram()
    ///     .build()
    ///     .unwrap();
    /// assert!(rt.metrics().poll_time_histogram_enabled());
    /// ```
    pub fn enable_metrics_poll_time_histogram(&mut self) -> &mut Self {
        let layout = &mut self.poll_time_histogram.layout;
        layout.get_or_insert_with(|| Arc::new(Linear::default()));
        self.poll_times(PollTimes::Each)
    }

    /// How poll times are counted. By default there are ten buckets, each 100 µs wide.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use yamanote::runtime::{Builder, HistogramConfiguration, LogHistogram};
    ///
    /// let rt = Builder::new_multi_thread()
    ///     .enable_metrics_poll_time_histogram()
    ///     .metrics_poll_time_histogram_configuration(HistogramConfiguration::log(
    ///         LogHistogram::builder().max_error(0.1).max_value(Duration::from_secs(1)),
    ///     ))
    ///     .build()
    ///     .unwrap();
    /// # drop(rt);
    /// ```
    pub fn metrics_poll_time_histogram_configuration(
        &mut self,
        configuration: HistogramConfiguration,
    ) -> &mut Self {
        self.poll_time_histogram.layout = Some(configuration.layout);
        self
    }

    /// The old name of
    /// [`enable_metrics_poll_time_histogram`](Self::enable_metrics_poll_time_histogram).
    #[deprecated = "renamed to enable_metrics_poll_time_histogram"]
    #[doc(hidden)]
    pub fn enable_metrics_poll_count_histogram(&mut self) -> &mut Self {
        self.enable_metrics_poll_time_histogram()
    }

    /// Whether buckets are equally wide or become wider.
    #[deprecated = "use metrics_poll_time_histogram_configuration"]
    pub fn metrics_poll_count_histogram_scale(&mut self, scale: HistogramScale) -> &mut Self {
        self.legacy().is_doubling = scale == HistogramScale::Log;
        self
    }

    /// The width of the first bucket. 100 µs by default; of a logarithmic histogram the next power
    /// of two nanoseconds.
    ///
    /// # Panics
    ///
    /// When `resolution` is zero or longer than a second.
    #[deprecated = "use metrics_poll_time_histogram_configuration"]
    #[track_caller]
    pub fn metrics_poll_count_histogram_resolution(&mut self, resolution: Duration) -> &mut Self {
        assert!(
            !resolution.is_zero() && resolution <= Duration::from_secs(1),
            "the resolution of a histogram is between a nanosecond and a second"
        );
        self.legacy().resolution_ns = Some(as_ns(resolution));
        self
    }

    /// How many buckets there are. Ten by default.
    #[deprecated = "use metrics_poll_time_histogram_configuration"]
    pub fn metrics_poll_count_histogram_buckets(&mut self, buckets: usize) -> &mut Self {
        self.legacy().buckets = Some(buckets);
        self
    }

    fn legacy(&mut self) -> &mut LegacySettings {
        let legacy = &mut self.poll_time_histogram.legacy;
        legacy.make = Some(layout);
        legacy
    }
}

fn layout(width_ns: Option<u64>, is_doubling: bool, buckets: Option<usize>) -> Arc<dyn Layout> {
    let width_ns = width_ns.unwrap_or(Linear::WIDTH_NS);
    let buckets = buckets.unwrap_or(Linear::BUCKETS);
    match is_doubling {
        true => Arc::new(Doubling::new(width_ns, buckets)),
        false => Arc::new(Linear::new(width_ns, buckets)),
    }
}
