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

/// `None` means unconstrained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget(Option<u8>);

impl Budget {
    pub(crate) const fn fresh() -> Self {
        Budget(Some(UNITS_PER_POLL))
    }

    pub(crate) const fn unconstrained() -> Self {
        Budget(None)
    }

    fn has_remaining(self) -> bool {
        self.0.is_none_or(|units| units > 0)
    }
}

thread_local! {
    static CURRENT: Cell<Budget> = const { Cell::new(Budget::unconstrained()) };

    /// Polls that have used up their budget.
    static USED_UP: Cell<u64> = const { Cell::new(0) };
}

/// Replaces the current budget and returns the old one.
pub(crate) fn replace(budget: Budget) -> Budget {
    // A destructor of another thread-local may drop tasks after this cell is gone; the budget has
    // no meaning there.
    CURRENT
        .try_with(|cell| cell.replace(budget))
        .unwrap_or(Budget::unconstrained())
}

fn with_budget<R>(budget: Budget, f: impl FnOnce() -> R) -> R {
    struct Reset(Budget);
    impl Drop for Reset {
        fn drop(&mut self) {
            replace(self.0);
        }
    }
    let _reset = Reset(replace(budget));
    f()
}

/// Runs `f`, one poll of a task, with a fresh budget.
pub(crate) fn budget<R>(f: impl FnOnce() -> R) -> R {
    budget_noting(f).0
}

/// As [`budget`]; says how the poll has left the budget.
pub(crate) fn budget_noting<R>(f: impl FnOnce() -> R) -> (R, Left) {
    with_budget(Budget::fresh(), || {
        let result = f();
        match has_budget_remaining() {
            true => (result, Left::Some),
            false => {
                note_used_up();
                (result, Left::Nothing)
            }
        }
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
    let _ = USED_UP.try_with(|polls| polls.set(polls.get() + 1));
}

/// How many polls on this thread have used up their budget since the last call.
pub(crate) fn take_used_up() -> u64 {
    USED_UP.try_with(Cell::take).unwrap_or(0)
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
    with_budget(Budget(Some(0)), f)
}

#[inline]
pub(crate) fn has_budget_remaining() -> bool {
    CURRENT
        .try_with(|cell| cell.get().has_remaining())
        .unwrap_or(true)
}

/// Spends up to `units` more, for work that takes long without being a poll of its own (copying
/// many bytes inline). Never goes below zero.
pub(crate) fn consume(units: usize) {
    let _ = CURRENT.try_with(|cell| {
        if let Budget(Some(left)) = cell.get() {
            let units = u8::try_from(units).unwrap_or(u8::MAX);
            cell.set(Budget(Some(left.saturating_sub(units))));
        }
    });
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
        if before != Budget::unconstrained() {
            replace(before);
        }
    }
}

/// Takes one unit, or reports `Pending` and has the task woken later if none is left.
#[inline]
#[track_caller]
pub(crate) fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    let taken = CURRENT.try_with(|cell| {
        let before = cell.get();
        match before {
            Budget(None) => Some(Budget::unconstrained()),
            Budget(Some(0)) => None,
            Budget(Some(units)) => {
                cell.set(Budget(Some(units - 1)));
                Some(before)
            }
        }
    });
    match taken {
        Ok(Some(before)) => Poll::Ready(RestoreOnPending::new(before)),
        Ok(None) => {
            refuse(cx.waker(), Location::caller());
            Poll::Pending
        }
        Err(_) => Poll::Ready(RestoreOnPending::new(Budget::unconstrained())),
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
