//! What else there is to a runtime, a line each.
#![forbid(unsafe_code)]

use super::super::figures::{bytes, count, duration, optional_count};
use super::super::snapshot::Runtime;
use super::history::Earlier;
use std::time::Duration;

/// Titles, and their figures.
pub type Facts = Vec<(&'static str, String)>;

pub fn of(earlier: Option<Earlier<'_>>, now: &Runtime) -> Facts {
    let rate = |of: &dyn Fn(&Runtime) -> Option<u64>| {
        let per_second =
            earlier.and_then(|earlier| Some(earlier.rate(of(earlier.runtime)?, of(now)?)));
        optional_count(per_second)
    };
    let number = |number: u64| count(number as f64);
    let mut facts = Vec::new();
    if let Some(stalls) = &now.stalls {
        let longest = match stalls.count {
            0 => String::new(),
            _ => format!(
                ", longest {}",
                duration(Duration::from_nanos(stalls.longest_ns))
            ),
        };
        facts.push((
            "stalls",
            format!("{} so far{longest}", number(stalls.count)),
        ));
    }
    // Without rings there is nothing to say of them.
    if now.driver != "epoll" {
        let submitted = rate(&|it| Some(it.ring.submitted));
        let enters = rate(&|it| it.ring.enters);
        let cancelled = rate(&|it| it.ring.cancelled);
        let (in_flight, leaked) = (number(now.ring.in_flight), number(now.ring.leaked));
        let started = format!("{in_flight} in flight, {submitted} submitted/s, {enters} enters/s");
        let ended = format!("{cancelled} cancelled/s, {leaked} leaked");
        facts.push(("ring", format!("{started}, {ended}")));
    }
    if let Some(pool) = &now.blocking {
        let busy = pool.threads.saturating_sub(pool.idle);
        facts.push((
            "pool",
            format!(
                "{} threads, {} busy, {} jobs wait",
                number(pool.threads),
                number(busy),
                number(pool.queued),
            ),
        ));
    }
    if let Some(io) = &now.io {
        let events = rate(&|it| Some(it.io.as_ref()?.events));
        let drains = rate(&|it| Some(it.io.as_ref()?.drains));
        let watched = number(io.watched);
        facts.push((
            "sockets",
            format!("{watched} watched, {events} events/s, {drains} drains/s"),
        ));
    }
    if let Some(timers) = &now.timers {
        let fired = rate(&|it| Some(it.timers.as_ref()?.fired));
        facts.push((
            "timers",
            format!("{} wait, {fired} fired/s", number(timers.waiting)),
        ));
    }
    facts.push((
        "files",
        format!(
            "{} inline calls waited, {} copied by the kernel",
            number(now.files.inline_stalls),
            bytes(now.files.kernel_copied_bytes),
        ),
    ));
    facts
}
