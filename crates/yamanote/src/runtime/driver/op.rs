//! The life of one io_uring operation.
//!
//! ```text
//!  Op<T>          its entry in the ring's table            the payload (T) belongs to
//!  ------------   -------------------------------------    --------------------------
//!  Initialize     none                               (I)   the future
//!      | poll: push the SQE
//!      v
//!  Polled(key)    Waiting, SQE in the queue          (P)   the entry, from here on
//!      |             |     SQE taken by the kernel   (S)
//!      |             |---- last CQE ---> Completed   (C)
//!      |             | drop of the future
//!      |             v
//!      |          Orphan - last CQE ---> none        (X)   the reaper's garbage
//!      | poll takes payload and result
//!      v
//!  Complete       none                                     the caller
//! ```
//!
//! Rules the code cites:
//!
//! 1. From the push of its SQE to its last CQE the payload is the entry's, and nobody touches it.
//!    Cancelling asks the kernel to hurry; only the last CQE frees. If it never comes, the payload
//!    is leaked.
//! 2. P and S differ only in whether the kernel's head has passed the SQE. The entry does not care:
//!    a failed `io_uring_enter` leaves the SQE where it is, and it runs later.
//! 3. A CQE finds its entry by index and generation. What finds none is counted and ignored. An
//!    entry whose generations are used up is never used again.
//! 4. A CQE is the last one when it lacks `F_MORE`, whatever else it says. No operation here asks
//!    for more than one; a CQE that announces another is counted and ignored.
//! 5. No user code runs under the ring's lock: wakers are cloned before and dropped after, payloads
//!    are decoded and dropped outside.
//! 6. What the kernel broke off, and not because we asked, goes to the kernel again
//!    ([`BROKEN_OFF`]): an operation belongs to the thread that submitted it, and that thread may
//!    have exited.
//! 7. Results own what they carry; to lose interest is to drop them, or to hand them on
//!    ([`Cancellable::orphaned`]).
//!
//! The states of an entry are those of [`Lifecycle`]. The operations themselves stand in `ops`;
//! nothing here lists what they are.
#![forbid(unsafe_code)]

use std::any::Any;
use std::future::Future;
use std::io;
use std::ops::DerefMut;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use super::ring::payload::Carried;
use super::ring::table::{Looked, Orphaned};
use super::ring::{Refused, Ring};
use crate::util::coop;

use super::ring::completion::Key;
pub(crate) use super::ring::completion::{BROKEN_OFF, CqeResult, OnDrop};
pub(crate) use super::ring::payload::Prepare;
#[cfg(doc)]
use super::ring::table::Lifecycle;

/// From a completion to what the caller waits for.
pub(crate) trait Completable: Sized {
    type Output;

    /// Takes the payload back together with the result.
    fn complete(self, cqe: CqeResult) -> Self::Output;
}

/// What becomes of an operation whose future is dropped before the end.
pub(crate) trait Cancellable: Completable {
    /// Whether the kernel is asked to stop.
    fn on_drop(&self) -> OnDrop {
        OnDrop::Cancel
    }

    /// The last completion came and nobody waits. Called outside every driver lock, on whatever
    /// thread reaped.
    fn orphaned(self, cqe: CqeResult) {
        drop(self.complete(cqe));
    }
}

/// One kind of operation: its plain-system-call twin and, through the super-traits, its SQE and its
/// decoding.
pub(crate) trait Operation: Prepare + Cancellable + Send + 'static {
    /// The same operation by a plain, blocking system call, for the pool.
    fn run_blocking(self) -> Self::Output;
}

/// The rings an operation can go to. The driver implements it; so does the tests' simulated kernel.
pub(crate) trait Rings: Send + Sync + 'static {
    type Guard<'a>: DerefMut<Target = Ring>;

    /// The slot this thread holds. An operation waits for the turns of the slot's owner, and
    /// another thread might be in a long poll, so it is submitted nowhere else.
    fn submit_slot(&self) -> Option<usize>;

    /// Locks a slot's ring. It fails when there can be none (any more).
    fn ring(&self, slot: usize) -> io::Result<Self::Guard<'_>>;

    /// The ring got new submissions: makes sure that somebody enters the kernel. Called unlocked.
    fn after_push(&self, slot: usize);

    /// Whether this thread may enter the kernel for that ring: its completions run on the thread
    /// that entered, and end in ECANCELED if it exits.
    fn may_enter(&self, slot: usize) -> bool;
}

/// The future's side of the life.
#[derive(Debug)]
enum State<T> {
    /// Nothing has been asked of the kernel.
    Initialize(T),
    /// The payload is in the table of a slot's ring; the future has only its name.
    Polled { slot: usize, key: Key },
    /// The output has been returned.
    Complete,
}

/// One operation as a future. Dropping it in any state is safe; see the states above.
#[must_use = "an operation does nothing unless polled"]
pub(crate) struct Op<T: Operation, R: Rings> {
    rings: Arc<R>,
    state: State<T>,
}

// The payload is never pinned inside the future: it moves to the table before the kernel sees it.
impl<T: Operation, R: Rings> Unpin for Op<T, R> {}

impl<T: Operation, R: Rings> Op<T, R> {
    pub(crate) fn new(rings: Arc<R>, operation: T) -> Self {
        Op {
            rings,
            state: State::Initialize(operation),
        }
    }

    /// Whether the kernel has been asked, or is about to be.
    pub(crate) fn is_started(&self) -> bool {
        !matches!(self.state, State::Initialize(_))
    }

    /// I -> P. `Ready` if no ring can be had; `Pending` in state I if the queue is full.
    fn start(&mut self, operation: T, waker: Waker) -> Poll<T::Output> {
        match push(&*self.rings, operation, waker) {
            Pushed::Started { slot, key } => self.state = State::Polled { slot, key },
            Pushed::Full(operation) => self.state = State::Initialize(operation),
            Pushed::Refused(operation, answer) => {
                return Poll::Ready(operation.complete(answer));
            }
        }
        Poll::Pending
    }

    fn poll_entry(&mut self, slot: usize, key: Key, waker: &Waker) -> Poll<T::Output> {
        let mut spare = None;
        loop {
            let answer = match self.rings.ring(slot) {
                Ok(mut ring) => ring.table().poll(key, waker, &mut spare),
                Err(error) => panic!(
                    "the runtime of this operation was shut down while the kernel would not let go \
                     of it: {error}"
                ),
            };
            match answer {
                Looked::Pending => {
                    // `spare` is now the old waker, if any; it is dropped here, unlocked.
                    return Poll::Pending;
                }
                Looked::NeedsWaker => spare = Some(waker.clone()),
                Looked::Ready(carried, cqe) => {
                    self.state = State::Complete;
                    return Poll::Ready(Carrier::<T>::unpack(carried).complete(cqe));
                }
                Looked::Lost => panic!("{LOST}"),
            }
        }
    }
}

impl<T: Operation, R: Rings> Future for Op<T, R> {
    type Output = T::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        let this = self.get_mut();
        let unit = ready!(coop::poll_proceed(cx));
        let answer = match std::mem::replace(&mut this.state, State::Complete) {
            State::Initialize(operation) => this.start(operation, cx.waker().clone()),
            State::Polled { slot, key } => {
                this.state = State::Polled { slot, key };
                this.poll_entry(slot, key, cx.waker())
            }
            State::Complete => panic!("an operation was polled after it had completed"),
        };
        if answer.is_ready() {
            unit.made_progress();
        }
        answer
    }
}

impl<T: Operation, R: Rings> Drop for Op<T, R> {
    fn drop(&mut self) {
        // I: the payload is ours and drops with us. Complete: there is none.
        let State::Polled { slot, key } = self.state else {
            return;
        };
        let answer = match self.rings.ring(slot) {
            Ok(mut ring) => ring.orphan(key),
            // The ring was leaked, and the payload with it.
            Err(_) => return,
        };
        match answer {
            Orphaned::Gone => {}
            Orphaned::Finished(carried, cqe) => Carrier::<T>::unpack(carried).orphaned(cqe),
            Orphaned::Kept { waker, must_enter } => {
                drop(waker);
                if must_enter {
                    self.rings.after_push(slot);
                }
            }
        }
    }
}

/// What became of a push.
enum Pushed<T> {
    Started {
        slot: usize,
        key: Key,
    },
    /// The waker given along is woken when there is room.
    Full(T),
    Refused(T, CqeResult),
}

/// Moves an operation to the table of this thread's ring and pushes its SQE.
fn push<T: Operation, R: Rings>(rings: &R, operation: T, waker: Waker) -> Pushed<T> {
    let Some(slot) = rings.submit_slot() else {
        return Pushed::Refused(operation, CqeResult::left_undone());
    };
    let on_drop = operation.on_drop();
    // Rule 5: `prepare` may ask a user's buffer for its address, so it runs before the lock.
    let mut carrier = Box::new(Carrier::new(operation));
    let sqe = carrier.operation().prepare();

    let mut ring = match rings.ring(slot) {
        Ok(ring) => ring,
        Err(error) => return Pushed::Refused(carrier.into_operation(), CqeResult::failed(error)),
    };
    let may_enter = rings.may_enter(slot);
    let answer = ring.submit(sqe, carrier, waker, on_drop, may_enter);
    let is_usable = ring.is_usable();
    drop(ring);
    match answer {
        Ok(key) => {
            rings.after_push(slot);
            Pushed::Started { slot, key }
        }
        Err(Refused::Full(carried, _spare)) => {
            rings.after_push(slot);
            Pushed::Full(Carrier::unpack(carried))
        }
        Err(Refused::Closed(carried, _waker)) => {
            let answer = match is_usable {
                true => CqeResult::failed(io::Error::other("the runtime is shutting down")),
                false => CqeResult::left_undone(),
            };
            Pushed::Refused(Carrier::unpack(carried), answer)
        }
    }
}

/// The panic of a future whose completion the kernel has lost.
const LOST: &str = "the kernel lost the completion of this operation: it had no memory to keep it \
                    (EBADR); what the operation owns is leaked";

/// An operation on its way through the ring, which does not know its type.
struct Carrier<T: Operation> {
    /// `None` once it was taken out.
    operation: Option<T>,
    /// Present only in garbage: the orphan's last completion.
    cqe: Option<CqeResult>,
}

impl<T: Operation> Carrier<T> {
    fn new(operation: T) -> Self {
        Carrier {
            operation: Some(operation),
            cqe: None,
        }
    }

    fn operation(&mut self) -> &mut T {
        self.operation.as_mut().expect("not taken out yet")
    }

    fn into_operation(mut self) -> T {
        self.operation.take().expect("not taken out yet")
    }

    /// The operation that [`push`] gave to the ring.
    fn unpack(carried: Box<dyn Carried>) -> T {
        let carrier: Box<Carrier<T>> = carried
            .into_any()
            .downcast()
            .expect("a key leads to the operation it was given for");
        carrier.into_operation()
    }
}

impl<T: Operation> Carried for Carrier<T> {
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }

    fn into_garbage(mut self: Box<Self>, cqe: CqeResult) -> Box<dyn Any + Send> {
        self.cqe = Some(cqe);
        self
    }
}

impl<T: Operation> Drop for Carrier<T> {
    fn drop(&mut self) {
        if let (Some(operation), Some(cqe)) = (self.operation.take(), self.cqe.take()) {
            operation.orphaned(cqe);
        }
    }
}
