//! Durations, counted in buckets.
#![forbid(unsafe_code)]

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::util::counter::Counter;
use crate::util::nanos::as_ns;

/// Where buckets begin. Values are nanoseconds. The first bucket begins at 0, each ends where the
/// next begins, and the last has no end.
pub(crate) trait Layout: fmt::Debug + Send + Sync {
    /// How many there are, at least one.
    fn buckets(&self) -> usize;

    /// The bucket in which `ns` is.
    fn bucket_of(&self, ns: u64) -> usize;

    /// Where a bucket begins.
    fn start_of(&self, bucket: usize) -> u64;
}

/// Buckets that grow with what they count, so that each is at most so many percent wide.
///
/// A value is told by its highest bit and the `precision` bits behind it (an H2 histogram). Bucket
/// `i` of the whole row holds the value `i` as long as that has no more bits than these; above,
/// `2^precision` buckets of equal width follow for each power of two. What is below the smallest
/// value of interest shares the first bucket, what is above the largest the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Log {
    precision: u32,
    /// Buckets of the whole row that share the first bucket, without the last of them.
    skipped: usize,
    buckets: usize,
}

impl Log {
    pub(crate) const MIN: Duration = Duration::from_nanos(100);
    pub(crate) const MAX: Duration = Duration::from_secs(60);
    /// Buckets are a quarter of their values wide.
    pub(crate) const PRECISION: u32 = 2;

    /// Tells durations from `min` to `max`.
    pub(crate) fn new(precision: u32, min: Duration, max: Duration) -> Log {
        // The first bucket ends where that of the least value begins.
        let skipped = bucket_in_row(as_ns(min), precision).max(1) - 1;
        let last_told = bucket_in_row(as_ns(max).saturating_sub(1), precision);
        Log {
            precision,
            skipped,
            buckets: last_told.saturating_sub(skipped) + 2,
        }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log::new(Log::PRECISION, Log::MIN, Log::MAX)
    }
}

impl Layout for Log {
    fn buckets(&self) -> usize {
        self.buckets
    }

    fn bucket_of(&self, ns: u64) -> usize {
        let bucket = bucket_in_row(ns, self.precision).saturating_sub(self.skipped);
        bucket.min(self.buckets - 1)
    }

    fn start_of(&self, bucket: usize) -> u64 {
        match bucket {
            0 => 0,
            _ => start_in_row(bucket + self.skipped, self.precision),
        }
    }
}

/// The bucket of the whole row in which `ns` is.
fn bucket_in_row(ns: u64, precision: u32) -> usize {
    let group = ns.checked_ilog2().unwrap_or(0).saturating_sub(precision);
    ((group as usize) << precision) + (ns >> group) as usize
}

/// The least value in a bucket of the whole row.
fn start_in_row(bucket: usize, precision: u32) -> u64 {
    let group = (bucket >> precision).saturating_sub(1);
    ((bucket - (group << precision)) as u64) << group
}

/// Counts what one worker records. It is the only writer.
#[derive(Debug)]
pub(crate) struct Histogram {
    layout: Arc<dyn Layout>,
    counts: Box<[Counter]>,
    sum_ns: Counter,
}

impl Histogram {
    pub(crate) fn new(layout: Arc<dyn Layout>) -> Histogram {
        Histogram {
            counts: (0..layout.buckets()).map(|_| Counter::new()).collect(),
            sum_ns: Counter::new(),
            layout,
        }
    }

    pub(crate) fn record(&self, ns: u64) {
        self.counts[self.layout.bucket_of(ns)].add(1);
        self.sum_ns.add(ns);
    }

    pub(crate) fn buckets(&self) -> usize {
        self.counts.len()
    }

    /// What a bucket counts.
    ///
    /// # Panics
    ///
    /// When there is no bucket of this number.
    #[track_caller]
    pub(crate) fn range(&self, bucket: usize) -> Range<u64> {
        let buckets = self.buckets();
        assert!(
            bucket < buckets,
            "bucket {bucket} of a histogram with {buckets}"
        );
        let end = match bucket + 1 == buckets {
            true => u64::MAX,
            false => self.layout.start_of(bucket + 1),
        };
        self.layout.start_of(bucket)..end
    }

    /// # Panics
    ///
    /// When there is no bucket of this number.
    #[track_caller]
    pub(crate) fn count(&self, bucket: usize) -> u64 {
        self.counts[bucket].get()
    }

    pub(crate) fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns.get())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Every value has one bucket, and the ranges say which.
    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for precision in 0..=10 {
            for (min, max) in [
                (0, 1),
                (1, 2),
                (100, 60_000_000_000),
                (5_000, 9_999),
                (1_000, 7),
            ] {
                let (min, max) = (Duration::from_nanos(min), Duration::from_nanos(max));
                let log = Log::new(precision, min, max);
                let histogram = Histogram::new(Arc::new(log));
                let mut end = 0;
                for bucket in 0..histogram.buckets() {
                    let range = histogram.range(bucket);
                    assert!(
                        range.start == end && range.start < range.end,
                        "{log:?} {bucket}"
                    );
                    assert_eq!(log.bucket_of(range.start), bucket, "{log:?}");
                    assert_eq!(log.bucket_of(range.end - 1), bucket, "{log:?}");
                    end = range.end;
                }
                assert_eq!(end, u64::MAX);
                // What is of interest is told.
                assert!(histogram.range(0).end <= as_ns(min).max(1));
                if min < max {
                    assert!(histogram.range(histogram.buckets() - 1).start >= as_ns(max));
                }
            }
        }
    }

    /// Between the least and the greatest value no bucket is wider than it should be.
    #[test]
    fn the_error_is_a_quarter() {
        let histogram = Histogram::new(Arc::new(Log::default()));
        assert_eq!(histogram.buckets(), 119);
        for bucket in 1..histogram.buckets() - 1 {
            let range = histogram.range(bucket);
            assert!((range.end - range.start) * 4 <= range.start, "{range:?}");
        }
    }

    #[test]
    fn what_is_recorded_is_found() {
        let histogram = Histogram::new(Arc::new(Log::default()));
        for ns in [0, 99, 1_000, 1_000_000, u64::MAX / 2] {
            histogram.record(ns);
        }
        let counts = (0..histogram.buckets()).map(|bucket| histogram.count(bucket));
        assert_eq!(counts.sum::<u64>(), 5);
        assert_eq!(histogram.count(histogram.buckets() - 1), 1);
        assert_eq!(
            histogram.sum(),
            Duration::from_nanos(u64::MAX / 2 + 1_001_099)
        );
    }
}
