//! Whether a call made its thread wait.
//!
//! The kernel does not say so, but the clock does: a call that does not wait takes microseconds.
//! One that took longer has waited, or its thread was preempted. The thread's counts of context
//! switches tell the two apart, if they were read before the call as well. Reading them costs a
//! fifth of a small read, so a reading also serves the calls of the next microseconds.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::sys::switches::{self, Switches};

/// How long a reading of the counts is good for. A thread that sleeps in this time and is then
/// preempted in the middle of a call looks as if it had waited in the call.
const FRESH: Duration = Duration::from_micros(50);

/// A thread that was on the processor all this time must have waited: it spun for a lock whose
/// owner ran. A shorter time may be a virtual machine that stood still.
const SPUN: Duration = Duration::from_millis(20);

/// Where the time went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The call took no longer than it may.
    Quick,
    /// It took longer, but perhaps through no fault of its own.
    Unclear,
    /// It waited.
    Waited,
}

thread_local! {
    /// The last reading of this thread's counts, and its time.
    static LAST: Cell<Option<(Instant, Switches)>> = const { Cell::new(None) };
}

/// Times `call`, which may take `limit`.
pub(super) fn measure<T>(limit: Duration, call: impl FnOnce() -> T) -> (T, Verdict) {
    let began = Instant::now();
    let before = match LAST.get() {
        Some((at, counts)) if began.duration_since(at) < FRESH => Some(counts),
        _ => read(began),
    };
    let answer = call();
    let took = began.elapsed();
    let verdict = match took <= limit {
        true => Verdict::Quick,
        false => judge(took, before),
    };
    (answer, verdict)
}

/// Reads the counts; `None` if a sandbox denies it.
fn read(now: Instant) -> Option<Switches> {
    let counts = switches::of_this_thread().ok();
    LAST.set(counts.map(|counts| (now, counts)));
    counts
}

#[cold]
fn judge(took: Duration, before: Option<Switches>) -> Verdict {
    let after = read(Instant::now());
    judge_counts(took, before.zip(after))
}

fn judge_counts(took: Duration, counts: Option<(Switches, Switches)>) -> Verdict {
    if let Some((before, after)) = counts {
        if after.voluntary > before.voluntary {
            return Verdict::Waited;
        }
        if after.involuntary > before.involuntary {
            return Verdict::Unclear;
        }
    }
    match took >= SPUN {
        true => Verdict::Waited,
        false => Verdict::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(1);

    #[test]
    fn even_a_short_wait_is_noticed() {
        for ms in [2, 3, 30] {
            let wait = || std::thread::sleep(Duration::from_millis(ms));
            assert_eq!(measure(LIMIT, wait).1, Verdict::Waited, "{ms} ms");
        }
    }

    /// With a reading that is used again and again.
    #[test]
    fn a_thread_that_never_sleeps_is_not_said_to_wait() {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(100) {
            let (elapsed, verdict) = measure(LIMIT, || begun.elapsed());
            assert_ne!(verdict, Verdict::Waited, "after {elapsed:?}");
        }
    }

    #[test]
    fn a_preempted_thread_did_not_wait() {
        let counts = |voluntary, involuntary| Switches {
            voluntary,
            involuntary,
        };
        let judge =
            |ms, before, after| judge_counts(Duration::from_millis(ms), Some((before, after)));
        assert_eq!(judge(500, counts(7, 7), counts(7, 8)), Verdict::Unclear);
        assert_eq!(judge(2, counts(7, 7), counts(8, 7)), Verdict::Waited);
        assert_eq!(judge(2, counts(7, 7), counts(7, 7)), Verdict::Unclear);
        assert_eq!(judge(20, counts(7, 7), counts(7, 7)), Verdict::Waited);
        assert_eq!(
            judge_counts(Duration::from_millis(2), None),
            Verdict::Unclear
        );
    }
}
