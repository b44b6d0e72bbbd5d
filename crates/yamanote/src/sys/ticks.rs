//! A clock for short intervals, cheap to read.
//!
//! The processor's time stamp counter takes some 10 ns to read, `Instant` twice as long. It is used
//! if it counts at one rate, asleep or not (CPUID says so), and if the kernel trusts it itself. How
//! fast it counts is found by comparison with `Instant`, over [`LONG_ENOUGH`]; until then, and
//! elsewhere, `Instant` is read.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::simulation;

/// Long enough that the two readings, which are not taken at the same moment, differ by less than a
/// hundred-thousandth of it.
const LONG_ENOUGH: Duration = Duration::from_millis(20);

/// Nanoseconds of a tick in units of 2^-32; 0 as long as that is not known. Relaxed: a number that
/// nothing is published with.
static NS_PER_TICK: AtomicU64 = AtomicU64::new(0);

/// A moment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    Ticks(u64),
    Instant(Instant),
}

impl Reading {
    #[inline]
    pub(crate) fn now() -> Reading {
        match NS_PER_TICK.load(Relaxed) {
            0 => Reading::Instant(Instant::now()),
            _ if simulation::is_inside() => Reading::Instant(Instant::now()),
            _ => Reading::Ticks(counter::read()),
        }
    }

    /// Nanoseconds from this until now, by the same clock.
    #[inline]
    pub(crate) fn elapsed_ns(self) -> u64 {
        let now = match self {
            Reading::Ticks(_) => Reading::Ticks(counter::read()),
            Reading::Instant(_) => Reading::Instant(Instant::now()),
        };
        now.ns_since(self).unwrap_or(u64::MAX)
    }

    /// Nanoseconds from `earlier` to this. `None` if the clock has become another in between.
    pub(crate) fn ns_since(self, earlier: Reading) -> Option<u64> {
        match (earlier, self) {
            (Reading::Ticks(from), Reading::Ticks(to)) => Some(in_ns(to.saturating_sub(from))),
            (Reading::Instant(from), Reading::Instant(to)) => {
                u64::try_from(to.saturating_duration_since(from).as_nanos()).ok()
            }
            _ => None,
        }
    }
}

fn in_ns(ticks: u64) -> u64 {
    ((u128::from(ticks) * u128::from(NS_PER_TICK.load(Relaxed))) >> 32) as u64
}

/// To be called now and then, with the present time: learns how fast the counter counts.
pub(crate) fn calibrate(now: Instant) {
    static START: OnceLock<Option<(Instant, u64)>> = OnceLock::new();
    // The counter knows nothing of a simulation's time.
    if NS_PER_TICK.load(Relaxed) != 0 || simulation::is_inside() {
        return;
    }
    let start = START.get_or_init(|| {
        // Both again, because asking takes a moment.
        counter::is_steady().then(|| (Instant::now(), counter::read()))
    });
    let Some((since, from)) = *start else {
        return;
    };
    if now.saturating_duration_since(since) < LONG_ENOUGH {
        return;
    }
    let (now, to) = (Instant::now(), counter::read());
    let (ns, ticks) = (
        (now - since).as_nanos(),
        u128::from(to.saturating_sub(from)),
    );
    if let Some(scale) = (ns << 32).checked_div(ticks) {
        NS_PER_TICK.store(u64::try_from(scale).unwrap_or(0), Relaxed);
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod counter {
    use std::arch::x86_64::{__cpuid, _rdtsc};

    pub(super) fn read() -> u64 {
        // SAFETY: every processor of this architecture has the instruction. A process that has
        // denied it to itself (prctl(PR_SET_TSC)) could not read the kernel's clocks either.
        unsafe { _rdtsc() }
    }

    pub(super) fn is_steady() -> bool {
        const LEAF: u32 = 0x8000_0007;
        const INVARIANT: u32 = 1 << 8;
        // SAFETY: every processor of this architecture has the instruction. (Later compilers know.)
        #[allow(unused_unsafe)]
        let is_invariant =
            unsafe { __cpuid(0x8000_0000).eax >= LEAF && __cpuid(LEAF).edx & INVARIANT != 0 };
        let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
        is_invariant && std::fs::read(source).is_ok_and(|name| name.starts_with(b"tsc"))
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod counter {
    pub(super) fn read() -> u64 {
        0
    }

    pub(super) fn is_steady() -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever it is read from, an interval is as long as `Instant` says.
    #[test]
    fn an_interval_is_as_long_as_it_is() {
        for _ in 0..4 {
            calibrate(Instant::now());
            let (before, from) = (Instant::now(), Reading::now());
            std::thread::sleep(Duration::from_millis(30));
            let (to, after) = (Reading::now(), Instant::now());
            assert!(from.elapsed_ns() >= to.ns_since(from).expect("one clock"));
            let ns = u128::from(to.ns_since(from).expect("one clock"));
            let most = (after - before).as_nanos();
            assert!(
                ns >= 29_000_000 && ns <= most + most / 1000,
                "{ns} of {most}"
            );
        }
        assert_eq!(Reading::now().ns_since(Reading::Ticks(0)).is_some(), {
            NS_PER_TICK.load(Relaxed) != 0
        });
    }
}
