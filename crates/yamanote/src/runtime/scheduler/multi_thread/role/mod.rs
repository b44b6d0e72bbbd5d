//! Who sleeps how: the driver role, the backup, and whom to call. A pure state machine.
//!
//! # The machine
//!
//! Each worker is awake or asleep; a sleeper may watch readiness, and it may sleep with a time limit.
//!
//! ```text
//!                 lie_down                          +-- driver:  watches the readiness set
//!      awake ------------------> asleep, maybe as --+
//!        ^                         |    |           +-- sentry:  sleeps at most 5 ms
//!        |        rise             |    |
//!        +-------------------------+    | call_searcher, call_sentry
//!        |        rise                  v
//!        +-------------------------- called (with an errand; a wake-up is on its way)
//! ```
//!
//! * The **driver** is the sleeper that blocks in the readiness set. Readiness has no other watcher;
//!   awake workers look at it in passing (each so many polls, and before they lie down).
//! * The **sentry** makes sure that a worker stuck in a task takes nothing with it. It sleeps for
//!   at most `NAP` (`sentry.rs`), less while a worker is brisk (`pace.rs`), and whenever it wakes asks
//!   which awake workers have not turned the driver for most of that time. For such a worker it reaps
//!   completions, fires timers, takes tasks; and it takes the driver's role if nobody has it.
//! * One worker may be both, none must be.
//!
//! # Rules
//!
//! 1. At most one sleeper is the driver, at most one the sentry.
//! 2. **The role may not be lost.** If all workers sleep, one of them is the driver: whoever lies
//!    down last takes the role if nobody has it.
//! 3. **No worker runs tasks unguarded while others sleep**: then one of these is the sentry, or a
//!    worker has been called, or has yet to settle (it asks `call_sentry` before its first task).
//! 4. Who lies down after finding nothing to do takes the role if it is free, for those who still run
//!    found more than one task and have enough to do. Who was only called to stand sentry leaves the
//!    role to the worker that left it for a lone task, until that one is found stuck: an event more
//!    often than not finds its worker back in the driver's place, and a role that changes hands at
//!    each event costs two wake-ups at each.
//! 5. A sleeper is called at most once per sleep: it leaves the list in the call.
//! 6. A driver that had to be its own sentry gives that up to one who was called for it, and so can
//!    leave for a task without calling anybody. (It may have lain down again before that one came.
//!    Without this rule the two would repeat it at each event.)
#![forbid(unsafe_code)]

/// Why a worker was woken by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Errand {
    /// There is work somewhere: look for it.
    Search,
    /// A worker runs a task and nobody stands sentry.
    StandSentry,
}

/// What a worker knows when it lies down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// It found nothing to do.
    Done,
    /// It was called to stand sentry, or its nap ran out, and no sibling is stuck. `lively`: some
    /// sibling has turned during the nap, so that a sentry will be needed again soon.
    Calm { lively: bool },
    /// Some sibling has not turned during the nap.
    Alarmed,
}

/// How a worker sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) struct Sleep {
    /// It has the driver's role.
    pub(super) watches: bool,
    /// It is the sentry.
    pub(super) naps: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Roster {
    /// In the order they lay down: the last has the warmest caches.
    sleepers: Vec<usize>,
    driver: Option<usize>,
    sentry: Option<usize>,
    /// By worker; set by a call, cleared when the worker rises.
    errands: Box<[Option<Errand>]>,
}

impl Roster {
    /// All `workers` are awake.
    pub(super) fn new(workers: usize) -> Self {
        Roster {
            sleepers: Vec::with_capacity(workers),
            driver: None,
            sentry: None,
            errands: vec![None; workers].into_boxed_slice(),
        }
    }

    fn workers(&self) -> usize {
        self.errands.len()
    }

    pub(super) fn lie_down(&mut self, worker: usize, mood: Mood) -> Sleep {
        assert!(!self.sleepers.contains(&worker), "asleep already");
        assert!(self.errands[worker].is_none(), "has an errand");
        self.sleepers.push(worker);
        let others_awake = self.sleepers.len() < self.workers();

        let calm = matches!(mood, Mood::Calm { .. });
        let leaves_role = others_awake && calm; // rule 4
        let watches = self.driver.is_none() && !leaves_role;
        if watches {
            self.driver = Some(worker);
        }
        let wanted = others_awake || mood == Mood::Calm { lively: true };
        let free = self.sentry.is_none() || (calm && self.sentry == self.driver); // rule 6
        let naps = free && wanted;
        if naps {
            self.sentry = Some(worker);
        }
        Sleep { watches, naps }
    }

    /// `worker` is awake again: on its own, or with the errand it was called for.
    pub(super) fn rise(&mut self, worker: usize) -> Option<Errand> {
        let errand = self.errands[worker].take();
        if errand.is_none() {
            self.leave(worker);
        }
        errand
    }

    /// Calls a sleeper to look for work: one without a role if there is, then the driver, whose place
    /// the callers and the sentry look after until it is taken again.
    pub(super) fn call_searcher(&mut self) -> Option<usize> {
        let plain = |w: &&usize| Some(**w) != self.driver && Some(**w) != self.sentry;
        let not_sentry = |w: &&usize| Some(**w) != self.sentry;
        let by_age = || self.sleepers.iter().rev();
        let called = *by_age()
            .find(plain)
            .or_else(|| by_age().find(not_sentry))
            .or_else(|| by_age().next())?;
        self.call(called, Errand::Search);
        Some(called)
    }

    /// Calls a sleeper to stand sentry, if nobody does. The driver last, for it would have to leave
    /// its place only to come back.
    pub(super) fn call_sentry(&mut self) -> Option<usize> {
        if self.sentry.is_some() || self.errands.contains(&Some(Errand::StandSentry)) {
            return None;
        }
        let by_age = || self.sleepers.iter().rev();
        let called = *by_age()
            .find(|w| Some(**w) != self.driver)
            .or_else(|| by_age().next())?;
        self.call(called, Errand::StandSentry);
        Some(called)
    }

    fn call(&mut self, worker: usize, errand: Errand) {
        self.leave(worker);
        let before = self.errands[worker].replace(errand);
        assert!(before.is_none(), "called twice"); // rule 5
    }

    fn leave(&mut self, worker: usize) {
        let place = self.sleepers.iter().position(|w| *w == worker);
        self.sleepers
            .remove(place.expect("who rises or is called was asleep"));
        // Roles end with the sleep.
        if self.driver == Some(worker) {
            self.driver = None;
        }
        if self.sentry == Some(worker) {
            self.sentry = None;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
