//! What to do about a system call that fails again and again.
//!
//! Most failures pass: a signal, a shortage of memory. So the first failures are followed by
//! another try at once and later ones by rests that grow; what has failed for a whole second is not
//! tried any more. Nothing spins, and nothing waits for ever.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

/// Failures that another try may follow at once.
const AT_ONCE: u32 = 16;

const SHORTEST_REST: Duration = Duration::from_millis(1);
const LONGEST_REST: Duration = Duration::from_millis(64);

/// A call that has failed for so long, without a success in between, is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(1);

/// Failures since the last success.
#[derive(Debug, Default)]
pub(super) struct Setback(Option<Failures>);

#[derive(Debug)]
struct Failures {
    number: u32,
    since: Instant,
    /// There is to be no try before.
    rest_until: Instant,
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Verdict {
    /// Try again, after [`Setback::rest`].
    Again,
    GiveUp,
}

impl Setback {
    /// The call has succeeded.
    pub(super) fn is_over(&mut self) {
        self.0 = None;
    }

    /// The call has failed.
    pub(super) fn note(&mut self) -> Verdict {
        let now = Instant::now();
        let failures = self.0.get_or_insert(Failures {
            number: 0,
            since: now,
            rest_until: now,
        });
        failures.number += 1;
        let Some(rests) = failures.number.checked_sub(AT_ONCE) else {
            return Verdict::Again;
        };
        if now.duration_since(failures.since) >= GIVE_UP_AFTER {
            return Verdict::GiveUp;
        }
        let rest = SHORTEST_REST * (1 << rests.min(6));
        failures.rest_until = now + rest.min(LONGEST_REST);
        Verdict::Again
    }

    /// How long to leave the call alone; zero if it may be tried.
    pub(super) fn rest(&self) -> Duration {
        match &self.0 {
            None => Duration::ZERO,
            Some(failures) => failures
                .rest_until
                .saturating_duration_since(Instant::now()),
        }
    }

    /// As if the rest were over.
    #[cfg(test)]
    pub(super) fn skip_rest(&mut self) {
        if let Some(failures) = &mut self.0 {
            failures.rest_until = Instant::now();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_fails_for_good_is_tried_a_few_times_and_given_up_within_seconds() {
        let mut setback = Setback::default();
        let (start, mut tries) = (Instant::now(), 0);
        loop {
            tries += 1;
            if setback.note() == Verdict::GiveUp {
                break;
            }
            std::thread::sleep(setback.rest());
        }
        assert!(tries < 60, "{tries}");
        assert!(start.elapsed() >= GIVE_UP_AFTER);
    }

    #[test]
    fn a_success_ends_it() {
        let mut setback = Setback::default();
        for _ in 0..1000 {
            for _ in 0..AT_ONCE - 1 {
                assert_eq!(setback.note(), Verdict::Again);
                assert_eq!(setback.rest(), Duration::ZERO);
            }
            setback.is_over();
        }
    }
}
