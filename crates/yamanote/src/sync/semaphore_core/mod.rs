//! A fair counting semaphore: what `Semaphore`, `Mutex`, `RwLock`, `OnceCell` and the bounded
//! channel wait with.
//!
//! One word holds the free permits and two flags:
//!
//! ```text
//!   permits << 2 | WAITING | CLOSED
//! ```
//!
//! 1. `WAITING` is set when somebody is in the queue, and then no permit is free: a new waiter
//!    takes what there is, and what is released goes to the first in the queue. So nobody
//!    overtakes, and a compare-and-swap that finds enough permits need not ask whether somebody
//!    waits.
//! 2. The flags change under the queue's lock only. Permits change with a compare-and-swap, under
//!    the lock or not; acquiring takes the lock only to wait, releasing only if somebody waits.
//! 3. A semaphore that is `CLOSED` gives no permits any more, has an empty queue, and takes permits
//!    back.
//! 4. No waker is cloned, called or dropped under the lock: it may come back here.
//!
//! Memory ordering: whoever acquires a permit sees what was done before it was released. On the
//! word the Release of [`SemaphoreCore::add_permits`] pairs with the Acquire of
//! [`SemaphoreCore::try_acquire`], through any compare-and-swaps between them; through the queue,
//! its lock and the stage of the waiter do it.

mod acquire;
mod error;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

pub(crate) use acquire::Acquire;
pub use error::{AcquireError, TryAcquireError};

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::Waker;

use crate::loom::sync::atomic::{AtomicUsize, Ordering};
use crate::loom::sync::{Mutex, MutexGuard};
use crate::sync::waiter_list::{Message, WaiterList};
use crate::sync::wake_batch::WakeBatch;
use crate::util::first_panic::FirstPanic;
use crate::util::polite_lock;
use crate::util::spans::{self, Assigned, AsyncOp, Resource, internal_resource, state_update};

const CLOSED: usize = 0b01;
const WAITING: usize = 0b10;
const SHIFT: u32 = 2;

/// To a waiter that has all its permits.
const GRANTED: Message = 0;
/// To a waiter of a semaphore that was closed; it may have a part of its permits.
const REFUSED: Message = 1;

/// A fair counting semaphore without guards: whoever acquires must release.
pub(crate) struct SemaphoreCore {
    word: AtomicUsize,
    queue: Mutex<WaiterList<Waiting>>,
    resource: Resource,
}

/// What the queue keeps for a waiter.
struct Waiting {
    /// Permits that are still to come.
    missing: usize,
    op: AsyncOp,
}

impl SemaphoreCore {
    /// Tokio's number. Two of them fit into the word, so that a sum can be looked at.
    pub(crate) const MAX_PERMITS: usize = usize::MAX >> 3;

    #[track_caller]
    pub(crate) fn new(permits: usize) -> Self {
        assert_permits(permits);
        let resource = internal_resource!(
            "tokio::sync::batch_semaphore",
            concrete_type = "Semaphore",
            kind = "Sync",
        );
        state_update!(resource, permits = permits, permits.op = "override");
        Self::from_word(permits << SHIFT, resource)
    }

    /// As [`SemaphoreCore::new`], for constants.
    #[cfg(not(all(test, loom)))]
    pub(crate) const fn const_new(permits: usize) -> Self {
        assert!(
            permits <= Self::MAX_PERMITS,
            "a semaphore may not have more than MAX_PERMITS permits"
        );
        SemaphoreCore {
            word: AtomicUsize::new(permits << SHIFT),
            queue: Mutex::new(WaiterList::new()),
            resource: Resource::NONE,
        }
    }

    /// Closed and without permits.
    pub(crate) fn new_closed() -> Self {
        Self::from_word(CLOSED, Resource::NONE)
    }

    /// As [`SemaphoreCore::new_closed`], for constants.
    #[cfg(not(all(test, loom)))]
    pub(crate) const fn const_new_closed() -> Self {
        SemaphoreCore {
            word: AtomicUsize::new(CLOSED),
            queue: Mutex::new(WaiterList::new()),
            resource: Resource::NONE,
        }
    }

    fn from_word(word: usize, resource: Resource) -> Self {
        SemaphoreCore {
            word: AtomicUsize::new(word),
            queue: Mutex::new(WaiterList::new()),
            resource,
        }
    }

    /// The permits that nobody has. None while somebody waits.
    pub(crate) fn available_permits(&self) -> usize {
        self.word.load(Ordering::Acquire) >> SHIFT
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Pairs with the Release in `close`.
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Takes `n` permits or none.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`SemaphoreCore::MAX_PERMITS`].
    #[inline]
    pub(crate) fn try_acquire(&self, n: usize) -> Result<(), TryAcquireError> {
        assert_permits(n);
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & CLOSED != 0 {
                return Err(TryAcquireError::Closed);
            }
            if word >> SHIFT < n {
                return Err(TryAcquireError::NoPermits);
            }
            // Pairs with the Release in `add_permits`; a failure with the one in `close`.
            match self.word.compare_exchange(
                word,
                word - (n << SHIFT),
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(()),
                Err(actual) => word = actual,
            }
        }
    }

    /// A future that takes `n` permits, in the order of its first poll among all that wait.
    ///
    /// Dropped before its end, it leaves no trace: permits it already had go to the next.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`SemaphoreCore::MAX_PERMITS`].
    pub(crate) fn acquire(&self, n: usize) -> Acquire<'_> {
        assert_permits(n);
        Acquire::new(self, n)
    }

    /// Gives `n` permits, taken or new, to those that wait; the rest is free.
    ///
    /// # Panics
    ///
    /// If there would be more than [`SemaphoreCore::MAX_PERMITS`]. What went to
    /// waiters has been added then, the rest has not.
    #[inline]
    pub(crate) fn add_permits(&self, n: usize) {
        if n == 0 {
            return;
        }
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITING == 0 {
            let next = word_with_added(word, n);
            // Pairs with the Acquire in `try_acquire` and `Acquire::enqueue`.
            match self
                .word
                .compare_exchange(word, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return self.tell_free(n),
                Err(actual) => word = actual,
            }
        }
        self.hand_out(n);
    }

    /// Takes up to `n` free permits away for ever; says how many.
    pub(crate) fn forget_permits(&self, n: usize) -> usize {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let forgotten = n.min(word >> SHIFT);
            if forgotten == 0 {
                return 0;
            }
            match self.word.compare_exchange(
                word,
                word - (forgotten << SHIFT),
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return forgotten,
                Err(actual) => word = actual,
            }
        }
    }

    /// Gives no permits any more. Whoever waits is refused.
    pub(crate) fn close(&self) {
        let mut panics = FirstPanic::default();
        loop {
            let mut wakers = WakeBatch::new();
            let mut queue = self.lock_queue();
            // Pairs with the Acquire in `is_closed`, `try_acquire` and `Acquire::enqueue`.
            self.word.fetch_or(CLOSED, Ordering::Release);
            while !queue.is_empty() && !wakers.is_full() {
                wakers.push(take_first(&mut queue, REFUSED));
            }
            let done = queue.is_empty();
            if done {
                self.word.fetch_and(!WAITING, Ordering::Relaxed); // under the lock (rule 2)
            }
            drop(queue);
            wakers.wake_all(&mut panics);
            if done {
                break;
            }
        }
        panics.resume();
    }

    fn lock_queue(&self) -> MutexGuard<'_, WaiterList<Waiting>> {
        // A panic under the lock can come from an overflow of permits only, and leaves the queue in
        // order.
        polite_lock::lock(&self.queue)
    }

    #[inline(never)]
    fn hand_out(&self, n: usize) {
        let mut queue = self.lock_queue();
        // As a rule it is just what the first waits for, and a batch is much to make for one waker.
        if let Some(first) = queue.first().filter(|first| first.missing == n) {
            first.missing = 0;
            let mut assigned = Assigned::new();
            assigned.push(&first.op, n);
            let waker = take_first(&mut queue, GRANTED);
            if queue.is_empty() {
                self.end_of_queue(0);
            }
            drop(queue);
            waker.wake();
            return assigned.tell();
        }
        self.hand_out_to_many(n, queue);
    }

    #[cold]
    fn hand_out_to_many<'a>(&'a self, n: usize, mut queue: MutexGuard<'a, WaiterList<Waiting>>) {
        let mut in_hand = n;
        let mut left = 0;
        let mut assigned = Assigned::new();
        let mut panics = FirstPanic::default();
        loop {
            let mut wakers = WakeBatch::new();
            while in_hand > 0 && !wakers.is_full() {
                let Some(first) = queue.first() else { break };
                let given = in_hand.min(first.missing);
                first.missing -= given;
                in_hand -= given;
                assigned.push(&first.op, given);
                if first.missing == 0 {
                    wakers.push(take_first(&mut queue, GRANTED));
                }
            }
            if queue.is_empty() {
                left = std::mem::take(&mut in_hand);
                self.end_of_queue(left);
            }
            drop(queue);
            wakers.wake_all(&mut panics);
            if in_hand == 0 {
                break;
            }
            queue = self.lock_queue();
        }
        panics.catch(|| {
            assigned.tell();
            if left > 0 {
                self.tell_free(left);
            }
        });
        panics.resume();
    }

    /// Tells that permits are free again.
    #[inline]
    fn tell_free(&self, n: usize) {
        if spans::is_on() {
            self.tell_permits(n, "add");
        }
    }

    #[cold]
    fn tell_permits(&self, n: usize, op: &'static str) {
        state_update!(self.resource, permits = n, permits.op = op);
    }

    /// Nobody waits any more: clears the flag and frees what is left. Under the queue's lock.
    fn end_of_queue(&self, left: usize) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            // If this panics the flag stays, over an empty queue and no permits. The next release
            // comes here and clears it.
            let next = word_with_added(word & !WAITING, left);
            // Pairs with the Acquire in `try_acquire` and `Acquire::enqueue`.
            match self
                .word
                .compare_exchange(word, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(actual) => word = actual,
            }
        }
    }
}

fn take_first(queue: &mut WaiterList<Waiting>, message: Message) -> Waker {
    let waker = queue.take_first(message);
    waker.expect("a waiter for permits has a waker")
}

/// Tokio's text.
#[inline]
#[track_caller]
fn assert_permits(n: usize) {
    assert!(
        n <= SemaphoreCore::MAX_PERMITS,
        "a semaphore may not have more than MAX_PERMITS permits ({})",
        SemaphoreCore::MAX_PERMITS
    );
}

/// Tokio's texts.
#[inline]
fn word_with_added(word: usize, n: usize) -> usize {
    assert!(
        n <= SemaphoreCore::MAX_PERMITS,
        "cannot add more than MAX_PERMITS permits ({})",
        SemaphoreCore::MAX_PERMITS
    );
    assert!(
        (word >> SHIFT) + n <= SemaphoreCore::MAX_PERMITS,
        "number of added permits ({n}) would overflow MAX_PERMITS ({})",
        SemaphoreCore::MAX_PERMITS
    );
    word + (n << SHIFT)
}

// Foreign code never runs while anything here is half done. Tokio without `parking_lot` promises
// it, and so for all that waits in this.
impl UnwindSafe for SemaphoreCore {}
impl RefUnwindSafe for SemaphoreCore {}

impl fmt::Debug for SemaphoreCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("permits", &self.available_permits())
            .finish()
    }
}
