//! Who sleeps, who searches, and whom a new task must wake.
//!
//! # The promise
//!
//! A runnable task is never left in a queue while all workers sleep; and no worker is woken for a task
//! that an awake one is about to find, or to run itself (`pace.rs`).
//!
//! # How it is kept
//!
//! Two counts in one word: workers asleep, and workers *searching* (awake, without work, looking into
//! others' queues). Two pairs of "write mine, fence, read yours":
//!
//! ```text
//!   producer                          worker that lies down or ends its search
//!   ----------------------------      ------------------------------------------
//!   put the task in a queue           count itself asleep / no longer searching
//!   fence(SeqCst)              F      fence(SeqCst)                             F
//!   read the counts                   look into all queues
//!   nobody searching, some asleep:    something there:
//!       call a sleeper                    rise again / call a sleeper
//! ```
//!
//! The fences F are each other's partners: in their single order one comes first, and the later side
//! sees what the earlier wrote. So either the producer finds the worker asleep (or not searching), or
//! the worker finds the task. A producer that finds a searcher leaves the task to it: the searcher
//! looks again after it has stopped being one.
//!
//! A worker that searches takes one task and thereby stops searching; the last searcher calls a
//! successor only if its look finds more work. So a lone task wakes one worker, not a chain.
//!
//! Sleepers and their roles are in [`Roster`], under a mutex: it is taken only around a sleep, which
//! costs a system call anyway. The counts are changed under the mutex where sleepers change, so that
//! they agree with it whenever it is free.
#![forbid(unsafe_code)]

use crate::loom::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
    fence,
};
use crate::loom::sync::{Mutex, MutexGuard};

use super::role::{Errand, Mood, Roster, Sleep};
use crate::runtime::scheduler::inject::Inject;
use crate::util::poison::unpoisoned;

const SEARCHING: usize = 1;
const ASLEEP: usize = 1 << (usize::BITS / 2);
const SEARCHING_MASK: usize = ASLEEP - 1;

pub(super) struct Idle {
    /// `asleep * ASLEEP + searching`. All accesses are Relaxed: the fences F order them.
    counts: AtomicUsize,
    /// By worker, written under the lock. Relaxed: a hint for the sentry, who errs harmlessly.
    asleep: Box<[AtomicBool]>,
    roster: Mutex<Roster>,
}

impl Idle {
    pub(super) fn new(workers: usize) -> Self {
        assert!(workers < ASLEEP, "more workers than a count can hold");
        Idle {
            counts: AtomicUsize::new(0),
            asleep: (0..workers).map(|_| AtomicBool::new(false)).collect(),
            roster: Mutex::new(Roster::new(workers)),
        }
    }

    /// Whether the caller, awake and without work, may look into others' queues. Half of the workers
    /// at most do it at a time: they get into each other's way.
    pub(super) fn start_searching(&self) -> bool {
        let searching = self.counts.load(Relaxed) & SEARCHING_MASK;
        if 2 * searching >= self.asleep.len() {
            return false;
        }
        self.counts.fetch_add(SEARCHING, Relaxed);
        true
    }

    /// The caller has found work. `true`: it was the last searcher, and must look whether there is more
    /// (see the promise).
    #[must_use]
    pub(super) fn stop_searching(&self) -> bool {
        let before = self.counts.fetch_sub(SEARCHING, Relaxed);
        debug_assert!(before & SEARCHING_MASK > 0);
        // F, for the look that follows.
        fence(SeqCst);
        before & SEARCHING_MASK == 1
    }

    /// The caller is about to sleep. If the flag beside its role is set, it must look into all queues
    /// once more before it does, and [`rise`](Self::rise) if there is something. Otherwise somebody
    /// searches, whose own look comes later: its fence is behind ours, for we do not see it stopped.
    pub(super) fn lie_down(&self, worker: usize, searching: bool, mood: Mood) -> (Sleep, bool) {
        let mut roster = self.lock();
        let sleep = roster.lie_down(worker, mood);
        self.asleep[worker].store(true, Relaxed);
        let change = ASLEEP - if searching { SEARCHING } else { 0 };
        self.counts.fetch_add(change, Relaxed);
        drop(roster);
        // F, for the look that follows.
        fence(SeqCst);
        (sleep, self.counts.load(Relaxed) & SEARCHING_MASK == 0)
    }

    /// The caller is awake again. With [`Errand::Search`] it counts as searching already.
    pub(super) fn rise(&self, worker: usize) -> Option<Errand> {
        let mut roster = self.lock();
        let errand = roster.rise(worker);
        if errand.is_none() {
            self.counts.fetch_sub(ASLEEP, Relaxed);
            self.asleep[worker].store(false, Relaxed);
        }
        errand
    }

    /// After a task was put in a queue: the sleeper to wake, if one must be.
    pub(super) fn worker_to_call(&self) -> Option<usize> {
        // F, after the caller's write to the queue.
        fence(SeqCst);
        if !self.wants_searcher() {
            return None;
        }
        let mut roster = self.lock();
        // Others may have called meanwhile: one searcher is enough for both.
        if !self.wants_searcher() {
            return None;
        }
        let worker = roster.call_searcher()?;
        self.counts.fetch_sub(ASLEEP - SEARCHING, Relaxed);
        self.asleep[worker].store(false, Relaxed);
        Some(worker)
    }

    /// Before the caller runs its first task after a sleep or a search: the sleeper to wake so that it
    /// stands sentry.
    pub(super) fn sentry_to_call(&self) -> Option<usize> {
        // Relaxed: who lies down later, while we are awake, naps by itself.
        if self.counts.load(Relaxed) < ASLEEP {
            return None;
        }
        let mut roster = self.lock();
        let worker = roster.call_sentry()?;
        self.counts.fetch_sub(ASLEEP, Relaxed);
        self.asleep[worker].store(false, Relaxed);
        Some(worker)
    }

    pub(super) fn is_asleep(&self, worker: usize) -> bool {
        self.asleep[worker].load(Relaxed)
    }

    /// The look of the promise, into all queues but the caller's own: the injection queue, and those of
    /// the siblings.
    pub(super) fn has_work<T>(inject: &Inject<T>, siblings: impl FnOnce() -> bool) -> bool {
        !inject.is_empty() || siblings()
    }

    fn wants_searcher(&self) -> bool {
        let counts = self.counts.load(Relaxed);
        counts & SEARCHING_MASK == 0 && counts >= ASLEEP
    }

    fn lock(&self) -> MutexGuard<'_, Roster> {
        // A failed assertion of the roster is a bug, but its state is whole.
        unpoisoned(self.roster.lock())
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
