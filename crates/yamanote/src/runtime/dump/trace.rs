//! The stacks of one poll.
#![forbid(unsafe_code)]

use std::ffi::c_void;
use std::fmt;

use super::frames::Backtrace;
use super::root::Root;
use super::tree;
use crate::util::{coop, trace};

/// The calls by which one poll has reached leaves, which are futures of this crate that wait.
///
/// [`Display`](fmt::Display) writes them as a tree. That and
/// [`resolve_backtraces`](Self::resolve_backtraces) look names up in the program's file, for
/// milliseconds, and the first time, or in a large program, for a second: better in
/// [`spawn_blocking`](crate::task::spawn_blocking). Both need a program that has its symbols.
#[derive(Debug)]
pub struct Trace {
    stacks: Vec<Vec<backtrace::BacktraceFrame>>,
}

impl Trace {
    /// The stacks, with names: one for each leaf that was reached, so that there are several where
    /// a task waits for several things at once.
    pub fn resolve_backtraces(&self) -> Vec<Backtrace> {
        self.stacks
            .iter()
            .cloned()
            .map(Backtrace::resolve)
            .collect()
    }

    /// Runs `f` and returns, with its result, the leaves that it has reached. As a rule `f` polls a
    /// future.
    ///
    /// A leaf does nothing meanwhile but report `Pending`. Its task is woken when the scheduler has
    /// control again, or at once if there is none, because the future has to be polled once more,
    /// without this, to wait for something. So whoever captures at every poll is polled for ever.
    ///
    /// Inside of another capture, that one does not hear of the leaves.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::pin::pin;
    /// use std::task::Poll;
    /// use yamanote::runtime::dump::Trace;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut future = pin!(Trace::root(yamanote::task::yield_now()));
    /// let trace = poll_fn(|cx| {
    ///     let (polled, trace) = Trace::capture(|| future.as_mut().poll(cx));
    ///     assert!(polled.is_pending());
    ///     Poll::Ready(trace)
    /// });
    /// assert_eq!(trace.await.resolve_backtraces().len(), 1);
    /// future.await;
    /// # }
    /// ```
    pub fn capture<F, R>(f: F) -> (R, Trace)
    where
        F: FnOnce() -> R,
    {
        let mut stacks = Vec::new();
        let note = |called, root| stacks.push(walk(called, root));
        let result = with_leaves(note, f);
        (result, Trace { stacks })
    }

    /// A future of which traces show what is inside of it, and nothing outside. The innermost one
    /// counts. Without one a trace goes on to the main function of the thread.
    pub fn root<F>(f: F) -> Root<F>
    where
        F: Future,
    {
        Root::new(f)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tree::write(&self.resolve_backtraces(), f)
    }
}

/// Which part of the stack a leaf is about; see [`trace_with`].
#[derive(Debug)]
#[non_exhaustive]
pub struct TraceMeta {
    /// The function that polls the innermost [`Root`]: what is outside of the root begins with it.
    pub root_addr: Option<*const c_void>,
    /// The function by which the leaf says that it is one. What it has called is about the trace.
    pub trace_leaf_addr: *const c_void,
}

/// As [`Trace::capture`], for whoever walks the stack: `trace_leaf` is called at each leaf, on its
/// stack.
///
/// # Examples
///
/// ```
/// use std::future::poll_fn;
/// use std::pin::pin;
/// use std::task::Poll;
/// use yamanote::runtime::dump::trace_with;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut future = pin!(async {
///     yamanote::join!(yamanote::task::yield_now(), yamanote::task::yield_now())
/// });
/// let leaves = poll_fn(|cx| {
///     let mut leaves = 0;
///     let polled = trace_with(|| future.as_mut().poll(cx), |_| leaves += 1);
///     assert!(polled.is_pending());
///     Poll::Ready(leaves)
/// });
/// assert_eq!(leaves.await, 2);
/// # }
/// ```
pub fn trace_with<FN, FT, R>(f: FN, mut trace_leaf: FT) -> R
where
    FN: FnOnce() -> R,
    FT: FnMut(&TraceMeta),
{
    let note = |called: *const (), root: Option<*const ()>| {
        trace_leaf(&TraceMeta {
            root_addr: root.map(|root| root.cast()),
            trace_leaf_addr: called.cast(),
        });
    };
    with_leaves(note, f)
}

/// Runs `f`, in which each leaf is told to `note`: the function it has called, and the root.
fn with_leaves<R>(mut note: impl FnMut(*const (), Option<*const ()>), f: impl FnOnce() -> R) -> R {
    let note = |_, called| note(called, trace::root());
    trace::capture_with(note, || coop::with_none(f))
}

/// The calls between two functions of this stack, which are not among them.
fn walk(called: *const (), root: Option<*const ()>) -> Vec<backtrace::BacktraceFrame> {
    let mut frames = Vec::new();
    backtrace::trace(|frame| {
        let function = frame.symbol_address().cast_const().cast();
        if Some(function) == root {
            return false;
        }
        match function == called {
            true => frames.clear(),
            false => frames.push(frame.clone().into()),
        }
        true
    });
    frames
}
