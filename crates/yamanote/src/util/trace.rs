//! Where a task waits: the leaves of its tree of futures say so themselves.
//!
//! Every leaf resource calls [`trace_leaf`], directly or, if it spends budget, when it asks for a
//! unit and there is none left ([`coop::poll_proceed`](super::coop::poll_proceed)). While
//! [`capture`] polls a task, without budget, each leaf it reaches records the stack and reports
//! `Pending` without doing anything, so that the stacks show what the task would wait for. The task
//! is woken, since its resources have not seen its waker.
#![forbid(unsafe_code)]

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use super::defer;

thread_local! {
    /// Apart from the stacks, so that the usual question is one load, without a destructor.
    static CAPTURING: Cell<bool> = const { Cell::new(false) };
    static STACKS: RefCell<Vec<Backtrace>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f`, one poll of a task [without budget](super::coop::with_none), and returns the stack of
/// each leaf that it reached.
#[cfg_attr(not(test), expect(dead_code, reason = "task dumps will call it"))]
pub(crate) fn capture<R>(f: impl FnOnce() -> R) -> (R, Vec<Backtrace>) {
    struct Restore {
        capturing: bool,
        stacks: Vec<Backtrace>,
    }
    impl Drop for Restore {
        fn drop(&mut self) {
            CAPTURING.set(self.capturing);
            STACKS.replace(std::mem::take(&mut self.stacks));
        }
    }
    let _outer = Restore {
        capturing: CAPTURING.replace(true),
        stacks: STACKS.take(),
    };
    let result = f();
    (result, STACKS.take())
}

/// Asked by a leaf before it waits; `Pending` while the task is only being looked at.
#[inline]
pub(crate) fn trace_leaf(cx: &mut Context<'_>) -> Poll<()> {
    if is_capturing() {
        record(cx.waker());
        return Poll::Pending;
    }
    Poll::Ready(())
}

#[inline]
pub(crate) fn is_capturing() -> bool {
    // A thread's last destructors may still poll; nobody captures there.
    CAPTURING.try_with(Cell::get).unwrap_or(false)
}

/// Notes that the leaf whose task has this waker was reached.
#[cold]
pub(super) fn record(waker: &Waker) {
    let stack = Backtrace::force_capture();
    STACKS.with_borrow_mut(|stacks| stacks.push(stack));
    defer::wake_later(waker);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_stop_and_are_recorded_only_in_a_capture() {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(trace_leaf(&mut cx).is_ready());
        let ((), stacks) = capture(|| {
            assert!(trace_leaf(&mut cx).is_pending());
            let ((), inner) = capture(|| assert!(trace_leaf(&mut cx).is_pending()));
            assert_eq!(inner.len(), 1);
            assert!(trace_leaf(&mut cx).is_pending());
        });
        assert_eq!(stacks.len(), 2);
        assert!(trace_leaf(&mut cx).is_ready());
    }
}
