//! Where a task waits: the leaves of its tree of futures say so themselves.
//!
//! Every leaf resource calls [`trace_leaf`], directly or, if it spends budget, when it asks for a
//! unit and there is none left ([`coop::poll_proceed`](super::coop::poll_proceed)). While
//! [`capture`] polls a task, without budget, each leaf it reaches is told of, with the stack that
//! led there, and reports `Pending` without doing anything, so that the stacks show what the task
//! would wait for. The task is woken, since its resources have not seen its waker.
#![forbid(unsafe_code)]

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::panic::Location;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, Waker};

use super::{defer, on_leaf};

thread_local! {
    static CAPTURING: Cell<bool> = const { Cell::new(false) };
    /// The function where the stacks of traces end, null for none.
    static ROOT: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

/// Something that a task waits for.
#[derive(Debug)]
pub(crate) struct Leaf {
    at: &'static Location<'static>,
    stack: Option<Backtrace>,
}

impl Leaf {
    /// The module of this crate in which the task waits, such as `time::sleep`.
    pub(crate) fn module(&self) -> String {
        let file = self.at.file();
        let file = file.rsplit_once("src/").map_or(file, |(_, file)| file);
        let file = file.strip_suffix(".rs").unwrap_or(file);
        file.strip_suffix("/mod").unwrap_or(file).replace('/', "::")
    }

    /// What the task has called to get there: the innermost first, without what is ours above and
    /// below.
    pub(crate) fn stack(&self) -> Option<String> {
        Some(within_task(&self.stack.as_ref()?.to_string()))
    }
}

/// Of a stack as std prints it, the part between the leaf and the scheduler. All, where it does not
/// tell files.
fn within_task(stack: &str) -> String {
    let mut frames: Vec<String> = Vec::new();
    for line in stack.lines() {
        let number = line.trim_start().split_once(": ").map(|(number, _)| number);
        let is_first = number.is_some_and(|number| number.bytes().all(|it| it.is_ascii_digit()));
        match frames.last_mut() {
            Some(frame) if !is_first => {
                frame.push('\n');
                frame.push_str(line);
            }
            _ => frames.push(line.to_owned()),
        }
    }
    let is_in = |frame: &String, files: &[&str]| files.iter().any(|file| frame.contains(file));
    let scheduler = |frame: &String| is_in(frame, &["src/runtime/task/run.rs"]);
    let end = frames.iter().position(scheduler).unwrap_or(frames.len());
    let ours = ["src/util/trace.rs", "src/util/coop.rs"];
    let first = frames.iter().position(|frame| is_in(frame, &ours));
    let others = |frame: &String| !is_in(frame, &ours);
    let begin = first.and_then(|first| Some(first + frames[first..].iter().position(others)?));
    frames[begin.unwrap_or(0).min(end)..end].join("\n")
}

/// Runs `f`, one poll of a task [without budget](super::coop::with_none), and returns each leaf
/// that it reached.
pub(crate) fn capture<R>(with_stacks: bool, f: impl FnOnce() -> R) -> (R, Vec<Leaf>) {
    let mut leaves = Vec::new();
    let note = |at, _| {
        let stack = with_stacks.then(Backtrace::force_capture);
        leaves.push(Leaf { at, stack });
    };
    let result = capture_with(note, f);
    (result, leaves)
}

/// As [`capture`]; each leaf is told to `note`, with the function of this crate that it has called:
/// on the stack, what the task did is between it and the [root](poll_root).
pub(crate) fn capture_with<R>(
    mut note: impl FnMut(&'static Location<'static>, *const ()),
    f: impl FnOnce() -> R,
) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            CAPTURING.set(self.0);
        }
    }
    let _outer = Restore(CAPTURING.replace(true));
    on_leaf::with(&mut |(at, called)| note(at, called), f)
}

/// Polls `future`, and what is captured meanwhile knows that its stacks are to end here.
#[inline(never)]
pub(crate) fn poll_root<F: Future + ?Sized>(
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    struct Restore(*const ());
    impl Drop for Restore {
        fn drop(&mut self) {
            ROOT.set(self.0);
        }
    }
    let _outer = Restore(ROOT.replace(poll_root::<F> as *const ()));
    future.poll(cx)
}

unstable! {
    /// The innermost [`poll_root`] on this thread's stack.
    #[cfg(feature = "taskdump")]
    pub(crate) fn root() -> Option<*const ()> {
        Some(ROOT.get()).filter(|root| !root.is_null())
    }
}

/// Asked by a leaf before it waits; `Pending` while the task is only being looked at.
#[inline]
#[track_caller]
pub(crate) fn trace_leaf(cx: &mut Context<'_>) -> Poll<()> {
    trace_leaf_in(cx, Location::caller(), record as *const ())
}

/// As [`trace_leaf`], in the function `called`, which the leaf has called.
#[inline]
pub(crate) fn trace_leaf_in(
    cx: &mut Context<'_>,
    at: &'static Location<'static>,
    called: *const (),
) -> Poll<()> {
    if is_capturing() {
        record(cx.waker(), at, called);
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
#[inline(never)]
pub(super) fn record(waker: &Waker, at: &'static Location<'static>, called: *const ()) {
    on_leaf::call((at, called));
    defer::wake_later(waker);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_that_of_the_task() {
        let stack = "   0: record\n             at ./src/util/trace.rs:101:29\n   1: poll\n   \
                     2: inner: x\n             at ./tests/a.rs:3:4\n   3: run\n             at \
                     ./src/runtime/task/run.rs:1:1\n   4: main";
        let expected = "   1: poll\n   2: inner: x\n             at ./tests/a.rs:3:4";
        assert_eq!(within_task(stack), expected);
        assert_eq!(
            within_task("   0: <unknown>\n   1: a"),
            "   0: <unknown>\n   1: a"
        );
    }

    #[test]
    fn leaves_stop_and_are_recorded_only_in_a_capture() {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(trace_leaf(&mut cx).is_ready());
        let ((), leaves) = capture(true, || {
            assert!(trace_leaf(&mut cx).is_pending());
            let ((), inner) = capture(false, || assert!(trace_leaf(&mut cx).is_pending()));
            assert_eq!(inner.len(), 1);
            assert_eq!(inner[0].stack(), None);
            assert_eq!(inner[0].module(), "util::trace");
            assert!(trace_leaf(&mut cx).is_pending());
        });
        assert_eq!(leaves.len(), 2);
        assert!(leaves[1].stack().is_some());
        assert!(trace_leaf(&mut cx).is_ready());
    }
}
