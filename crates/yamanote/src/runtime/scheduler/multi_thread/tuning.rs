//! How often a busy worker asks the injection queue before its own.
//!
//! What waits in the injection queue should wait for about [`WAIT_NS`], whether polls are short or
//! long; asking more often than that would only cost. So the worker measures how long a poll takes:
//! it reads the clock once per look at the driver, and an average that moves slowly says how many
//! polls fit.
#![forbid(unsafe_code)]

use std::time::Instant;

/// Short against what a person or a network notices, long against a poll.
const WAIT_NS: f32 = 200_000.0;

/// A poll of this length costs more than a system call or two.
const LONG_POLL_NS: f32 = 20_000.0;

/// Often enough that a burst of long polls after short ones makes no task wait for seconds, and not
/// so often that a worker does nothing else.
pub(super) const MIN_INTERVAL: u32 = 2;
const MAX_INTERVAL: u32 = 127;

/// The share of the newest lap in the average.
const WEIGHT: f32 = 0.25;

pub(super) struct Tuning {
    interval: u32,
    mean_poll_ns: f32,
    /// When the lap began and at which tick. `None` after a sleep, which is no poll.
    lap: Option<(Instant, u32)>,
}

impl Tuning {
    pub(super) fn new() -> Self {
        let mut tuning = Tuning {
            interval: 0,
            // Until there is a measurement.
            mean_poll_ns: WAIT_NS / 31.0,
            lap: None,
        };
        tuning.tune();
        tuning
    }

    /// Polls between two looks at the injection queue.
    pub(super) fn interval(&self) -> u32 {
        self.interval
    }

    /// How long a poll takes on average; a guess before the first measurement.
    pub(super) fn mean_poll_ns(&self) -> u64 {
        self.mean_poll_ns as u64
    }

    /// Whether something may be looked at after each poll.
    pub(super) fn has_long_polls(&self) -> bool {
        self.mean_poll_ns >= LONG_POLL_NS
    }

    /// Ends a lap of polls, and begins the next. Returns how long its polls took on average, in
    /// nanoseconds.
    pub(super) fn lap(&mut self, now: Instant, tick: u32) -> Option<f32> {
        let (since, from) = self.lap.replace((now, tick))?;
        let polls = tick.wrapping_sub(from);
        if polls == 0 {
            return None;
        }
        let poll_ns = now.duration_since(since).as_nanos() as f32 / polls as f32;
        self.mean_poll_ns += WEIGHT * (poll_ns - self.mean_poll_ns);
        self.tune();
        Some(poll_ns)
    }

    /// The worker goes to sleep.
    pub(super) fn rest(&mut self) {
        self.lap = None;
    }

    fn tune(&mut self) {
        let polls = WAIT_NS / self.mean_poll_ns.max(1.0);
        self.interval = (polls as u32).clamp(MIN_INTERVAL, MAX_INTERVAL);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    fn after_laps_of(poll: Duration) -> u32 {
        let mut tuning = Tuning::new();
        let mut now = Instant::now();
        for lap in 0..40 {
            tuning.lap(now, lap * 61);
            now += poll * 61;
        }
        tuning.interval()
    }

    #[test]
    fn long_polls_ask_often_and_short_polls_seldom() {
        assert_eq!(after_laps_of(Duration::from_millis(5)), MIN_INTERVAL);
        assert!((3..=4).contains(&after_laps_of(Duration::from_micros(50))));
        assert_eq!(after_laps_of(Duration::from_nanos(50)), MAX_INTERVAL);
    }

    #[test]
    fn a_sleep_is_no_poll() {
        let mut tuning = Tuning::new();
        let now = Instant::now();
        tuning.lap(now, 0);
        tuning.rest();
        tuning.lap(now + Duration::from_secs(60), 1);
        assert_eq!(tuning.interval(), Tuning::new().interval());
    }
}
