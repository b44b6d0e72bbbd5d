//! Durations as numbers.
#![forbid(unsafe_code)]

use std::time::Duration;

/// Nanoseconds, as many as there is room for: five centuries.
pub(crate) fn as_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
