//! The number of a task, and which task runs on this thread.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that identifies a task among all tasks of the process that are running.
///
/// A task's id may be the id of a task that finished long ago. Ids say nothing about the order in
/// which tasks were spawned, and are counted across all runtimes of the process, blocking tasks
/// included.
///
/// [`JoinHandle::id`](crate::task::JoinHandle::id) and
/// [`AbortHandle::id`](crate::task::AbortHandle::id) tell a task's id from outside, [`id`] and
/// [`try_id`] from inside.
///
/// # Examples
///
/// ```
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let task = yamanote::spawn(async { yamanote::task::id() });
/// let id = task.id();
/// assert_eq!(task.await.unwrap(), id);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Hash, Eq, PartialEq, PartialOrd, Ord)]
pub struct Id(NonZeroU64);

/// How many ids a worker takes at a time, so that workers that spawn do not meet at the counter.
const BLOCK: u64 = 64;

thread_local! {
    /// Set on the workers of a multi-thread scheduler.
    static TAKES_BLOCKS: Cell<bool> = const { Cell::new(false) };
    /// The next id of this thread's block, and how many are left in it.
    static TAKEN: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// From now on this thread takes its ids in blocks.
pub(crate) fn take_blocks() {
    TAKES_BLOCKS.set(true);
}

impl Id {
    /// An id that no running task has. Where one thread spawns at a time, ids grow one by one.
    pub(crate) fn next() -> Id {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only the addition's atomicity counts. 2^64 ids last longer than any process.
        let take = |many| NEXT.fetch_add(many, Relaxed);
        let id = match TAKES_BLOCKS.get() {
            false => take(1),
            true => {
                let (next, left) = match TAKEN.get() {
                    (_, 0) => (take(BLOCK), BLOCK),
                    taken => taken,
                };
                TAKEN.set((next + 1, left - 1));
                next
            }
        };
        Id(NonZeroU64::new(id).expect("task ids start above zero"))
    }

    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }

    /// `None` for 0.
    pub(crate) fn from_number(number: u64) -> Option<Id> {
        NonZeroU64::new(number).map(Id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

thread_local! {
    static CURRENT: Cell<Option<Id>> = const { Cell::new(None) };
}

/// The id of the task that calls this.
///
/// # Panics
///
/// Outside a task; the future given to `block_on` is not a task. [`try_id`] does not panic.
///
/// # Examples
///
/// ```
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let handle = yamanote::spawn(async { yamanote::task::id() });
/// let id = handle.id();
/// assert_eq!(id, handle.await.unwrap());
/// # }
/// ```
#[track_caller]
pub fn id() -> Id {
    try_id().expect("Can't get a task id when not inside a task")
}

/// The id of the task that calls this, or `None` outside a task.
#[track_caller]
pub fn try_id() -> Option<Id> {
    CURRENT.try_with(Cell::get).ok().flatten()
}

/// Until the guard is dropped, user code on this thread runs on behalf of the task `id`.
pub(crate) fn enter(id: Id) -> CurrentGuard {
    let outer = CURRENT.try_with(|current| current.replace(Some(id)));
    CurrentGuard {
        outer: outer.ok().flatten(),
    }
}

/// Restores the id that [`enter`] replaced.
#[must_use]
pub(crate) struct CurrentGuard {
    outer: Option<Id>,
}

impl Drop for CurrentGuard {
    fn drop(&mut self) {
        // A destructor of another thread-local may drop a task when the cell is gone.
        let _ = CURRENT.try_with(|current| current.set(self.outer));
    }
}
