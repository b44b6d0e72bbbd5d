//! How workers sleep: who watches readiness, who stands sentry, and which sleeper to call. A pure
//! state machine.
//!
//! # The machine
//!
//! Each worker is awake or asleep; a sleeper may watch readiness, and it may sleep with a time
//! limit.
//!
//! ```text
//!                begin_sleep                        +-- watcher: watches the readiness set
//!      awake ------------------> asleep, maybe as --+
//!        ^                         |    |           +-- sentry:  sleeps at most 5 ms
//!        |       end_sleep         |    |
//!        +-------------------------+    | call_searcher, call_sentry
//!        |       end_sleep              v
//!        +-------------------------- called, for a reason (a wake-up is on its way)
//! ```
//!
//! * The **watcher** is the sleeper that blocks in the readiness set. Nobody else blocks there;
//!   awake workers look at it in passing (after a number of polls, and before they sleep).
//! * The **sentry** makes sure that a worker stuck in a task takes nothing with it. It sleeps for
//!   at most `NAP` (`sentry.rs`), less while a worker has short polls (`pace.rs`). Whenever it
//!   wakes, it asks which awake workers have not turned the driver for most of that time. For such
//!   a worker it reaps completions, fires timers, takes tasks; and it becomes the watcher if there
//!   is none.
//! * One worker may be both, or neither.
//!
//! # Rules
//!
//! 1. At most one sleeper is the watcher, at most one the sentry.
//! 2. **The role may not be lost.** If all workers sleep, one of them is the watcher: the last one
//!    to fall asleep takes the role if it is free.
//! 3. **No worker runs tasks unguarded while others sleep.** Then one of these is the sentry, or a
//!    worker has been called, or a worker has yet to begin its work (it asks `call_sentry` before
//!    its first task).
//! 4. A worker that sleeps because it found nothing to do becomes the watcher if there is none:
//!    those that still run found more than one task and have enough to do. A worker that was only
//!    called to stand sentry leaves the role to the worker that gave it up for a lone task, until
//!    that one is found stuck. An event usually finds its worker watching again, and a role that
//!    changes hands at each event costs two wake-ups each time.
//! 5. A sleeper is called at most once per sleep: the call takes it off the list.
//! 6. A watcher that had to be its own sentry hands that duty to a worker that was called for it,
//!    and so can leave for a task without calling anybody. (It may have fallen asleep again before
//!    the called worker came. Without this rule the two would repeat this at each event.)
#![forbid(unsafe_code)]

/// Why a worker was woken by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Call {
    /// There is work somewhere: look for it.
    Search,
    /// A worker runs a task and nobody stands sentry.
    StandSentry,
}

/// What a worker that goes to sleep has to report as a sentry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// Nothing: it stood no sentry, and sleeps because it found nothing to do.
    NoWatch,
    /// It was called to stand sentry, or its nap ran out, and no sibling is stuck. `lively`: some
    /// sibling has turned during the nap, so that a sentry will be needed again soon.
    AllWell { lively: bool },
    /// Some sibling has not turned during the nap.
    Stuck,
}

/// How a worker sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) struct Sleep {
    /// It is the watcher.
    pub(super) watches: bool,
    /// It is the sentry.
    pub(super) naps: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Sleepers {
    /// In the order in which they fell asleep: the last has the warmest caches.
    order: Vec<usize>,
    watcher: Option<usize>,
    sentry: Option<usize>,
    /// By worker; set by a call, cleared when the worker is awake.
    calls: Box<[Option<Call>]>,
}

impl Sleepers {
    /// All `workers` are awake.
    pub(super) fn new(workers: usize) -> Self {
        Sleepers {
            order: Vec::with_capacity(workers),
            watcher: None,
            sentry: None,
            calls: vec![None; workers].into_boxed_slice(),
        }
    }

    fn workers(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn begin_sleep(&mut self, worker: usize, report: Report) -> Sleep {
        assert!(!self.order.contains(&worker), "asleep already");
        assert!(self.calls[worker].is_none(), "is called");
        self.order.push(worker);
        let others_awake = self.order.len() < self.workers();

        let all_well = matches!(report, Report::AllWell { .. });
        let leaves_role = others_awake && all_well; // rule 4
        let watches = self.watcher.is_none() && !leaves_role;
        if watches {
            self.watcher = Some(worker);
        }
        let wanted = others_awake || report == Report::AllWell { lively: true };
        let free = self.sentry.is_none() || (all_well && self.sentry == self.watcher); // rule 6
        let naps = free && wanted;
        if naps {
            self.sentry = Some(worker);
        }
        Sleep { watches, naps }
    }

    /// `worker` is awake again: on its own, or because it was called.
    pub(super) fn end_sleep(&mut self, worker: usize) -> Option<Call> {
        let call = self.calls[worker].take();
        if call.is_none() {
            self.leave(worker);
        }
        call
    }

    /// Calls a sleeper to look for work: one without a role if there is one, then the watcher,
    /// whose place the callers and the sentry look after until it is taken again.
    pub(super) fn call_searcher(&mut self) -> Option<usize> {
        let plain = |w: &&usize| Some(**w) != self.watcher && Some(**w) != self.sentry;
        let not_sentry = |w: &&usize| Some(**w) != self.sentry;
        let by_warmth = || self.order.iter().rev();
        let called = *by_warmth()
            .find(plain)
            .or_else(|| by_warmth().find(not_sentry))
            .or_else(|| by_warmth().next())?;
        self.call(called, Call::Search);
        Some(called)
    }

    /// Calls a sleeper to stand sentry, if nobody does. The watcher last: it would have to leave
    /// its place only to come back.
    pub(super) fn call_sentry(&mut self) -> Option<usize> {
        if self.sentry.is_some() || self.calls.contains(&Some(Call::StandSentry)) {
            return None;
        }
        let by_warmth = || self.order.iter().rev();
        let called = *by_warmth()
            .find(|w| Some(**w) != self.watcher)
            .or_else(|| by_warmth().next())?;
        self.call(called, Call::StandSentry);
        Some(called)
    }

    fn call(&mut self, worker: usize, why: Call) {
        self.leave(worker);
        let before = self.calls[worker].replace(why);
        assert!(before.is_none(), "called twice"); // rule 5
    }

    fn leave(&mut self, worker: usize) {
        let place = self.order.iter().position(|w| *w == worker);
        self.order
            .remove(place.expect("only a sleeper wakes or is called"));
        // Roles end with the sleep.
        if self.watcher == Some(worker) {
            self.watcher = None;
        }
        if self.sentry == Some(worker) {
            self.sentry = None;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
