//! Channels, locks and signals between tasks.
//!
//! Tasks that run beside each other either tell each other something or share something.
//!
//! # To tell
//!
//! | what | how many values | senders, receivers |
//! |---|---|---|
//! | [`oneshot`] | one | one, one |
//! | [`mpsc`] | many, in order, each received once; bounded or not | many, one |
//! | [`broadcast`] | many, each received by all; a slow receiver misses the oldest | many, many |
//! | [`watch`] | the latest only | many, many |
//! | [`Notify`] | none: a wake-up | many, many |
//!
//! A task that owns a resource and serves requests from an [`mpsc`] channel, each with a
//! [`oneshot`] to answer by, often takes the place of a lock, and the requests keep their order by
//! themselves.
//!
//! # To share
//!
//! | what | lets in |
//! |---|---|
//! | [`Mutex`] | one at a time |
//! | [`RwLock`] | many readers, or one writer |
//! | [`Semaphore`] | as many as there are permits |
//! | [`Barrier`] | nobody until all are there, then all |
//! | [`OnceCell`] | everybody, when the first has computed the value |
//! | [`SetOnce`] | everybody, when somebody has brought the value |
//!
//! Their guards may live across an `.await`. Where they need not, the locks of [`std::sync`] are
//! quicker, in asynchronous code too.
//!
//! # Common to all
//!
//! **Any runtime.** Nothing here needs one: a task waits by leaving its waker, so both sides may
//! run on different runtimes, on another executor, or on a thread, for which there are the
//! `blocking_` methods. These panic on a thread that runs tasks, which they would stop. Only
//! `mpsc::Sender::send_timeout` wants a timer.
//!
//! **Fairness.** Locks and permits are given in the order of asking. The price is that a waiter
//! that is dropped loses its place; [`select!`](macro@crate::select) in a loop over one such future
//! should keep it (`&mut future`) rather than ask anew.
//!
//! **Cancellation.** Dropping a future that waits takes it out of the line. What it was given and
//! had not looked at yet goes on to the next. Each method says what else dropping it does.
//!
//! **Cooperation.** What succeeds at once still counts against the budget of the task's poll, so
//! that a loop over a channel that is never empty lets other tasks run.

pub(crate) mod atomic_waker;
mod barrier;
pub mod broadcast;
mod cooperative;
pub mod mpsc;
mod mutex;
mod notify;
mod once_cell;
mod once_place;
pub mod oneshot;
mod owners;
mod protected;
mod rwlock;
mod semaphore;
pub(crate) mod semaphore_core;
mod set_once;
mod try_lock_error;
mod waiter_list;
mod waiters;
pub(crate) mod wake_batch;
pub mod watch;

pub use barrier::{Barrier, BarrierWaitResult};
pub use mutex::{MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard};
pub use notify::Notify;
pub use once_cell::{OnceCell, SetError};
pub use rwlock::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard,
};
pub use semaphore::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
pub use semaphore_core::{AcquireError, TryAcquireError};
pub use set_once::{SetOnce, SetOnceError};
pub use try_lock_error::TryLockError;

/// The futures that have names.
pub mod futures {
    pub use super::notify::{Notified, OwnedNotified};
}
