//! Whether calls of one kind may be made inline. That is earned on a thread that may wait and lost
//! on one that may not.
//!
//! ```text
//!             it is quick on a thread            it makes a worker wait,
//!             of the pool                        or is denied
//!   on trial ---------------------------> given ----------------------------+
//!      ^  |                                                                  v
//!      |  +-- it is slow there, or denied ----------------------------> refused
//!      +----------------------------------------------- the period is over --+
//! ```
//!
//! So a listener or a lock that makes every call wait costs at most one wait of one worker, and
//! none if it was there before the program started. Calls that wait now and then are refused for
//! longer each time.
#![forbid(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::stopwatch::{self, Verdict};
use crate::runtime::context;

/// How long a call may take beyond its copying. Calls that do not wait take microseconds.
const LIMIT: Duration = Duration::from_millis(1);

/// A quarter of a gigabyte a second: a twentieth of the speed of copying.
const LIMIT_PER_BYTE_NS: u64 = 4;

/// How long a call that copies `bytes` may take.
pub(super) fn limit(bytes: usize) -> Duration {
    LIMIT + Duration::from_nanos(bytes as u64 * LIMIT_PER_BYTE_NS)
}

/// How long the first refusal lasts. One that follows soon lasts twice as long as the last, up to a
/// minute.
const PERIOD_MS: u64 = 1000;
const DOUBLINGS_MAX: u32 = 6;

/// After this time without a refusal the next one counts as the first again.
const FORGIVEN_MS: u64 = 600_000;

/// Milliseconds since the first call of this function, with an offset that keeps it from being 0.
pub(super) fn now_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    start.elapsed().as_millis() as u64 + FORGIVEN_MS
}

/// See the module. Relaxed throughout: a thread that does not see the newest word yet makes one
/// more call of a kind that it has made before.
#[derive(Debug)]
pub(super) struct Trust {
    /// The time until which it is refused; 0 while it is on trial; [`GIVEN`] or [`NEVER`].
    word: AtomicU64,
    refusals: AtomicU32,
    last_refusal_ms: AtomicU64,
}

const GIVEN: u64 = u64::MAX;
const NEVER: u64 = u64::MAX - 1;

impl Trust {
    const fn new(word: u64) -> Trust {
        Trust {
            word: AtomicU64::new(word),
            refusals: AtomicU32::new(0),
            last_refusal_ms: AtomicU64::new(0),
        }
    }

    /// For calls that have to be tried out first.
    pub(super) const fn on_trial() -> Trust {
        Trust::new(0)
    }

    /// For calls that are not known to wait.
    pub(super) const fn given() -> Trust {
        Trust::new(GIVEN)
    }

    pub(super) fn is_given(&self) -> bool {
        self.word.load(Relaxed) == GIVEN
    }

    /// Whether a thread that may wait should try it.
    pub(super) fn wants_trial(&self) -> bool {
        self.wants_trial_at(now_ms)
    }

    fn wants_trial_at(&self, now_ms: impl FnOnce() -> u64) -> bool {
        match self.word.load(Relaxed) {
            GIVEN | NEVER => false,
            0 => true,
            until => until <= now_ms(),
        }
    }

    pub(super) fn give(&self) {
        // A trial that began before the kernel said never must not undo that.
        let _ = self
            .word
            .fetch_update(Relaxed, Relaxed, |word| (word != NEVER).then_some(GIVEN));
    }

    /// Takes it back until a trial has shown whether the call or its object was denied.
    pub(super) fn suspend(&self) {
        let _ = self.word.compare_exchange(GIVEN, 0, Relaxed, Relaxed);
    }

    /// The kernel does not offer it here.
    pub(super) fn never(&self) {
        self.word.store(NEVER, Relaxed);
    }

    pub(super) fn refuse(&self) {
        self.refuse_at(now_ms());
    }

    fn refuse_at(&self, now_ms: u64) {
        let seen = self.word.load(Relaxed);
        if seen == NEVER || (seen != GIVEN && seen > now_ms) {
            return; // Another call that waited for the same has refused it already.
        }
        let is_old = now_ms - self.last_refusal_ms.load(Relaxed) >= FORGIVEN_MS;
        let before = if is_old {
            0
        } else {
            self.refusals.load(Relaxed)
        };
        let until = now_ms + (PERIOD_MS << before.min(DOUBLINGS_MAX));
        let refused = self.word.compare_exchange(seen, until, Relaxed, Relaxed);
        if refused.is_ok() {
            self.refusals.store(before + 1, Relaxed);
            self.last_refusal_ms.store(now_ms, Relaxed);
        }
    }

    /// Makes a call that may take `limit` on a thread that must not wait; `None`: it may not be
    /// made there.
    pub(super) fn inline<T>(&self, limit: Duration, call: impl FnOnce() -> T) -> Option<T> {
        if !self.is_given() {
            return None;
        }
        let (answer, verdict) = stopwatch::measure(limit, call);
        if verdict == Verdict::Waited {
            self.refuse();
            // The runtime may be gone from this thread, in a destructor.
            let _ = context::with_current(|runtime| runtime.count_inline_file_stall());
        }
        Some(answer)
    }

    /// As [`inline`](Trust::inline), for calls that the pool never makes and so cannot try out:
    /// they get another chance when the period is over.
    pub(super) fn inline_untried<T>(&self, limit: Duration, call: impl FnOnce() -> T) -> Option<T> {
        if self.wants_trial() {
            self.give();
        }
        self.inline(limit, call)
    }

    /// Makes the call on a thread that may wait, if a trial is due; it says how far it came. A
    /// trial whose thread was preempted is repeated.
    pub(super) fn try_out<T>(
        &self,
        limit: Duration,
        call: impl FnOnce() -> (T, Trial),
    ) -> Option<T> {
        if !self.wants_trial() {
            return None;
        }
        let ((answer, tried), verdict) = stopwatch::measure(limit, call);
        match (tried, verdict) {
            (_, Verdict::Waited) | (Trial::Denied, _) => self.refuse(),
            (Trial::Done, Verdict::Quick) => self.give(),
            (Trial::Done, Verdict::Unclear) | (Trial::InVain, _) => {}
        }
        Some(answer)
    }
}

/// How a trial went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trial {
    Done,
    /// It ended before the step that might wait.
    InVain,
    /// The call is denied where the plain one is not.
    Denied,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(trust: &Trust, tried: Trial) {
        assert!(trust.try_out(limit(0), || ((), tried)).is_some());
    }

    #[test]
    fn it_is_earned_by_a_trial_that_came_to_something() {
        let trust = Trust::on_trial();
        assert!(trust.inline(limit(0), || ()).is_none());
        trial(&trust, Trial::InVain);
        assert!(!trust.is_given());
        // A trial that is preempted between two readings of the clock is repeated.
        while !trust.is_given() {
            trial(&trust, Trial::Done);
        }
        assert!(trust.try_out(limit(0), || ((), Trial::Done)).is_none());
        assert!(trust.inline(limit(0), || ()).is_some());
    }

    #[test]
    fn one_wait_loses_it_and_a_slow_trial_does_not_give_it_back() {
        let trust = Trust::given();
        let wait = || std::thread::sleep(Duration::from_millis(30));
        assert!(trust.inline(limit(0), wait).is_some());
        assert!(trust.inline(limit(0), wait).is_none());
        assert!(!trust.wants_trial());
        let trust = Trust::on_trial();
        let slow = || {
            std::thread::sleep(Duration::from_millis(2));
            ((), Trial::Done)
        };
        assert!(trust.try_out(limit(0), slow).is_some());
        assert!(!trust.is_given() && !trust.wants_trial());
    }

    #[test]
    fn refusals_grow_and_are_forgiven() {
        let trust = Trust::given();
        let mut now = FORGIVEN_MS;
        for period in [1000, 2000, 4000, 8000, 16000, 32000, 64000, 64000] {
            trust.refuse_at(now);
            trust.refuse_at(now + 5); // Another worker that waited for the same.
            assert!(!trust.wants_trial_at(|| now + period - 1), "{period}");
            assert!(trust.wants_trial_at(|| now + period), "{period}");
            trust.give();
            now += period;
        }
        now += FORGIVEN_MS;
        trust.refuse_at(now);
        assert!(trust.wants_trial_at(|| now + 1000));
    }

    #[test]
    fn what_the_kernel_does_not_offer_is_not_tried_again() {
        let trust = Trust::given();
        trust.never();
        trust.give();
        trust.refuse();
        trust.suspend();
        assert!(!trust.is_given() && !trust.wants_trial());
        assert!(!trust.wants_trial_at(|| NEVER - 1));
    }
}
