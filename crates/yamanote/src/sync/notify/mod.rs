//! `Notify`: lets a task, or all, know that something happened, without saying what.
//!
//! One word holds everything but the list of waiters:
//!
//! ```text
//!   calls of notify_waiters │ WAITERS │ PERMIT
//! ```
//!
//! - PERMIT: a `notify_one` found nobody; the next to wait takes it.
//! - WAITERS: somebody stands in the queue of [`Waiters`]. Never together with PERMIT.
//!
//! 1. While WAITERS is set, the word changes only under the list's lock; while it is not, by
//!    compare and exchange of the whole word. So whoever finds it unset needs no lock.
//! 2. A future remembers the number of calls at its creation. If it differs from the word's, a
//!    `notify_waiters` came in between, and the future is ready.
#![forbid(unsafe_code)]

#[cfg(all(test, loom))]
mod loom_tests;
mod notified;

pub use notified::{Notified, OwnedNotified};

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::waiter_list::Message;
use super::waiters::{Guard, Waiters};
use crate::loom::sync::atomic::AtomicUsize;
use crate::loom::sync::atomic::Ordering::{AcqRel, Acquire, Release};

const PERMIT: usize = 0b01;
const WAITERS: usize = 0b10;
/// One call of `notify_waiters`.
const CALL: usize = 0b100;

/// The calls of `notify_waiters` in a word, in steps of [`CALL`].
fn calls_in(word: usize) -> usize {
    word & !(PERMIT | WAITERS)
}

/// By `notify_one`: if it is not used it goes on to the one that has waited longest.
const ONE: Message = 0;
/// By `notify_last`: if it is not used it goes on to the one that came last.
const LAST: Message = 1;
/// By `notify_waiters`: it is for everybody, so it goes on to nobody.
const ALL: Message = 2;

/// Wakes one task or all that wait, carrying no data.
///
/// It is a semaphore with at most one permit, which starts with none. [`notify_one`] hands the
/// permit to a waiting task, or keeps it for the next; [`notified`] waits for it. Keeping it is
/// what makes a consumer easy to write: look at the shared state, then wait; a change in between is
/// not missed. [`notify_waiters`] notifies all that wait at that moment and keeps nothing.
///
/// Works under any executor. What a task did before it notified is visible to the task it notified.
///
/// # Examples
///
/// A queue without a bound; `notify_one` after each value:
///
/// ```
/// use std::collections::VecDeque;
/// use std::sync::Mutex;
/// use yamanote::sync::Notify;
///
/// #[derive(Default)]
/// struct Queue {
///     values: Mutex<VecDeque<u32>>,
///     pushed: Notify,
/// }
///
/// impl Queue {
///     fn push(&self, value: u32) {
///         self.values.lock().unwrap().push_back(value);
///         self.pushed.notify_one();
///     }
///
///     async fn pop(&self) -> u32 {
///         loop {
///             if let Some(value) = self.values.lock().unwrap().pop_front() {
///                 return value;
///             }
///             self.pushed.notified().await;
///         }
///     }
/// }
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let queue = Queue::default();
/// let (value, ()) = yamanote::join!(queue.pop(), async { queue.push(7) });
/// assert_eq!(value, 7);
/// # }
/// ```
///
/// One permit is kept at most, so with several consumers a permit may stand for several values:
/// each must first [`enable`] its future, then look, then wait.
///
/// [`notify_one`]: Notify::notify_one
/// [`notified`]: Notify::notified
/// [`notify_waiters`]: Notify::notify_waiters
/// [`enable`]: Notified::enable
pub struct Notify {
    word: AtomicUsize,
    pub(super) waiters: Waiters,
}

impl Notify {
    /// Without a permit.
    ///
    /// ```
    /// let notify = yamanote::sync::Notify::new();
    /// # drop(notify);
    /// ```
    pub fn new() -> Notify {
        Notify {
            word: AtomicUsize::new(0),
            waiters: Waiters::new(),
        }
    }

    /// [`new`](Notify::new), for a constant or a static.
    ///
    /// ```
    /// use yamanote::sync::Notify;
    ///
    /// static NOTIFY: Notify = Notify::const_new();
    /// # NOTIFY.notify_one();
    /// ```
    #[cfg(not(all(test, loom)))]
    pub const fn const_new() -> Notify {
        Notify {
            word: AtomicUsize::new(0),
            waiters: Waiters::new(),
        }
    }

    /// Waits for a notification.
    ///
    /// Ready at once if a permit is kept, which it takes. From its creation on, and before it is
    /// first polled, the future is reached by [`notify_waiters`](Notify::notify_waiters);
    /// [`notify_one`] reaches futures that were polled or [enabled](Notified::enable), in the order
    /// in which that was done.
    ///
    /// # Cancel safety
    ///
    /// The future loses its place in the queue when it is dropped. A notification from
    /// [`notify_one`] that it got and did not report goes to the next in the queue, or is kept.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use yamanote::sync::Notify;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let notify = Arc::new(Notify::new());
    /// let task = yamanote::spawn({
    ///     let notify = notify.clone();
    ///     async move { notify.notified().await }
    /// });
    /// notify.notify_one();
    /// task.await.unwrap();
    /// # }
    /// ```
    ///
    /// [`notify_one`]: Notify::notify_one
    pub fn notified(&self) -> Notified<'_> {
        Notified::new(self)
    }

    /// [`notified`](Notify::notified), with a future that keeps the `Notify` alive and borrows
    /// nothing.
    ///
    /// # Cancel safety
    ///
    /// As [`notified`](Notify::notified): a future that is dropped loses its place in the queue,
    /// and a notification it did not report goes to the next.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use yamanote::sync::Notify;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let notify = Arc::new(Notify::new());
    /// let task = yamanote::spawn(notify.clone().notified_owned());
    /// notify.notify_one();
    /// task.await.unwrap();
    /// # }
    /// ```
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        OwnedNotified::new(self)
    }

    /// Notifies the task that has waited longest, or keeps a permit for the next to wait.
    ///
    /// One permit is kept at most: two calls that find nobody are one notification.
    pub fn notify_one(&self) {
        self.notify(ONE);
    }

    /// Notifies the task that came last, or keeps a permit for the next to wait.
    ///
    /// As [`notify_one`](Notify::notify_one), in the opposite order.
    pub fn notify_last(&self) {
        self.notify(LAST);
    }

    fn notify(&self, message: Message) {
        if self.keep_permit() {
            return;
        }
        let mut guard = self.waiters.lock();
        // The last may have left in the meantime; under the lock nobody comes.
        if self.keep_permit() {
            return;
        }
        let waker = match message {
            LAST => guard.notify_last(LAST),
            _ => guard.notify_first(ONE),
        };
        self.someone_left(&guard);
        drop(guard);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Leaves a permit; `false` if somebody waits.
    fn keep_permit(&self) -> bool {
        // Release pairs with the Acquire in `arrive`. Written even if a permit is there: what was
        // done before this call must be seen too.
        self.word
            .fetch_update(AcqRel, Acquire, |word| {
                (word & WAITERS == 0).then_some(word | PERMIT)
            })
            .is_ok()
    }

    /// Under the lock, after somebody left the queue.
    fn someone_left(&self, guard: &Guard<'_>) {
        if !guard.has_waiters() {
            self.word.fetch_and(!WAITERS, Release);
        }
    }

    /// Notifies all that wait now; keeps nothing for later.
    ///
    /// Every future that [`notified`](Notify::notified) has returned waits, polled or not. A permit
    /// that is kept stays.
    ///
    /// ```
    /// use yamanote::sync::Notify;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let notify = Notify::new();
    /// let (first, second) = (notify.notified(), notify.notified());
    /// notify.notify_waiters();
    /// first.await;
    /// second.await;
    /// # }
    /// ```
    pub fn notify_waiters(&self) {
        if self.count_call() {
            return;
        }
        let guard = self.waiters.lock();
        if self.count_call() {
            return;
        }
        // Rule 1: nobody else changes the word now.
        let word = self.word.load(Acquire);
        // Pairs with the Acquire in `Waiting::new` and `arrive`.
        self.word.store(word.wrapping_add(CALL) & !WAITERS, Release);
        guard.notify_all(ALL);
    }

    /// Counts a call of `notify_waiters`; `false` if somebody stands in the queue.
    fn count_call(&self) -> bool {
        // Release pairs with the Acquire in `Waiting::new` and `arrive`: what was done before is
        // seen.
        self.word
            .fetch_update(AcqRel, Acquire, |word| {
                (word & WAITERS == 0).then_some(word.wrapping_add(CALL))
            })
            .is_ok()
    }

    /// Makes a future of `calls` ready if it can be. If not and `to_wait`, says that somebody
    /// waits, which the caller, holding the lock, then does.
    fn arrive(&self, calls: usize, to_wait: bool) -> bool {
        let mut word = self.word.load(Acquire);
        loop {
            // Asked before the permit, which then is for others.
            if calls_in(word) != calls {
                return true;
            }
            let (next, ready) = match (word & PERMIT != 0, to_wait) {
                (true, _) => (word & !PERMIT, true),
                (false, true) if word & WAITERS == 0 => (word | WAITERS, false),
                (false, _) => return false,
            };
            // Acquire pairs with the Release in `keep_permit`, `count_call` and `notify_waiters`.
            match self.word.compare_exchange_weak(word, next, AcqRel, Acquire) {
                Ok(_) => return ready,
                Err(now) => word = now,
            }
        }
    }
}

impl Default for Notify {
    fn default() -> Notify {
        Notify::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word.load(Acquire);
        f.debug_struct("Notify")
            .field("permit", &(word & PERMIT != 0))
            .field("waiters", &(word & WAITERS != 0))
            .finish_non_exhaustive()
    }
}

// Foreign code never runs while anything here is half done.
impl UnwindSafe for Notify {}
impl RefUnwindSafe for Notify {}
