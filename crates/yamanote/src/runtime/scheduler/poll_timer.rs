//! How long polls take.
//!
//! To read the clock at both ends of each poll would cost half as much as the shortest polls
//! themselves. So by default [`RUN`] polls of each [`PERIOD`] are timed, and the end of one is the
//! start of the next. What a worker does between two polls counts with the second. Where something
//! longer comes between (a turn of the driver, a sleep), the next poll needs a start of its own;
//! only one in [`ALONE`] of such is timed then, so that the clock is read no more often.
#![forbid(unsafe_code)]

use std::time::Instant;

use super::histogram::Histogram;
use crate::sys::ticks::{Reading, calibrate};

const PERIOD: u32 = 256;
const RUN: u32 = 16;
const ALONE: u32 = 4;

/// Which polls a runtime measures; see
/// [`Builder::poll_times`](crate::runtime::Builder::poll_times).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PollTimes {
    /// None.
    Off,
    /// About one in sixteen. The default: the clock is read so seldom that it costs next to
    /// nothing.
    #[default]
    Sampled,
    /// Each, at some ten to twenty nanoseconds a poll.
    Each,
}

/// A worker's stopwatch. It travels with the core.
#[derive(Clone)]
pub(crate) struct PollTimer {
    /// Whether any poll is timed.
    is_used: bool,
    /// A poll is timed if its tick, masked with the first, is the second.
    pattern: (u32, u32),
    /// The same for one that comes after something longer than a poll.
    alone: (u32, u32),
    /// Since when the present poll runs, if it is timed.
    since: Option<Reading>,
}

impl PollTimer {
    pub(crate) fn new(which: PollTimes) -> PollTimer {
        let (pattern, alone) = match which {
            PollTimes::Off => ((0, 1), (0, 1)),
            PollTimes::Sampled => ((PERIOD - RUN, 0), (PERIOD - RUN + ALONE - 1, 0)),
            PollTimes::Each => ((0, 0), (0, 0)),
        };
        let timer = PollTimer {
            is_used: which != PollTimes::Off,
            pattern,
            alone,
            since: None,
        };
        timer.adjust(Instant::now());
        timer
    }

    /// To be called now and then, with the present time: the clock learns how fast it goes. The
    /// first call takes long.
    pub(crate) fn adjust(&self, now: Instant) {
        if self.is_used {
            calibrate(now);
        }
    }

    /// A poll is about to begin, the worker's `tick`th.
    #[inline]
    pub(crate) fn begin(&mut self, tick: u32) {
        if tick & self.alone.0 == self.alone.1 && self.since.is_none() {
            self.since = Some(Reading::now());
        }
    }

    /// Whether that poll is timed: then [`end`](Self::end) it.
    #[inline]
    pub(crate) fn is_running(&self) -> bool {
        self.since.is_some()
    }

    /// Something begins that is longer than a poll, and none.
    #[inline]
    pub(crate) fn pause(&mut self) {
        self.since = None;
    }

    /// The poll is over.
    #[cold]
    pub(crate) fn end(&mut self, tick: u32, times: Option<&Histogram>) {
        let now = Reading::now();
        let (mask, wanted) = self.pattern;
        let goes_on = tick.wrapping_add(1) & mask == wanted;
        let since = std::mem::replace(&mut self.since, goes_on.then_some(now));
        let ns = since.and_then(|since| now.ns_since(since));
        if let (Some(ns), Some(times)) = (ns, times) {
            times.record(ns);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::histogram::Log;
    use super::*;
    use std::sync::Arc;

    /// How many of 2^16 polls are timed, if the worker does something else after each `run`.
    fn timed(which: PollTimes, run: u32) -> u64 {
        let (mut timer, times) = (
            PollTimer::new(which),
            Histogram::new(Arc::new(Log::default())),
        );
        for tick in 0..1 << 16 {
            timer.begin(tick);
            if timer.is_running() {
                timer.end(tick, Some(&times));
            }
            if tick % run == run - 1 {
                timer.pause();
            }
        }
        (0..times.buckets()).map(|bucket| times.count(bucket)).sum()
    }

    #[test]
    fn polls_are_timed_as_often_as_was_asked() {
        for run in [1, 2, 61, 1000] {
            assert_eq!(timed(PollTimes::Off, run), 0);
            assert_eq!(timed(PollTimes::Each, run), 1 << 16);
        }
        assert_eq!(timed(PollTimes::Sampled, 1 << 16), 1 << 12);
        assert_eq!(timed(PollTimes::Sampled, 1), 1 << 10);
    }
}
