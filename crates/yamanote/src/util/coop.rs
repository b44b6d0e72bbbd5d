//! The cooperative budget of the task that is being polled on this thread.
//!
//! Every leaf resource asks [`poll_proceed`] before it makes progress. When the budget of the
//! current poll is spent, the resource has its own task woken [later](defer) and reports `Pending`.
//! So a task whose resources are always ready still lets its siblings run. The scheduler gives each
//! poll a fresh budget with [`budget`]; outside a scheduler there is no limit.
//!
//! The budget is a plain thread-local cell at the bottom of the crate, set from above.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::Location;
use std::task::{Context, Poll, Waker};

use super::defer;
use super::trace::{self, is_capturing};

/// Units a task may spend in one poll. Tokio's number: its tests count on it.
const UNITS_PER_POLL: u8 = 128;

/// The units that are left; [`u8::MAX`] means unconstrained. One byte, because it is changed twice
/// a poll and for each unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget(u8);

impl Budget {
    const NONE: Budget = Budget(0);

    pub(crate) const fn fresh() -> Self {
        Budget(UNITS_PER_POLL)
    }

    pub(crate) const fn unconstrained() -> Self {
        Budget(u8::MAX)
    }

    fn has_remaining(self) -> bool {
        self != Budget::NONE
    }

    /// It is what a poll has left.
    #[inline]
    fn note(self) -> Left {
        match self.has_remaining() {
            true => Left::Some,
            false => {
                note_used_up();
                Left::Nothing
            }
        }
    }

    fn is_limited(self) -> bool {
        self != Budget::unconstrained()
    }
}

thread_local! {
    // Neither needs a drop: they are there to the very end of the thread, in destructors that drop
    // tasks.
    static CURRENT: Cell<Budget> = const { Cell::new(Budget::unconstrained()) };

    /// Polls that have used up their budget.
    static USED_UP: Cell<u64> = const { Cell::new(0) };
}

/// Replaces the current budget and returns the old one.
pub(crate) fn replace(budget: Budget) -> Budget {
    CURRENT.replace(budget)
}

/// This thread runs a scheduler: between polls it has no limit, and each poll has a fresh budget.
/// The drop puts the outer budget back.
pub(crate) struct BetweenPolls {
    outer: Budget,
    /// The budget is this thread's.
    not_send: PhantomData<*mut ()>,
}

impl BetweenPolls {
    pub(crate) fn begin() -> BetweenPolls {
        BetweenPolls {
            outer: replace(Budget::unconstrained()),
            not_send: PhantomData,
        }
    }

    /// Runs `f`, one poll of a task; says how it has left its budget.
    #[inline]
    pub(crate) fn poll<R>(&self, f: impl FnOnce() -> R) -> (R, Left) {
        CURRENT.set(Budget::fresh());
        let result = f();
        let left = replace(Budget::unconstrained());
        (result, left.note())
    }
}

impl Drop for BetweenPolls {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

/// Puts the outer budget back.
struct Reset(Budget);

impl Drop for Reset {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

fn with_budget<R>(budget: Budget, f: impl FnOnce() -> R) -> R {
    let _reset = Reset(replace(budget));
    f()
}

/// Runs `f`, one poll of a task, with a fresh budget.
pub(crate) fn budget<R>(f: impl FnOnce() -> R) -> R {
    with_budget(Budget::fresh(), || {
        let result = f();
        CURRENT.get().note();
        result
    })
}

/// What a poll has left of its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Some,
    Nothing,
}

#[cold]
fn note_used_up() {
    USED_UP.set(USED_UP.get() + 1);
}

/// How many polls on this thread have used up their budget since the last call.
pub(crate) fn take_used_up() -> u64 {
    USED_UP.take()
}

/// Runs `f` without a limit, unless the task is only looked at.
pub(crate) fn with_unconstrained<R>(f: impl FnOnce() -> R) -> R {
    if is_capturing() {
        return f();
    }
    with_budget(Budget::unconstrained(), f)
}

/// Runs `f`, one poll of a task, with a spent budget: no leaf makes progress. For
/// [`capture`](super::trace::capture).
pub(crate) fn with_none<R>(f: impl FnOnce() -> R) -> R {
    with_budget(Budget::NONE, f)
}

#[inline]
pub(crate) fn has_budget_remaining() -> bool {
    CURRENT.get().has_remaining()
}

/// Spends up to `units` more, for work that takes long without being a poll of its own (copying
/// many bytes inline). Never goes below zero.
pub(crate) fn consume(units: usize) {
    let Budget(left) = CURRENT.get();
    if Budget(left).is_limited() {
        let units = u8::try_from(units).unwrap_or(u8::MAX);
        CURRENT.set(Budget(left.saturating_sub(units)));
    }
}

/// Gives the unit taken by `poll_proceed` back when dropped, unless progress was made.
///
/// Whatever else was spent in between is given back too.
#[must_use = "call made_progress() when the resource did something"]
#[derive(Debug)]
pub struct RestoreOnPending {
    before: Cell<Budget>,
    /// The budget is this thread's.
    not_send: PhantomData<*mut ()>,
}

impl RestoreOnPending {
    fn new(before: Budget) -> RestoreOnPending {
        RestoreOnPending {
            before: Cell::new(before),
            not_send: PhantomData,
        }
    }

    /// The resource returned `Ready`: the unit stays spent.
    pub fn made_progress(&self) {
        self.before.set(Budget::unconstrained());
    }
}

impl Drop for RestoreOnPending {
    fn drop(&mut self) {
        let before = self.before.get();
        if before.is_limited() {
            CURRENT.set(before);
        }
    }
}

/// Takes one unit, or reports `Pending` and has the task woken later if none is left.
#[inline]
#[track_caller]
pub(crate) fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    let before = CURRENT.get();
    if before.has_remaining() {
        CURRENT.set(Budget(before.0 - u8::from(before.is_limited())));
        Poll::Ready(RestoreOnPending::new(before))
    } else {
        refuse(cx.waker(), Location::caller());
        Poll::Pending
    }
}

/// There is no unit left: because they are spent, or because the task is only looked at.
#[cold]
#[inline(never)]
fn refuse(waker: &Waker, at: &'static Location<'static>) {
    match is_capturing() {
        true => trace::record(waker, at, refuse as *const ()),
        false => defer::wake_later_spent(waker),
    }
}

#[cfg(test)]
mod tests {
    use super::super::trace::capture;
    use super::*;

    #[test]
    fn a_poll_may_spend_128_units_and_pending_gives_back() {
        let mut cx = Context::from_waker(Waker::noop());
        budget(|| {
            for _ in 0..127 {
                let Poll::Ready(unit) = poll_proceed(&mut cx) else {
                    panic!("budget spent too early");
                };
                unit.made_progress();
            }
            // Not progress: the unit comes back.
            assert!(poll_proceed(&mut cx).is_ready());
            let Poll::Ready(last) = poll_proceed(&mut cx) else {
                panic!("the unit did not come back");
            };
            last.made_progress();
            assert!(!has_budget_remaining());
            assert!(poll_proceed(&mut cx).is_pending());
        });
        assert!(has_budget_remaining());
    }

    #[test]
    fn in_a_capture_every_leaf_that_spends_budget_is_recorded() {
        let mut cx = Context::from_waker(Waker::noop());
        let ((), stacks) = capture(false, || {
            with_none(|| {
                assert!(poll_proceed(&mut cx).is_pending());
                with_unconstrained(|| assert!(poll_proceed(&mut cx).is_pending()));
            });
        });
        assert_eq!(stacks.len(), 2);
        with_none(|| assert!(poll_proceed(&mut cx).is_pending()));
        with_none(|| with_unconstrained(|| assert!(poll_proceed(&mut cx).is_ready())));
    }

    #[test]
    fn polls_that_use_up_their_budget_are_counted() {
        take_used_up();
        budget(|| consume(127));
        assert_eq!(take_used_up(), 0);
        budget(|| budget(|| consume(128)));
        with_none(|| ());
        assert_eq!(take_used_up(), 1);
        assert_eq!(take_used_up(), 0);
    }

    #[test]
    fn consume_stops_at_zero() {
        budget(|| {
            consume(1_000_000);
            assert!(!has_budget_remaining());
            with_unconstrained(|| assert!(has_budget_remaining()));
            assert!(!has_budget_remaining());
        });
    }
}
