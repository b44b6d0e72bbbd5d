//! The runtime's clock: the system's monotonic one, until a test freezes it.
//!
//! A frozen clock moves when a test says so ([`Clock::advance`]). Unless something inhibits that,
//! it also moves to the next deadline when the runtime has nothing else to do
//! ([`Clock::advance_to_ns`], called by the park). Thawed, it goes on at the system's pace from
//! where it stood, so it is always monotonic.
//!
//! Deadlines are `u64` nanoseconds since the clock was made. `Instant` counts in nanoseconds too,
//! so nothing is rounded and no timer is early because of it.
#![forbid(unsafe_code)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::util::nanos::as_ns;
use crate::util::poison::unpoisoned;

/// Whether any clock of this process was ever frozen. In a program that never freezes time,
/// `Instant::now()` is the system's, whatever runtime it is called in.
static ANY_CLOCK_WAS_FROZEN: AtomicBool = AtomicBool::new(false);

/// Whether `Instant::now()` has to ask the runtime's clock.
pub(crate) fn any_clock_was_frozen() -> bool {
    // Relaxed: it only says whether to look behind the clock's lock. A thread that has learned of
    // the freeze, by whatever synchronisation, also sees this.
    ANY_CLOCK_WAS_FROZEN.load(Ordering::Relaxed)
}

/// A source of time that can be frozen. See the [module](self).
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// This clock was frozen at some time: `hands` must be asked.
    was_frozen: AtomicBool,
    /// What the hands show while frozen, in nanoseconds since `start`, or [`RUNNING`]; written
    /// under their lock, and read without.
    frozen_ns: AtomicU64,
    hands: Mutex<Hands>,
}

/// The hands must be asked: it runs, or is frozen later than nanoseconds can say.
const RUNNING: u64 = u64::MAX;

#[derive(Debug)]
struct Hands {
    /// What the clock showed at `running_since`, or shows while frozen.
    shown: Instant,
    /// `None` while frozen.
    running_since: Option<Instant>,
    /// How many blocking jobs forbid automatic advance.
    inhibitors: usize,
}

impl Clock {
    pub(crate) fn new(start_paused: bool) -> Self {
        let start = Instant::now();
        if start_paused {
            // Relaxed: see `any_clock_was_frozen`.
            ANY_CLOCK_WAS_FROZEN.store(true, Ordering::Relaxed);
        }
        Clock {
            start,
            was_frozen: AtomicBool::new(start_paused),
            frozen_ns: AtomicU64::new(if start_paused { 0 } else { RUNNING }),
            hands: Mutex::new(Hands {
                shown: start,
                running_since: (!start_paused).then_some(start),
                inhibitors: 0,
            }),
        }
    }

    /// The time it shows.
    pub(crate) fn now(&self) -> Instant {
        // Relaxed: as in `any_clock_was_frozen`; the hands themselves are behind the lock.
        if !self.was_frozen.load(Ordering::Relaxed) {
            return Instant::now();
        }
        self.hands().now()
    }

    /// As [`now_ns`](Self::now_ns), for a caller that has just read the system's clock.
    pub(crate) fn now_ns_at(&self, now: Instant) -> u64 {
        // Relaxed: as in `any_clock_was_frozen`.
        match self.was_frozen.load(Ordering::Relaxed) {
            false => self.to_ns(now),
            true => self.now_ns(),
        }
    }

    /// The time it shows, in nanoseconds since it was made.
    pub(crate) fn now_ns(&self) -> u64 {
        // Relaxed: as in `any_clock_was_frozen`.
        if !self.was_frozen.load(Ordering::Relaxed) {
            return self.to_ns(Instant::now());
        }
        match self.frozen_ns() {
            RUNNING => self.to_ns(self.hands().now()),
            frozen_ns => frozen_ns,
        }
    }

    fn frozen_ns(&self) -> u64 {
        // Relaxed: who learns of a move, by whatever synchronisation, also sees it here.
        self.frozen_ns.load(Ordering::Relaxed)
    }

    /// After each change of the hands, under their lock.
    fn note(&self, hands: &Hands) {
        let frozen_ns = match hands.running_since {
            Some(_) => RUNNING,
            None => self.to_ns(hands.shown),
        };
        // Relaxed: as in `frozen_ns`.
        self.frozen_ns.store(frozen_ns, Ordering::Relaxed);
    }

    /// An instant in nanoseconds since the clock was made: zero if it is earlier, `u64::MAX` if it
    /// is more than 584 years later.
    pub(crate) fn to_ns(&self, instant: Instant) -> u64 {
        as_ns(instant.saturating_duration_since(self.start))
    }

    /// Freezes it. The error is the text to panic with.
    pub(crate) fn pause(&self) -> Result<(), &'static str> {
        // Relaxed, both: see `any_clock_was_frozen`.
        ANY_CLOCK_WAS_FROZEN.store(true, Ordering::Relaxed);
        self.was_frozen.store(true, Ordering::Relaxed);
        let mut hands = self.hands();
        if hands.running_since.is_none() {
            return Err("time is already frozen");
        }
        hands.shown = hands.now();
        hands.running_since = None;
        self.note(&hands);
        Ok(())
    }

    /// Lets it run again, from where it stood. The error is the text to panic with.
    pub(crate) fn resume(&self) -> Result<(), &'static str> {
        let mut hands = self.hands();
        if hands.running_since.is_some() {
            return Err("time is not frozen");
        }
        hands.running_since = Some(Instant::now());
        self.note(&hands);
        Ok(())
    }

    /// Moves a frozen clock forward. The error is the text to panic with.
    pub(crate) fn advance(&self, by: Duration) -> Result<(), &'static str> {
        let mut hands = self.hands();
        if hands.running_since.is_some() {
            return Err("time is not frozen");
        }
        hands.shown = hands
            .shown
            .checked_add(by)
            .ok_or("overflow when adding duration to instant")?;
        self.note(&hands);
        Ok(())
    }

    pub(crate) fn is_paused(&self) -> bool {
        // Relaxed: as in `any_clock_was_frozen`.
        self.was_frozen.load(Ordering::Relaxed)
            && (self.frozen_ns() != RUNNING || self.hands().running_since.is_none())
    }

    /// Whether a park with nothing in flight may move the clock to the next deadline.
    pub(crate) fn can_auto_advance(&self) -> bool {
        // Relaxed: as in `any_clock_was_frozen`.
        self.was_frozen.load(Ordering::Relaxed) && self.hands().can_auto_advance()
    }

    /// Moves the clock to a deadline, if [`can_auto_advance`](Self::can_auto_advance) still holds
    /// and the deadline lies ahead. Returns whether it did.
    pub(crate) fn advance_to_ns(&self, deadline_ns: u64) -> bool {
        let mut hands = self.hands();
        let deadline = self.start.checked_add(Duration::from_nanos(deadline_ns));
        match deadline {
            Some(deadline) if hands.can_auto_advance() && deadline > hands.shown => {
                hands.shown = deadline;
                self.note(&hands);
                true
            }
            _ => false,
        }
    }

    /// Forbids automatic advance until [`allow_auto_advance`](Self::allow_auto_advance) is called
    /// as often: a blocking job has started, and what it waits for takes real time.
    pub(crate) fn inhibit_auto_advance(&self) {
        self.hands().inhibitors += 1;
    }

    /// Ends one [`inhibit_auto_advance`](Self::inhibit_auto_advance). The caller unparks the
    /// runtime, which may be waiting for just this.
    pub(crate) fn allow_auto_advance(&self) {
        let mut hands = self.hands();
        hands.inhibitors = hands
            .inhibitors
            .checked_sub(1)
            .expect("every permission follows an inhibition");
    }

    fn hands(&self) -> std::sync::MutexGuard<'_, Hands> {
        // Nothing panics while the hands are half moved.
        unpoisoned(self.hands.lock())
    }
}

impl Hands {
    fn now(&self) -> Instant {
        match self.running_since {
            Some(since) => self.shown + since.elapsed(),
            None => self.shown,
        }
    }

    fn can_auto_advance(&self) -> bool {
        self.running_since.is_none() && self.inhibitors == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_with_the_system_until_frozen() {
        let clock = Clock::new(false);
        let (before, shown, after) = (Instant::now(), clock.now(), Instant::now());
        assert!(before <= shown && shown <= after);
        assert!(!clock.is_paused() && !clock.can_auto_advance());
        assert_eq!(clock.resume(), Err("time is not frozen"));
        assert_eq!(
            clock.advance(Duration::from_secs(1)),
            Err("time is not frozen")
        );
        assert!(!clock.advance_to_ns(u64::MAX));
    }

    #[test]
    fn frozen_it_moves_only_when_told() {
        let clock = Clock::new(true);
        assert!(any_clock_was_frozen());
        assert_eq!(clock.now_ns(), 0);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(clock.now_ns(), 0);
        clock.advance(Duration::from_nanos(1_500)).unwrap();
        assert_eq!(clock.now_ns(), 1_500);
        assert_eq!(clock.pause(), Err("time is already frozen"));
        assert!(clock.advance_to_ns(2_000));
        assert!(!clock.advance_to_ns(1_999), "never back");
        assert_eq!(clock.now_ns(), 2_000);
        assert_eq!(
            clock.advance(Duration::MAX),
            Err("overflow when adding duration to instant")
        );
        assert_eq!(clock.now_ns(), 2_000);
    }

    #[test]
    fn thawed_it_goes_on_from_where_it_stood() {
        let clock = Clock::new(true);
        clock.advance(Duration::from_secs(3600)).unwrap();
        clock.resume().unwrap();
        let shown = clock.now_ns();
        assert!((3_600_000_000_000..3_700_000_000_000).contains(&shown));
        clock.pause().unwrap();
        assert!(clock.now_ns() >= shown);
    }

    /// Beyond what nanoseconds can say it is frozen all the same.
    #[test]
    fn frozen_in_six_hundred_years() {
        let clock = Clock::new(true);
        clock
            .advance(Duration::from_secs(600 * 366 * 86_400))
            .unwrap();
        assert!(clock.is_paused() && clock.can_auto_advance());
        assert_eq!(clock.now_ns(), u64::MAX);
        let shown = clock.now();
        clock.advance(Duration::from_secs(1)).unwrap();
        assert_eq!(clock.now() - shown, Duration::from_secs(1));
        clock.resume().unwrap();
        assert!(!clock.is_paused() && clock.now() > shown);
    }

    #[test]
    fn inhibitors_are_counted() {
        let clock = Clock::new(true);
        clock.inhibit_auto_advance();
        clock.inhibit_auto_advance();
        clock.allow_auto_advance();
        assert!(!clock.can_auto_advance() && !clock.advance_to_ns(5));
        clock.allow_auto_advance();
        assert!(clock.can_auto_advance() && clock.advance_to_ns(5));
    }

    #[test]
    fn instants_before_the_start_and_very_far_are_clamped() {
        let before = Instant::now();
        let clock = Clock::new(false);
        assert_eq!(clock.to_ns(before), 0);
        let far = before + Duration::from_secs(1 << 40);
        assert_eq!(clock.to_ns(far), u64::MAX);
    }
}
