//! A lock for many readers or one writer.
#![forbid(unsafe_code)]

mod owned_read_guard;
mod owned_write_guard;
mod read_guard;
mod write_guard;

pub use owned_read_guard::OwnedRwLockReadGuard;
pub use owned_write_guard::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard};
pub use read_guard::RwLockReadGuard;
pub use write_guard::{RwLockMappedWriteGuard, RwLockWriteGuard};

use std::fmt;
use std::sync::Arc;

use super::protected::{self, Many, Protected};
use super::try_lock_error::TryLockError;
use crate::util::thread_park;

/// Tokio's number.
const MAX_READERS: u32 = u32::MAX >> 3;

/// Many tasks may read the value inside at once, or one may write it.
///
/// Locks are given in the order they were asked for: a writer that waits lets no later reader
/// overtake it, so writers are not starved by a stream of readers. For the same reason a task that
/// holds a read lock and asks for another one can lock itself out, if a writer came in between.
///
/// It costs what a [`Mutex`](crate::sync::Mutex) costs and is not poisoned either. For plain data
/// that is looked at between two awaits [`std::sync::RwLock`] is quicker.
///
/// # Example
///
/// ```
/// use yamanote::sync::RwLock;
///
/// # #[yamanote::main]
/// # async fn main() {
/// let routes = RwLock::new(vec!["/"]);
/// {
///     let one = routes.read().await;
///     let other = routes.read().await;
///     assert_eq!(one.len(), other.len());
/// }
/// routes.write().await.push("/health");
/// assert_eq!(*routes.read().await, ["/", "/health"]);
/// # }
/// ```
pub struct RwLock<T: ?Sized> {
    pub(super) protected: Protected<Many, T>,
}

impl<T: ?Sized> RwLock<T> {
    /// An unlocked lock around `value`, for up to 536,870,911 (`u32::MAX >> 3`) readers at once.
    #[track_caller]
    pub fn new(value: T) -> RwLock<T>
    where
        T: Sized,
    {
        RwLock::with_max_readers(value, MAX_READERS)
    }

    /// An unlocked lock around `value`, for up to `max_reads` readers at once. More of them wait.
    ///
    /// # Panics
    ///
    /// If `max_reads` is 0 or more than `u32::MAX >> 3`.
    #[track_caller]
    pub fn with_max_readers(value: T, max_reads: u32) -> RwLock<T>
    where
        T: Sized,
    {
        assert_ne!(max_reads, 0, "a RwLock may not be created with 0 readers");
        assert!(
            max_reads <= MAX_READERS,
            "a RwLock may not be created with more than {MAX_READERS} readers"
        );
        RwLock {
            protected: Protected::with_readers(value, max_reads),
        }
    }

    /// [`new`](RwLock::new), for a `static` or `const`.
    ///
    /// ```
    /// use yamanote::sync::RwLock;
    ///
    /// static PEERS: RwLock<Vec<String>> = RwLock::const_new(Vec::new());
    /// ```
    #[cfg(not(all(test, loom)))]
    pub const fn const_new(value: T) -> RwLock<T>
    where
        T: Sized,
    {
        RwLock::const_with_max_readers(value, MAX_READERS)
    }

    /// [`with_max_readers`](RwLock::with_max_readers), for a `static` or `const`.
    ///
    /// # Panics
    ///
    /// As [`with_max_readers`](RwLock::with_max_readers).
    #[cfg(not(all(test, loom)))]
    pub const fn const_with_max_readers(value: T, max_reads: u32) -> RwLock<T>
    where
        T: Sized,
    {
        assert!(max_reads != 0, "a RwLock may not be created with 0 readers");
        assert!(
            max_reads <= MAX_READERS,
            "a RwLock may not be created with more than 536870911 readers"
        );
        RwLock {
            protected: Protected::const_with_readers(value, max_reads),
        }
    }

    /// Waits until nobody writes, and no earlier writer waits.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end it takes nothing, but the place in line is lost.
    pub async fn read(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard::new(protected::shared(self, "RwLock::read").await.of_gate())
    }

    /// [`read`](RwLock::read) for a thread that runs no tasks: blocks it.
    ///
    /// # Panics
    ///
    /// Where tasks run: on the thread of a runtime, unless it is one for
    /// [blocking work](crate::task::spawn_blocking).
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        thread_park::block_outside(self.read())
    }

    /// [`read`](RwLock::read) with a guard that keeps the lock alive instead of borrowing it, so
    /// that it can be moved into another task.
    ///
    /// # Cancel safety
    ///
    /// As [`read`](RwLock::read).
    pub async fn read_owned(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        OwnedRwLockReadGuard::new(protected::shared(self, "RwLock::read_owned").await)
    }

    /// A read lock, if it can be had at once.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] if somebody writes or waits to, or if there are too many readers.
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        protected::try_shared(self).map(|view| RwLockReadGuard::new(view.of_gate()))
    }

    /// [`try_read`](RwLock::try_read) with a guard that keeps the lock alive.
    ///
    /// # Errors
    ///
    /// As [`try_read`](RwLock::try_read). The `Arc` is dropped then.
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        protected::try_shared(self).map(OwnedRwLockReadGuard::new)
    }

    /// Waits until nobody reads or writes, and nobody earlier waits.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end it takes nothing, and lets the readers behind it in. The place in
    /// line is lost.
    pub async fn write(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard::new(protected::exclusive(self, "RwLock::write").await.of_gate())
    }

    /// [`write`](RwLock::write) for a thread that runs no tasks: blocks it.
    ///
    /// # Panics
    ///
    /// As [`blocking_read`](RwLock::blocking_read).
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        thread_park::block_outside(self.write())
    }

    /// [`write`](RwLock::write) with a guard that keeps the lock alive.
    ///
    /// # Cancel safety
    ///
    /// As [`write`](RwLock::write).
    pub async fn write_owned(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        OwnedRwLockWriteGuard::new(protected::exclusive(self, "RwLock::write_owned").await)
    }

    /// The write lock, if it can be had at once.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] if somebody reads, writes, or waits to.
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        protected::try_exclusive(self).map(|view| RwLockWriteGuard::new(view.of_gate()))
    }

    /// [`try_write`](RwLock::try_write) with a guard that keeps the lock alive.
    ///
    /// # Errors
    ///
    /// As [`try_write`](RwLock::try_write). The `Arc` is dropped then.
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        protected::try_exclusive(self).map(OwnedRwLockWriteGuard::new)
    }

    /// The value, without locking: `&mut self` means that nobody else has it.
    pub fn get_mut(&mut self) -> &mut T {
        self.protected.get_mut()
    }

    /// The value, out of its lock.
    pub fn into_inner(self) -> T
    where
        T: Sized,
    {
        self.protected.into_inner()
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(s: T) -> Self {
        Self::new(s)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => text.field("data", &&*guard),
            Err(_) => text.field("data", &format_args!("<locked>")),
        };
        text.finish()
    }
}
