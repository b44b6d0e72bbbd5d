//! The state of a task: one atomic word, and the verbs that change it.
//!
//! ```text
//!   spawned ─▶ notified ◀────────── wake, abort ───────── idle
//!                 │  ▲                                     ▲
//!           claim │  └── Pending, woken meanwhile ──┐      │ Pending
//!                 ▼                                 │      │
//!              running ────────────────────────────┴──────┘
//!                 │      a wake or an abort of a running task is only noted
//!                 │ Ready, panic, cancelled
//!                 ▼
//!             complete     the output waits for the JoinHandle, if there is one
//! ```
//!
//! Eight flags and a reference count share the word:
//!
//! | flag          | is set while |
//! |---------------|--------------|
//! | `RUNNING`     | somebody polls or cancels the task |
//! | `COMPLETE`    | the future is gone; for ever |
//! | `NOTIFIED`    | the task is to be polled (again) |
//! | `CANCELLED`   | the task is to be cancelled instead of polled |
//! | `JOIN_HANDLE` | the `JoinHandle` exists |
//! | `JOIN_WAKER`  | the join waker's cell holds a waker |
//! | `INJECTED`    | of biased tasks only, see [`super::biased`] |
//! | `SEEN`        | of others only: somebody has seen the idle task wait, and no poll has begun since |
//!
//! The rules. The code cites them by number.
//!
//! 1. `RUNNING` is a lock. The thread that set it owns the stage (future or output) until it clears
//!    it.
//! 2. At most one `Notified` exists. It exists while an idle task has `NOTIFIED`; in a running task
//!    `NOTIFIED` tells the runner to make one when the poll is over. It holds one reference, which
//!    becomes the runner's.
//! 3. `COMPLETE` is set once, by the runner, together with clearing `RUNNING`. If `JOIN_HANDLE` was
//!    set at that moment the stage belongs to the `JoinHandle` from then on; if not, the runner has
//!    dropped the output *before*.
//! 4. The join waker's cell is initialised if and only if `JOIN_WAKER` is set. Before `COMPLETE`
//!    only the `JoinHandle` changes the flag: while it is clear the handle may write the cell,
//!    while it is set the handle may read it. After `COMPLETE` only the runner touches flag and
//!    cell: it moves the waker out and clears the flag. (A handle that read the flag just before
//!    may still compare the cell's bytes; moving out does not write.)
//! 5. The memory lives while the count is above zero or `JOIN_HANDLE` is set. Whoever takes the
//!    last of both away frees it. After a verb that gives a reference away the word is not touched
//!    again.
//! 6. A wake always writes, also when it changes nothing: what the waking thread did before must be
//!    visible to the poll that its wake asked for.
//!
//! # Memory ordering
//!
//! Promise A: a poll sees everything done before any wake that came before it, and before the
//! previous poll's end. Wakes and [`State::finish_pending`] write with Release; [`State::claim`]
//! and [`State::claim_for_shutdown`] pair with them with Acquire. All changes of the word are
//! read-modify-write, so each continues the release sequences of all before it.
//!
//! Promise B: a joiner sees the output, and the runner sees the joiner's waker. [`State::complete`]
//! releases the output to the Acquire of [`State::load`] and the join verbs, and acquires the waker
//! that [`State::join_waker_set`] released.
//!
//! Promise C: whoever frees the task sees every use of it. Every verb that gives a reference away
//! is Release, and the one that finds its reference to be the last is Acquire.
#![forbid(unsafe_code)]

use crate::loom::sync::atomic::{
    AtomicUsize,
    Ordering::{self, AcqRel, Acquire, Relaxed, Release},
};
use std::fmt;

pub(super) const RUNNING: usize = 1 << 0;
pub(super) const COMPLETE: usize = 1 << 1;
pub(super) const NOTIFIED: usize = 1 << 2;
pub(super) const CANCELLED: usize = 1 << 3;
pub(super) const JOIN_HANDLE: usize = 1 << 4;
pub(super) const JOIN_WAKER: usize = 1 << 5;
pub(super) const INJECTED: usize = 1 << 6;
pub(super) const SEEN: usize = 1 << 7;
pub(super) const REFERENCE: usize = 1 << 8;

pub(super) struct State(AtomicUsize);

/// The word as it was at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Snapshot(pub(super) usize);

impl Snapshot {
    pub(super) fn has(self, flag: usize) -> bool {
        self.0 & flag != 0
    }

    pub(super) fn with(self, flag: usize) -> Snapshot {
        Snapshot(self.0 | flag)
    }

    fn without(self, flag: usize) -> Snapshot {
        Snapshot(self.0 & !flag)
    }

    pub(super) fn minus_references(self, count: usize) -> Snapshot {
        assert!(self.references() >= count, "a task reference too few");
        Snapshot(self.0 - count * REFERENCE)
    }

    pub(super) fn is_last(self) -> bool {
        self.references() == 0 && !self.has(JOIN_HANDLE)
    }

    pub(super) fn references(self) -> usize {
        self.0 / REFERENCE
    }

    pub(super) fn is_complete(self) -> bool {
        self.has(COMPLETE)
    }

    pub(super) fn has_join_waker(self) -> bool {
        self.has(JOIN_WAKER)
    }
}

/// What the holder of a `Notified` does after [`State::claim`].
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Poll the future; the reference is now the runner's.
    Poll,
    /// Cancel the task; the reference is now the runner's.
    Cancel,
    /// Another thread is cancelling the task, or it is complete. The reference is gone.
    Lost,
    /// As `Lost`, and it was the last: free the task.
    Free,
}

/// What the runner does after a poll that returned `Pending`.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pending {
    /// Nothing. The reference is gone.
    Idle,
    /// Make a `Notified` of one of the two references it now holds, schedule it, drop the other.
    Again,
    /// Cancel the task: it was aborted during the poll and is still claimed.
    Cancel,
    /// Nobody can wake or join the task any more: drop its future and free it.
    Free,
}

/// What the runner does on its way to complete.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Completion {
    /// Not complete yet: drop the output, nobody will take it (rule 3), and come back.
    DropOutput,
    /// Complete; take the join waker, call [`State::join_waker_taken`], wake.
    WakeJoiner,
    /// Complete; the references are gone.
    Done,
    /// Complete, and the references were the last: free the task.
    Free,
}

/// What a thread does after a wake or an abort.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Nothing.
    Noted,
    /// Make a `Notified` of the reference just added and schedule it.
    Schedule,
    /// The waker's reference was the last: free the task.
    Free,
}

/// What a `JoinHandle` does on its way out.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Detach {
    /// The stage is the handle's: drop what is in it and come back.
    DropOutput,
    /// `JOIN_WAKER` was cleared: take the waker out of its cell and come back.
    TakeWaker,
    /// Nothing; others hold the task.
    Done,
    /// The handle was the last: free the task.
    Free,
}

/// The task completed before the join waker could be changed.
#[derive(Debug)]
pub(super) struct AlreadyComplete;

impl State {
    pub(super) fn new(word: usize) -> State {
        State(AtomicUsize::new(word))
    }

    /// A task with one `Notified` and a `JoinHandle`, in nobody's list.
    pub(super) fn new_unowned() -> State {
        State(AtomicUsize::new(REFERENCE | NOTIFIED | JOIN_HANDLE))
    }

    /// As [`State::new_unowned`] with one more reference, the list's.
    pub(super) fn new_owned() -> State {
        State(AtomicUsize::new((2 * REFERENCE) | NOTIFIED | JOIN_HANDLE))
    }

    /// Acquire pairs with the Release of [`State::complete`] (promise B).
    pub(super) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Acquire))
    }

    pub(super) fn word(&self, order: Ordering) -> usize {
        self.0.load(order)
    }

    pub(super) fn fetch_and(&self, mask: usize, order: Ordering) -> usize {
        self.0.fetch_and(mask, order)
    }

    pub(super) fn fetch_add(&self, change: usize, order: Ordering) -> usize {
        self.0.fetch_add(change, order)
    }

    /// Applies `change` until no other thread comes between. `None` leaves the word as it is.
    pub(super) fn update<R>(
        &self,
        success: Ordering,
        mut change: impl FnMut(Snapshot) -> (R, Option<Snapshot>),
    ) -> R {
        // Acquire also for words that are left alone: the caller may act on what it saw in them.
        let mut current = self.load();
        loop {
            let (result, next) = change(current);
            let Some(next) = next else { return result };
            match self
                .0
                .compare_exchange_weak(current.0, next.0, success, Acquire)
            {
                Ok(_) => return result,
                Err(actual) => current = Snapshot(actual),
            }
        }
    }

    /// The holder of the `Notified` wants to run the task.
    pub(super) fn claim(&self) -> Claim {
        // AcqRel: Acquire for promise A, Release for the reference given away in `Lost`.
        self.update(AcqRel, |now| {
            assert!(now.has(NOTIFIED), "a Notified without NOTIFIED");
            if now.has(RUNNING | COMPLETE) {
                let next = now.minus_references(1);
                let verdict = if next.is_last() {
                    Claim::Free
                } else {
                    Claim::Lost
                };
                return (verdict, Some(next));
            }
            let verdict = if now.has(CANCELLED) {
                Claim::Cancel
            } else {
                Claim::Poll
            };
            // To clear one more flag costs nothing.
            (verdict, Some(now.without(NOTIFIED | SEEN).with(RUNNING)))
        })
    }

    /// Notes that the task was seen to wait; false if it does not.
    #[must_use]
    pub(super) fn set_seen(&self) -> bool {
        // Acquire: nothing is published with it, and no order is asked for.
        self.update(Acquire, |now| {
            let waits = !now.has(RUNNING | COMPLETE | NOTIFIED);
            (waits, waits.then(|| now.with(SEEN)))
        })
    }

    /// The owner wants the task cancelled: true if the caller now holds `RUNNING` and must do it.
    /// Otherwise the current runner will, or the task is complete.
    #[must_use]
    pub(super) fn claim_for_shutdown(&self) -> bool {
        self.update(Acquire, |now| {
            let idle = !now.has(RUNNING | COMPLETE);
            let next = now.with(CANCELLED);
            (idle, Some(if idle { next.with(RUNNING) } else { next }))
        })
    }

    /// The poll returned `Pending`.
    pub(super) fn finish_pending(&self) -> Pending {
        // Release for promise A; Acquire because `Free` is about to free.
        self.update(AcqRel, |now| {
            assert!(now.has(RUNNING) && !now.has(COMPLETE), "not the runner");
            if now.has(CANCELLED) {
                return (Pending::Cancel, None);
            }
            let idle = now.without(RUNNING);
            if now.has(NOTIFIED) {
                return (Pending::Again, Some(Snapshot(idle.0 + REFERENCE)));
            }
            let next = idle.minus_references(1);
            if next.is_last() {
                return (Pending::Free, Some(next));
            }
            (Pending::Idle, Some(next))
        })
    }

    /// The runner stored the output, or dropped it if `output_dropped`, and gives up `references`
    /// references (its own, and the list's if it was there).
    pub(super) fn complete(&self, references: usize, output_dropped: bool) -> Completion {
        self.update(AcqRel, |now| {
            assert!(now.has(RUNNING) && !now.has(COMPLETE), "not the runner");
            if !now.has(JOIN_HANDLE) && !output_dropped {
                return (Completion::DropOutput, None);
            }
            let complete = now.without(RUNNING).with(COMPLETE);
            if now.has(JOIN_WAKER) {
                // The references are kept until the waker is out of its cell.
                return (Completion::WakeJoiner, Some(complete));
            }
            let next = complete.minus_references(references);
            let verdict = if next.is_last() {
                Completion::Free
            } else {
                Completion::Done
            };
            (verdict, Some(next))
        })
    }

    /// The runner moved the join waker out and gives up its references; true if it must free the
    /// task.
    #[must_use]
    pub(super) fn join_waker_taken(&self, references: usize) -> bool {
        let change = JOIN_WAKER + references * REFERENCE;
        // AcqRel: promise C. A subtraction clears the flag because it is known to be set.
        let before = Snapshot(self.0.fetch_sub(change, AcqRel));
        assert!(before.has(COMPLETE) && before.has(JOIN_WAKER));
        assert!(before.references() >= references);
        Snapshot(before.0 - change).is_last()
    }

    /// A waker is woken and keeps its reference.
    pub(super) fn wake_by_ref(&self) -> Wake {
        self.update(Release, |now| {
            if now.has(COMPLETE) {
                return (Wake::Noted, None);
            }
            if now.has(RUNNING | NOTIFIED) {
                // Rule 6, when NOTIFIED was there already.
                return (Wake::Noted, Some(now.with(NOTIFIED)));
            }
            let next = Snapshot(now.0 + REFERENCE).with(NOTIFIED);
            (Wake::Schedule, Some(next))
        })
    }

    /// A waker is woken and gives its reference up, except for [`Wake::Schedule`]: then the caller
    /// drops it after scheduling, because it needs the task while it does.
    pub(super) fn wake_by_value(&self) -> Wake {
        self.update(AcqRel, |now| {
            if !now.has(RUNNING | COMPLETE | NOTIFIED) {
                let next = Snapshot(now.0 + REFERENCE).with(NOTIFIED);
                return (Wake::Schedule, Some(next));
            }
            let mut next = now.minus_references(1);
            if now.has(RUNNING) {
                next = next.with(NOTIFIED);
            }
            let verdict = if next.is_last() {
                Wake::Free
            } else {
                Wake::Noted
            };
            (verdict, Some(next))
        })
    }

    /// The task is to be cancelled at its next turn.
    pub(super) fn abort(&self) -> Wake {
        self.update(Release, |now| {
            if now.has(CANCELLED | COMPLETE) {
                return (Wake::Noted, None);
            }
            let next = now.with(CANCELLED);
            if now.has(RUNNING) {
                // NOTIFIED is not needed: the runner looks at CANCELLED first.
                return (Wake::Noted, Some(next));
            }
            if now.has(NOTIFIED) {
                return (Wake::Noted, Some(next));
            }
            let next = Snapshot(next.0 + REFERENCE).with(NOTIFIED);
            (Wake::Schedule, Some(next))
        })
    }

    /// The handle wrote the join waker's cell (rule 4).
    pub(super) fn join_waker_set(&self) -> Result<(), AlreadyComplete> {
        self.update(Release, |now| {
            assert!(now.has(JOIN_HANDLE) && !now.has(JOIN_WAKER));
            if now.has(COMPLETE) {
                return (Err(AlreadyComplete), None);
            }
            (Ok(()), Some(now.with(JOIN_WAKER)))
        })
    }

    /// The handle wants to write the join waker's cell, which holds a waker (rule 4).
    pub(super) fn join_waker_cleared(&self) -> Result<(), AlreadyComplete> {
        // Relaxed: the cell was written by this same handle.
        self.update(Relaxed, |now| {
            assert!(now.has(JOIN_HANDLE));
            if now.has(COMPLETE) {
                return (Err(AlreadyComplete), None);
            }
            assert!(now.has(JOIN_WAKER));
            (Ok(()), Some(now.without(JOIN_WAKER)))
        })
    }

    /// The handle is dropped: says what must be done before, one thing at a time.
    pub(super) fn detach(&self, output_dropped: bool) -> Detach {
        self.update(AcqRel, |now| {
            assert!(now.has(JOIN_HANDLE));
            if !now.has(COMPLETE) && now.has(JOIN_WAKER) {
                return (Detach::TakeWaker, Some(now.without(JOIN_WAKER)));
            }
            // Without references nobody can ever run the task again, complete or not.
            let stage_is_ours = now.has(COMPLETE) || now.references() == 0;
            if stage_is_ours && !output_dropped {
                return (Detach::DropOutput, None);
            }
            if now.references() == 0 {
                // Nobody else can see the word any more, so it needs no last write.
                return (Detach::Free, None);
            }
            (Detach::Done, Some(now.without(JOIN_HANDLE)))
        })
    }

    pub(super) fn add_reference(&self) {
        // Relaxed: the caller has one already, so nothing is decided here.
        let before = self.0.fetch_add(REFERENCE, Relaxed);
        abort_if_leaked(before);
    }

    /// True if it was the last: the caller frees the task.
    #[must_use]
    pub(super) fn drop_reference(&self) -> bool {
        // AcqRel: promise C.
        let before = Snapshot(self.0.fetch_sub(REFERENCE, AcqRel));
        assert!(before.references() >= 1, "a task reference too few");
        Snapshot(before.0 - REFERENCE).is_last()
    }
}

/// `word` is what references were added to. Only leaked wakers get this far; going on would free a
/// task that is in use.
pub(super) fn abort_if_leaked(word: usize) {
    if word > isize::MAX as usize {
        std::process::abort();
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            (RUNNING, "running"),
            (COMPLETE, "complete"),
            (NOTIFIED, "notified"),
            (CANCELLED, "cancelled"),
            (JOIN_HANDLE, "join handle"),
            (JOIN_WAKER, "join waker"),
            (INJECTED, "injected"),
            (SEEN, "seen"),
        ];
        let mut list = f.debug_set();
        for (flag, name) in flags {
            if self.has(flag) {
                list.entry(&format_args!("{name}"));
            }
        }
        list.entry(&format_args!("{} references", self.references()))
            .finish()
    }
}
