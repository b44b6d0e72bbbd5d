//! Channels, locks and signals between tasks.
//!
//! Nothing here knows a runtime: a task waits by leaving its waker, so everything works under any
//! executor, and across runtimes.

pub(crate) mod atomic_waker;
mod barrier;
pub mod broadcast;
mod cooperative;
pub mod mpsc;
mod mutex;
mod notify;
mod once_cell;
pub mod oneshot;
mod protected;
mod rwlock;
mod semaphore;
pub(crate) mod semaphore_core;
mod set_once;
mod slot;
mod waiters;
pub(crate) mod wake_batch;
pub mod watch;

pub use barrier::{Barrier, BarrierWaitResult};
pub use mutex::{
    MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard, TryLockError,
};
pub use notify::Notify;
pub use once_cell::{OnceCell, SetError};
pub use rwlock::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard,
};
pub use semaphore::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
pub use semaphore_core::{AcquireError, TryAcquireError};
pub use set_once::{SetOnce, SetOnceError};

/// The futures that have names.
pub mod futures {
    pub use super::notify::{Notified, OwnedNotified};
}
