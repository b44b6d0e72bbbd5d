//! How histograms can be asked for; unstable in Tokio.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::runtime::scheduler::histogram::{Layout, Log};
use crate::util::nanos::as_ns;

const MAX_PRECISION: u32 = 10;

/// How a histogram counts durations; for
/// [`metrics_poll_time_histogram_configuration`][c] of the builder.
///
/// [c]: crate::runtime::Builder::metrics_poll_time_histogram_configuration
#[derive(Debug, Clone)]
pub struct HistogramConfiguration {
    pub(crate) layout: Arc<dyn Layout>,
}

// A layout is not changed once it is made.
impl std::panic::UnwindSafe for HistogramConfiguration {}
impl std::panic::RefUnwindSafe for HistogramConfiguration {}

impl HistogramConfiguration {
    /// Buckets of equal width. The last has no end.
    ///
    /// # Panics
    ///
    /// When the width is zero, or there is no bucket.
    #[track_caller]
    pub fn linear(bucket_width: Duration, num_buckets: usize) -> Self {
        HistogramConfiguration {
            layout: Arc::new(Linear::new(as_ns(bucket_width), num_buckets)),
        }
    }

    /// Buckets that become wider with what they count.
    pub fn log(configuration: impl Into<LogHistogram>) -> Self {
        HistogramConfiguration {
            layout: Arc::new(configuration.into().0),
        }
    }
}

/// How the buckets of a histogram grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistogramScale {
    /// All are equally wide.
    Linear,
    /// Each is twice as wide as the one before.
    Log,
}

/// A histogram whose buckets become wider with the values they count, so that the error is at most
/// a share of the value. By default its first bucket ends at 100 ns or a little before, its last
/// begins at a minute or a little after, and the error is at most a quarter: 119 buckets.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use yamanote::runtime::LogHistogram;
///
/// let histogram = LogHistogram::builder()
///     .min_value(Duration::from_micros(1))
///     .max_value(Duration::from_secs(1))
///     .max_error(0.1)
///     .max_buckets(400)
///     .unwrap();
/// assert!(histogram.max_value() >= 1_000_000_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogHistogram(Log);

impl LogHistogram {
    /// What a histogram can be asked for.
    pub fn builder() -> LogHistogramBuilder {
        LogHistogramBuilder::default()
    }

    /// Where the last bucket begins, in nanoseconds.
    pub fn max_value(&self) -> u64 {
        self.0.start_of(self.0.buckets() - 1)
    }
}

/// Makes a [`LogHistogram`].
#[derive(Debug, Clone, Copy, Default)]
pub struct LogHistogramBuilder {
    min: Option<Duration>,
    max: Option<Duration>,
    precision: Option<u32>,
}

impl LogHistogramBuilder {
    /// The largest error, as a share of the value: above 0, below 1. It becomes a power of two, a
    /// quarter at most and about a thousandth at least. A quarter by default.
    ///
    /// # Panics
    ///
    /// When `max_error` is not between 0 and 1.
    #[track_caller]
    pub fn max_error(mut self, max_error: f64) -> Self {
        assert!(max_error > 0.0, "max_error must be greater than 0");
        assert!(max_error < 1.0, "max_error must be less than 1");
        let error_of = |precision: u32| 0.5_f64.powi(precision as i32);
        let precision =
            (Log::PRECISION..MAX_PRECISION).find(|precision| error_of(*precision) <= max_error);
        self.precision = Some(precision.unwrap_or(MAX_PRECISION));
        self
    }

    /// How many bits of a value count beside the highest: the error is `2^-p`. With 0 each bucket
    /// is twice as wide as the one before.
    ///
    /// # Panics
    ///
    /// When `p` is above 10.
    #[track_caller]
    pub fn precision_exact(mut self, p: u32) -> Self {
        assert!(p <= MAX_PRECISION, "precision must be <= {MAX_PRECISION}");
        self.precision = Some(p);
        self
    }

    /// The least duration that is told from shorter ones. 100 ns by default.
    pub fn min_value(mut self, duration: Duration) -> Self {
        self.min = Some(duration);
        self
    }

    /// The greatest duration that is told from longer ones. A minute by default.
    ///
    /// # Panics
    ///
    /// When `duration` is zero.
    #[track_caller]
    pub fn max_value(mut self, duration: Duration) -> Self {
        assert!(!duration.is_zero(), "max value must be greater than 0");
        self.max = Some(duration);
        self
    }

    /// The histogram, if it has no more than `max_buckets`.
    ///
    /// # Errors
    ///
    /// When it would have more: ask for a larger error, or for less between the least and the
    /// greatest value.
    pub fn max_buckets(
        &mut self,
        max_buckets: usize,
    ) -> Result<LogHistogram, InvalidHistogramConfiguration> {
        let histogram = self.build();
        let required_bucket_count = histogram.0.buckets();
        match required_bucket_count <= max_buckets {
            true => Ok(histogram),
            false => Err(InvalidHistogramConfiguration::TooManyBuckets {
                required_bucket_count,
            }),
        }
    }

    /// The histogram, however many buckets that takes.
    pub fn build(&self) -> LogHistogram {
        LogHistogram(Log::new(
            self.precision.unwrap_or(Log::PRECISION),
            self.min.unwrap_or(Log::MIN),
            self.max.unwrap_or(Log::MAX),
        ))
    }
}

impl From<LogHistogramBuilder> for LogHistogram {
    fn from(builder: LogHistogramBuilder) -> Self {
        builder.build()
    }
}

/// Why a histogram cannot be had.
#[derive(Debug)]
pub enum InvalidHistogramConfiguration {
    /// It would have more buckets than were allowed.
    TooManyBuckets {
        /// As many as this.
        required_bucket_count: usize,
    },
}

impl fmt::Display for InvalidHistogramConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InvalidHistogramConfiguration::TooManyBuckets {
            required_bucket_count,
        } = self;
        write!(
            f,
            "the histogram would have {required_bucket_count} buckets: allow a larger error, or \
             less between its least and its greatest value"
        )
    }
}

impl Error for InvalidHistogramConfiguration {}

/// Buckets of equal width.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linear {
    width: u64,
    buckets: usize,
}

impl Linear {
    /// What is not said otherwise is counted in ten buckets of 100 µs, as in Tokio.
    pub(crate) const WIDTH_NS: u64 = 100_000;
    pub(crate) const BUCKETS: usize = 10;

    #[track_caller]
    pub(crate) fn new(width: u64, buckets: usize) -> Linear {
        assert!(width > 0, "a bucket of a histogram has a width");
        assert!(buckets > 0, "a histogram has a bucket");
        Linear { width, buckets }
    }
}

impl Default for Linear {
    fn default() -> Linear {
        Linear::new(Linear::WIDTH_NS, Linear::BUCKETS)
    }
}

impl Layout for Linear {
    fn buckets(&self) -> usize {
        self.buckets
    }

    fn bucket_of(&self, ns: u64) -> usize {
        ((ns / self.width) as usize).min(self.buckets - 1)
    }

    fn start_of(&self, bucket: usize) -> u64 {
        self.width.saturating_mul(bucket as u64)
    }
}

/// Buckets each of which is as wide as all before it together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doubling {
    /// The width of the first, as a power of two.
    first_log: u32,
    buckets: usize,
}

impl Doubling {
    /// The first bucket is as wide as the next power of two.
    #[track_caller]
    pub(crate) fn new(first: u64, buckets: usize) -> Doubling {
        assert!(buckets > 0, "a histogram has a bucket");
        Doubling {
            first_log: first.next_power_of_two().ilog2(),
            buckets,
        }
    }
}

impl Layout for Doubling {
    fn buckets(&self) -> usize {
        self.buckets
    }

    fn bucket_of(&self, ns: u64) -> usize {
        let bits = (ns >> self.first_log).checked_ilog2();
        bits.map_or(0, |bits| bits as usize + 1)
            .min(self.buckets - 1)
    }

    fn start_of(&self, bucket: usize) -> u64 {
        match bucket {
            0 => 0,
            _ => u32::try_from(bucket - 1)
                .ok()
                .and_then(|more| 1_u64.checked_shl(self.first_log + more))
                .unwrap_or(u64::MAX),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::runtime::scheduler::histogram::Histogram;

    #[test]
    fn every_value_has_the_bucket_whose_range_it_is_in() {
        let layouts: [Arc<dyn Layout>; 5] = [
            Arc::new(Linear::new(7, 1)),
            Arc::new(Linear::new(50_000, 3)),
            Arc::new(Doubling::new(1, 10)),
            Arc::new(Doubling::new(50_000, 20)),
            HistogramConfiguration::log(LogHistogram::builder().max_error(0.01)).layout,
        ];
        for layout in layouts {
            let histogram = Histogram::new(layout.clone());
            for bucket in 0..histogram.buckets() {
                let range = histogram.range(bucket);
                assert_eq!(layout.bucket_of(range.start), bucket, "{layout:?}");
                assert_eq!(layout.bucket_of(range.end - 1), bucket, "{layout:?}");
            }
        }
    }

    #[test]
    fn what_takes_too_many_buckets_is_refused() {
        let mut builder = LogHistogram::builder();
        assert_eq!(builder.max_buckets(119).unwrap(), LogHistogram::default());
        let error = builder.max_buckets(118).unwrap_err();
        assert!(error.to_string().contains("119 buckets"), "{error}");
    }
}
