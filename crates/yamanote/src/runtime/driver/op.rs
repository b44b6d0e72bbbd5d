//! The life of one io_uring operation.
//!
//! ```text
//!  Op<T>          its entry in the ring's table            payload (T) belongs to
//!  ------------   -------------------------------------    ----------------------
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
//! 1. From the push of its SQE to its last CQE the payload is the entry's, at one address. Cancelling
//!    asks the kernel to hurry; only the last CQE frees. Without it the payload is leaked.
//! 2. P and S differ only in whether the kernel's head has passed the SQE. The entry does not care:
//!    a failed `io_uring_enter` leaves the SQE where it is, and it runs later.
//! 3. A CQE finds its entry by index and generation. What finds none is counted and ignored. An entry
//!    whose generations are used up is never used again.
//! 4. A CQE is the last one when it lacks `F_MORE`, whatever else it says. No operation here asks for
//!    more than one; a CQE that announces another is counted and ignored.
//! 5. No user code runs under the ring's lock: wakers are cloned before and dropped after, payloads
//!    are decoded and dropped outside.
//! 6. What the kernel broke off, and not because we asked, goes to the kernel again
//!    ([`BROKEN_OFF`]): an operation belongs to the thread that submitted it, and that thread may have
//!    exited.
//! 7. Results own what they carry; losing interest is dropping them, or handing them on
//!    ([`Cancellable::orphaned`]).
//!
//! Operations are one small file each, with the SQE, the plain system call and the decoding side by
//! side; nothing here lists what they are.

pub(crate) mod read;
pub(crate) mod table;
pub(crate) mod transfer;
pub(crate) mod write;

use std::any::Any;
use std::future::Future;
use std::io;
use std::ops::DerefMut;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use crate::sys::uring::sqe::Sqe;

use crate::runtime::driver::Driver;
use crate::runtime::driver::ring::{Refused, Ring};
use crate::sys::uring::abi;
use crate::util::coop;

use table::{Looked, Orphaned};

/// How the kernel ends what it breaks off because the thread that submitted it exits: one by one
/// what waits in a poll or for a kernel thread (ECANCELED), and what a kernel thread was waiting in
/// (the others; ERESTARTSYS and its kin are not for user space, and yet come here from `openat2`).
pub(crate) const BROKEN_OFF: &[i32] = &[libc::ECANCELED, libc::EINTR, 512, 513, 514, 516];

/// What one completion says.
#[derive(Debug)]
pub(crate) struct CqeResult {
    pub(crate) result: io::Result<u32>,
    pub(crate) flags: u32,
}

impl CqeResult {
    pub(crate) fn new(res: i32, flags: u32) -> Self {
        let result = if res < 0 {
            // `res` may be any number in a hostile stream; i32::MIN has no negative.
            Err(io::Error::from_raw_os_error(
                res.checked_neg().unwrap_or(libc::EIO),
            ))
        } else {
            Ok(res as u32)
        };
        CqeResult { result, flags }
    }

    pub(crate) fn failed(error: io::Error) -> Self {
        CqeResult {
            result: Err(error),
            flags: 0,
        }
    }

    /// Of an operation that the kernel has not seen and never will, because its ring was given up: it
    /// is left undone, and may be done in another way.
    pub(crate) fn recalled() -> Self {
        CqeResult::failed(not_now())
    }

    /// More completions of the same submission will follow.
    pub(crate) fn has_more(&self) -> bool {
        self.flags & abi::CQE_F_MORE != 0
    }
}

/// The error of an operation that no ring took.
fn not_now() -> io::Error {
    io::Error::from_raw_os_error(libc::EAGAIN)
}

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDrop {
    /// Ask the kernel to cancel (reads).
    Cancel,
    /// Let it finish: what was accepted from the user must happen (writes).
    LetFinish,
}

/// One kind of operation: its SQE, its plain-system-call twin and, through the super-traits, its
/// decoding.
///
/// # Safety
///
/// - Everything the SQE of [`prepare`](Operation::prepare) points to is owned by `self` and stays
///   valid and in place while `self` neither moves nor is touched: inside `self`, on the heap behind
///   it, or static.
/// - The descriptor in the SQE is kept open by `self`, or is one that is never closed.
/// - What the kernel writes through those pointers cannot break `self`, whatever it writes and
///   however often, until the last completion.
pub(crate) unsafe trait Operation: Cancellable + Send + 'static {
    /// Fills the submission. `self` stands at its final address.
    fn prepare(&mut self) -> Sqe;

    /// The same operation by a plain, blocking system call, for the pool.
    fn run_blocking(self) -> Self::Output;
}

/// The rings an operation can go to. The driver implements it; so does the tests' simulated kernel.
pub(crate) trait Rings: Send + Sync + 'static {
    type Guard<'a>: DerefMut<Target = Ring>;

    /// The slot this thread submits to; `None` if it holds none. An operation waits for the turns of
    /// its slot's owner, and one of another thread might be in a long poll.
    fn submit_slot(&self) -> Option<usize>;

    /// Locks a slot's ring. It fails when there can be none (any more).
    fn ring(&self, slot: usize) -> io::Result<Self::Guard<'_>>;

    /// The ring got new submissions: makes sure that somebody enters the kernel. Called unlocked.
    fn after_push(&self, slot: usize);

    /// Whether this thread may enter the kernel for that ring: its completions run on the thread
    /// that entered, and end in ECANCELED if it exits.
    fn may_enter(&self, slot: usize) -> bool;
}

/// Names an operation: the slot of its ring, the entry in the ring's table, the use of that entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) slot: usize,
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// The future's side of the life.
#[derive(Debug)]
enum State<T> {
    /// Nothing has been asked of the kernel.
    Initialize(T),
    /// The payload is in the table; the future has only its name.
    Polled(Key),
    /// The output has been returned.
    Complete,
}

/// One operation as a future. Dropping it in any state is safe; see the states above.
#[must_use = "an operation does nothing unless polled"]
pub(crate) struct Op<T: Operation, R: Rings = Driver> {
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
            Pushed::Started(key) => self.state = State::Polled(key),
            Pushed::Full(operation) => self.state = State::Initialize(operation),
            Pushed::Refused(operation, error) => {
                return Poll::Ready(operation.complete(CqeResult::failed(error)));
            }
        }
        Poll::Pending
    }

    fn poll_entry(&mut self, key: Key, waker: &Waker) -> Poll<T::Output> {
        let mut spare = None;
        loop {
            let answer = match self.rings.ring(key.slot) {
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
                Looked::Ready(payload, cqe) => {
                    self.state = State::Complete;
                    // SAFETY: the table saw the last CQE.
                    let operation = unsafe { payload.reclaim::<T>() };
                    return Poll::Ready(operation.complete(cqe));
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
            State::Polled(key) => {
                this.state = State::Polled(key);
                this.poll_entry(key, cx.waker())
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
        let State::Polled(key) = self.state else {
            return;
        };
        let answer = match self.rings.ring(key.slot) {
            Ok(mut ring) => ring.orphan(key),
            // The ring was leaked, and the payload with it.
            Err(_) => return,
        };
        match answer {
            Orphaned::Gone => {}
            Orphaned::Finished(payload, cqe) => {
                // SAFETY: the table saw the last CQE.
                unsafe { payload.reclaim::<T>() }.orphaned(cqe);
            }
            Orphaned::Kept { waker, must_enter } => {
                drop(waker);
                if must_enter {
                    self.rings.after_push(key.slot);
                }
            }
        }
    }
}

/// What became of a push.
enum Pushed<T> {
    Started(Key),
    /// The waker given along is woken when there is room.
    Full(T),
    Refused(T, io::Error),
}

/// Moves an operation to the table of this thread's ring and pushes its SQE.
fn push<T: Operation, R: Rings>(rings: &R, operation: T, waker: Waker) -> Pushed<T> {
    let on_drop = operation.on_drop();
    // Rule 5: `prepare` may ask a user's buffer for its address, so it runs before the lock.
    let mut payload = Payload::new(operation);
    // SAFETY: just made of a `T`; the kernel has not seen it.
    let sqe = unsafe { payload.prepare::<T>() };

    let Some(slot) = rings.submit_slot() else {
        // SAFETY: made of a `T`, and never submitted.
        return Pushed::Refused(unsafe { payload.reclaim() }, not_now());
    };
    let mut ring = match rings.ring(slot) {
        Ok(ring) => ring,
        // SAFETY: made of a `T`, and never submitted.
        Err(error) => return Pushed::Refused(unsafe { payload.reclaim() }, error),
    };
    let may_enter = rings.may_enter(slot);
    let answer = ring.submit(sqe, payload, waker, on_drop, may_enter);
    let is_usable = ring.is_usable();
    drop(ring);
    match answer {
        Ok(key) => {
            rings.after_push(slot);
            Pushed::Started(Key { slot, ..key })
        }
        Err(Refused::Full(payload, _spare)) => {
            rings.after_push(slot);
            // SAFETY: made of a `T`; the ring gave it back unsubmitted.
            Pushed::Full(unsafe { payload.reclaim() })
        }
        Err(Refused::Closed(payload, _waker)) => {
            let error = match is_usable {
                true => io::Error::other("the runtime is shutting down"),
                false => not_now(),
            };
            // SAFETY: made of a `T`; the ring gave it back unsubmitted.
            Pushed::Refused(unsafe { payload.reclaim() }, error)
        }
    }
}

/// What a future says whose completion the kernel has lost.
const LOST: &str = "the kernel lost the completion of this operation: it had no memory to keep it \
                    (EBADR); what the operation owns is leaked";

/// An operation's payload at its final address, its type erased.
///
/// It has no destructor: losing one leaks it, which is always sound (rule 1). It is a raw pointer,
/// not a box, because the kernel writes behind it.
#[derive(Debug)]
pub(crate) struct Payload(NonNull<dyn Carried>);

// SAFETY: `Carried` is `Send`.
unsafe impl Send for Payload {}

impl Payload {
    fn new<T: Operation>(operation: T) -> Self {
        let carrier: Box<dyn Carried> = Box::new(Carrier {
            operation: Some(operation),
            cqe: None,
        });
        Payload(NonNull::from(Box::leak(carrier)))
    }

    /// # Safety
    ///
    /// `T` is the type it was made of, and the kernel has not seen it yet.
    unsafe fn prepare<T: Operation>(&mut self) -> Sqe {
        // SAFETY: a live `Carrier<T>` by the caller's word, and nobody else has the pointer.
        let carrier = unsafe { self.0.cast::<Carrier<T>>().as_mut() };
        carrier
            .operation
            .as_mut()
            .expect("a payload holds its operation until reclaimed")
            .prepare()
    }

    /// # Safety
    ///
    /// `T` is the type it was made of, and the kernel will not touch it any more: it was never
    /// submitted, or its last CQE has been seen.
    unsafe fn reclaim<T: Operation>(self) -> T {
        // SAFETY: made by `Box::leak` of a `Carrier<T>`, by the caller's word.
        let mut carrier = unsafe { Box::from_raw(self.0.cast::<Carrier<T>>().as_ptr()) };
        carrier
            .operation
            .take()
            .expect("a payload holds its operation until reclaimed")
    }

    /// Turns the payload of an orphan into a value whose drop hands it its last completion.
    ///
    /// # Safety
    ///
    /// Its last CQE has been seen.
    pub(crate) unsafe fn into_garbage(self, cqe: CqeResult) -> Box<dyn Any + Send> {
        // SAFETY: made by `Box::leak`; the kernel is done with it.
        let mut carrier = unsafe { Box::from_raw(self.0.as_ptr()) };
        carrier.record(cqe);
        carrier.into_any()
    }
}

/// What the ring knows of a payload.
trait Carried: Send {
    fn record(&mut self, cqe: CqeResult);
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

struct Carrier<T: Operation> {
    operation: Option<T>,
    /// Present only in garbage: the orphan's last completion.
    cqe: Option<CqeResult>,
}

impl<T: Operation> Carried for Carrier<T> {
    fn record(&mut self, cqe: CqeResult) {
        self.cqe = Some(cqe);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
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
