//! An operation that completes many times: armed once, armed again when the kernel ends it.
//!
//! Results wait in the slot until they are asked for, and belong to this value, which the resource
//! (a listener) keeps: a caller who stops waiting loses nothing. Dropping it cancels the operation
//! and drops the results nobody took.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::sys::uring::sqe::Sqe;

use super::table::{Drop as OnDropAnswer, PollResults};
use super::{Cancellable, Completable, CqeResult, Key, LOST, Operation, Pushed, Rings, push};
use crate::runtime::driver::Driver;
use crate::util::coop;

/// One kind of multishot.
///
/// # Safety
///
/// The contract of [`Operation`], until the completion without `F_MORE`.
pub(crate) unsafe trait Multishot: Send + 'static {
    /// What one completion brings. It owns what it carries.
    type Item: Send + 'static;

    /// Fills the submission. `self` stands at its final address.
    fn prepare(&mut self) -> Sqe;

    fn item(cqe: CqeResult) -> Self::Item;
}

/// A multishot as the slot sees it: an operation that gives itself back at the end.
struct Armed<T>(T);

impl<T: Multishot> Completable for Armed<T> {
    type Output = ();

    fn complete(self, cqe: CqeResult) {
        drop(T::item(cqe));
    }
}

impl<T: Multishot> Cancellable for Armed<T> {}

// SAFETY: that of the multishot it holds, to which all is passed on.
unsafe impl<T: Multishot> Operation for Armed<T> {
    fn prepare(&mut self) -> Sqe {
        self.0.prepare()
    }

    /// Has no plain twin as a whole: without a ring its resource makes single calls.
    fn run_blocking(self) {}
}

fn discard<T: Multishot>(cqe: CqeResult) -> Box<dyn Any + Send> {
    Box::new(T::item(cqe))
}

enum State<T> {
    /// Nothing is asked of the kernel.
    Disarmed(T),
    Armed(Key),
    /// While a state is replaced; and for ever after a panic in between.
    Between,
}

/// A stream of completions of one submission after another.
pub(crate) struct MultiOp<T: Multishot, R: Rings = Driver> {
    rings: Arc<R>,
    state: State<T>,
    /// Taken from the slot and not yet given out.
    results: VecDeque<CqeResult>,
}

impl<T: Multishot, R: Rings> MultiOp<T, R> {
    pub(crate) fn new(rings: Arc<R>, operation: T) -> Self {
        MultiOp {
            rings,
            state: State::Disarmed(operation),
            results: VecDeque::new(),
        }
    }

    /// The next item. Never ends: an error is an item, after which the operation is armed again.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<T::Item> {
        let unit = ready!(coop::poll_proceed(cx));
        let mut spare = None;
        loop {
            if let Some(cqe) = self.results.pop_front() {
                if is_cancellation(&cqe) {
                    // Not by us, who live: the thread that had armed it is gone.
                    continue;
                }
                unit.made_progress();
                return Poll::Ready(T::item(cqe));
            }
            match std::mem::replace(&mut self.state, State::Between) {
                State::Disarmed(operation) => {
                    let waker = cx.waker().clone();
                    let operation = Armed(operation);
                    let (state, answer) =
                        match push(&*self.rings, operation, waker, Some(discard::<T>)) {
                            Pushed::Started(key) => (State::Armed(key), Poll::Pending),
                            Pushed::Full(operation) => {
                                (State::Disarmed(operation.0), Poll::Pending)
                            }
                            Pushed::Refused(operation, error) => (
                                State::Disarmed(operation.0),
                                Poll::Ready(T::item(CqeResult::failed(error))),
                            ),
                        };
                    self.state = state;
                    return answer;
                }
                State::Armed(key) => {
                    let answer = match self.rings.ring(key.slot) {
                        Ok(mut ring) => ring.table().poll_results(key, cx.waker(), &mut spare),
                        Err(error) => panic!("the ring of this operation was given up: {error}"),
                    };
                    self.state = State::Armed(key);
                    match answer {
                        PollResults::Pending => return Poll::Pending,
                        PollResults::NeedsWaker => spare = Some(cx.waker().clone()),
                        PollResults::Some(results) => self.results = results,
                        PollResults::Last(payload, results) => {
                            // SAFETY: made of an `Armed<T>`; the table saw the last CQE.
                            let operation = unsafe { payload.reclaim::<Armed<T>>() };
                            self.state = State::Disarmed(operation.0);
                            self.results = results;
                        }
                        PollResults::Lost => panic!("{LOST}"),
                    }
                }
                State::Between => panic!("a multishot was used after it had panicked"),
            }
        }
    }
}

fn is_cancellation(cqe: &CqeResult) -> bool {
    cqe.result
        .as_ref()
        .is_err_and(|error| error.raw_os_error() == Some(libc::ECANCELED))
}

impl<T: Multishot, R: Rings> Drop for MultiOp<T, R> {
    fn drop(&mut self) {
        let mut unwanted = std::mem::take(&mut self.results);
        if let State::Armed(key) = self.state {
            unwanted.extend(self.disarm(key));
        }
        for cqe in unwanted {
            drop(T::item(cqe));
        }
    }
}

impl<T: Multishot, R: Rings> MultiOp<T, R> {
    /// Leaves the slot; the results nobody took.
    fn disarm(&mut self, key: Key) -> VecDeque<CqeResult> {
        // Without a ring it was leaked, and the payload with it.
        let Ok(mut ring) = self.rings.ring(key.slot) else {
            return VecDeque::new();
        };
        let answer = ring.orphan(key);
        drop(ring);
        match answer {
            OnDropAnswer::Disarmed {
                results, payload, ..
            } => {
                match payload {
                    // SAFETY: made of an `Armed<T>`; the table saw the last CQE.
                    Some(payload) => drop(unsafe { payload.reclaim::<Armed<T>>() }),
                    None => self.rings.after_push(key.slot),
                }
                results
            }
            OnDropAnswer::Kept { .. } => {
                self.rings.after_push(key.slot);
                VecDeque::new()
            }
            OnDropAnswer::Gone | OnDropAnswer::Finished(..) => {
                unreachable!("an armed multishot has its slot, and results in it")
            }
        }
    }
}
