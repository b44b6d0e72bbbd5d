//! Which workers sleep, which search, and which sleeper a new task must wake.
//!
//! # The promise
//!
//! A runnable task is never left in a queue while all workers sleep; and no worker is woken for a
//! task that an awake one is about to find, or to run itself (`pace.rs`).
//!
//! # How it is kept
//!
//! Two counts in one word: workers asleep, and workers *searching* (awake, without work, looking
//! into others' queues). Two pairs of "write mine, fence, read yours":
//!
//! ```text
//!   producer                          worker that goes to sleep or ends its search
//!   ----------------------------      --------------------------------------------
//!   put the task in a queue           count itself asleep / no longer searching
//!   fence(SeqCst)              F      fence(SeqCst)                             F
//!   read the counts                   look into all queues
//!   nobody searching, some asleep:    something there:
//!       call a sleeper                    end the sleep / call a sleeper
//! ```
//!
//! The fences F are each other's partners: in their single order one comes first, and the later
//! side sees what the earlier wrote. So either the producer finds the worker asleep (or not
//! searching), or the worker finds the task. A producer that finds a searcher leaves the task to
//! it: the searcher looks again after it has stopped being one.
//!
//! A worker that searches takes one task and thereby stops searching; the last searcher calls a
//! successor only if its look finds more work. So a lone task wakes one worker, not a chain.
//!
//! Sleepers and their roles are under a mutex, in [`Sleepers`]. It is taken only around a sleep,
//! which costs a system call anyway. The counts change under the mutex whenever the sleepers do, so
//! that the two agree whenever it is free.
#![forbid(unsafe_code)]

use crate::loom::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
    fence,
};
use crate::loom::sync::{Mutex, MutexGuard};

use super::role::{Call, Report, Sleep, Sleepers};
use crate::runtime::scheduler::inject::Inject;
use crate::util::poison::unpoisoned;

const SEARCHING: usize = 1;
const ASLEEP: usize = 1 << (usize::BITS / 2);
const SEARCHING_MASK: usize = ASLEEP - 1;

pub(super) struct Idle {
    /// `asleep * ASLEEP + searching`. All accesses are Relaxed: the fences F order them.
    counts: AtomicUsize,
    /// By worker, written under the lock. Relaxed: a hint for the sentry, which may err harmlessly.
    asleep: Box<[AtomicBool]>,
    sleepers: Mutex<Sleepers>,
}

impl Idle {
    pub(super) fn new(workers: usize) -> Self {
        assert!(workers < ASLEEP, "more workers than a count can hold");
        Idle {
            counts: AtomicUsize::new(0),
            asleep: (0..workers).map(|_| AtomicBool::new(false)).collect(),
            sleepers: Mutex::new(Sleepers::new(workers)),
        }
    }

    /// Whether the caller, awake and without work, may look into others' queues. At most half of
    /// the workers do so at a time: they get into each other's way.
    pub(super) fn start_searching(&self) -> bool {
        let searching = self.counts.load(Relaxed) & SEARCHING_MASK;
        if 2 * searching >= self.asleep.len() {
            return false;
        }
        self.counts.fetch_add(SEARCHING, Relaxed);
        true
    }

    /// The caller has found work. `true`: it was the last searcher, and must look whether there is
    /// more (see the promise).
    #[must_use]
    pub(super) fn stop_searching(&self) -> bool {
        let before = self.counts.fetch_sub(SEARCHING, Relaxed);
        debug_assert!(before & SEARCHING_MASK > 0);
        // F, for the look that follows.
        fence(SeqCst);
        before & SEARCHING_MASK == 1
    }

    /// The caller is about to sleep. Unless there is a [searcher](Self::has_searcher) it must look
    /// into all queues once more before it does, and [end the sleep](Self::end_sleep) if there is
    /// something.
    pub(super) fn begin_sleep(&self, worker: usize, searching: bool, report: Report) -> Sleep {
        let mut sleepers = self.lock();
        let sleep = sleepers.begin_sleep(worker, report);
        self.asleep[worker].store(true, Relaxed);
        let change = ASLEEP - if searching { SEARCHING } else { 0 };
        self.counts.fetch_add(change, Relaxed);
        drop(sleepers);
        // F, for the look that follows.
        fence(SeqCst);
        sleep
    }

    /// After [`begin_sleep`](Self::begin_sleep): whether somebody searches and so will look later
    /// than the caller would. We do not see it stopped, so its fence comes after ours.
    pub(super) fn has_searcher(&self) -> bool {
        self.counts.load(Relaxed) & SEARCHING_MASK > 0
    }

    /// The caller is awake again. With [`Call::Search`] it counts as searching already.
    pub(super) fn end_sleep(&self, worker: usize) -> Option<Call> {
        let mut sleepers = self.lock();
        let call = sleepers.end_sleep(worker);
        if call.is_none() {
            self.counts.fetch_sub(ASLEEP, Relaxed);
            self.asleep[worker].store(false, Relaxed);
        }
        call
    }

    /// After a task was put in a queue: the sleeper to wake, if one must be.
    pub(super) fn worker_to_call(&self) -> Option<usize> {
        // F, after the caller's write to the queue.
        fence(SeqCst);
        if !self.wants_searcher() {
            return None;
        }
        let mut sleepers = self.lock();
        // Others may have called meanwhile: one searcher is enough for both.
        if !self.wants_searcher() {
            return None;
        }
        let worker = sleepers.call_searcher()?;
        self.counts.fetch_sub(ASLEEP - SEARCHING, Relaxed);
        self.asleep[worker].store(false, Relaxed);
        Some(worker)
    }

    /// Before the caller runs its first task after a sleep or a search: the sleeper to wake as
    /// sentry, if one must be.
    pub(super) fn sentry_to_call(&self) -> Option<usize> {
        // Relaxed: a worker that falls asleep later, while we are awake, becomes the sentry by
        // itself.
        if self.counts.load(Relaxed) < ASLEEP {
            return None;
        }
        let mut sleepers = self.lock();
        let worker = sleepers.call_sentry()?;
        self.counts.fetch_sub(ASLEEP, Relaxed);
        self.asleep[worker].store(false, Relaxed);
        Some(worker)
    }

    pub(super) fn is_asleep(&self, worker: usize) -> bool {
        self.asleep[worker].load(Relaxed)
    }

    /// The look of the promise, into all queues but the caller's own: the injection queue, and
    /// those of the siblings.
    pub(super) fn has_work<T>(inject: &Inject<T>, siblings: impl FnOnce() -> bool) -> bool {
        !inject.is_empty() || siblings()
    }

    fn wants_searcher(&self) -> bool {
        let counts = self.counts.load(Relaxed);
        counts & SEARCHING_MASK == 0 && counts >= ASLEEP
    }

    fn lock(&self) -> MutexGuard<'_, Sleepers> {
        // A failed assertion of `Sleepers` is a bug, but its state is whole.
        unpoisoned(self.sleepers.lock())
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
