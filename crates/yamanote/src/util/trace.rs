//! Where a task waits: the leaves of its tree of futures, told by the leaves themselves.
//!
//! Every leaf resource calls [`trace_leaf`] first. While [`capture`] polls a task, each leaf it
//! reaches records the stack and reports `Pending` without doing anything, so that the stacks show
//! what the task would wait for. The task is woken, since its resources have not seen its waker.
#![forbid(unsafe_code)]
#![allow(dead_code)]

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::task::{Context, Poll};

use super::defer;

thread_local! {
    /// Apart from the stacks, so that the usual question is one load, without a destructor.
    static CAPTURING: Cell<bool> = const { Cell::new(false) };
    static STACKS: RefCell<Vec<Backtrace>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f`, one poll of a task, and returns the stack of each leaf that it reached.
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

/// Asked by a leaf at the beginning of its poll; `Pending` while the task is only being looked at.
#[inline]
pub(crate) fn trace_leaf(cx: &mut Context<'_>) -> Poll<()> {
    // A thread's last destructors may still poll; nobody captures there.
    if CAPTURING.try_with(Cell::get).unwrap_or(false) {
        record(cx);
        return Poll::Pending;
    }
    Poll::Ready(())
}

#[cold]
fn record(cx: &mut Context<'_>) {
    let stack = Backtrace::force_capture();
    STACKS.with_borrow_mut(|stacks| stacks.push(stack));
    defer::wake_later(cx.waker());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

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
