//! A lock that tasks wait for without blocking their thread.
#![forbid(unsafe_code)]

mod guard;
mod owned_guard;

pub use guard::{MappedMutexGuard, MutexGuard};
pub use owned_guard::{OwnedMappedMutexGuard, OwnedMutexGuard};

use std::fmt;
use std::sync::Arc;

use super::protected::{self, One, Protected};
use super::try_lock_error::TryLockError;
use crate::util::thread_park;

/// One task at a time sees the value inside; the others wait in the order they asked.
///
/// It is for guards that live across an `.await`: of a connection, say, that one request after the
/// other uses. For plain data that is looked at and put back [`std::sync::Mutex`] is quicker, even
/// in asynchronous code; keep its guard between two awaits and it cannot go wrong.
///
/// Taking a free lock costs one atomic instruction, and so does giving it back when nobody waits.
/// Memory is never allocated. The lock is not poisoned: if a task panics while it holds the guard,
/// the next one gets the value as it was left.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use yamanote::sync::Mutex;
///
/// # #[yamanote::main]
/// # async fn main() {
/// let log = Arc::new(Mutex::new(Vec::new()));
/// let tasks: Vec<_> = (0..3)
///     .map(|number| {
///         let log = log.clone();
///         yamanote::spawn(async move {
///             let mut lines = log.lock().await;
///             lines.push(format!("{number} begins"));
///             yamanote::task::yield_now().await;
///             lines.push(format!("{number} ends"));
///         })
///     })
///     .collect();
/// for task in tasks {
///     task.await.unwrap();
/// }
/// for pair in log.lock().await.chunks(2) {
///     assert_eq!(pair[0].replace("begins", "ends"), pair[1]);
/// }
/// # }
/// ```
pub struct Mutex<T: ?Sized> {
    pub(super) protected: Protected<One, T>,
}

impl<T: ?Sized> Mutex<T> {
    /// An unlocked mutex around `t`.
    #[track_caller]
    pub fn new(t: T) -> Self
    where
        T: Sized,
    {
        Mutex {
            protected: Protected::new(t),
        }
    }

    /// An unlocked mutex around `t`, for a `static` or `const`.
    ///
    /// ```
    /// use yamanote::sync::Mutex;
    ///
    /// static CONFIGURATION: Mutex<String> = Mutex::const_new(String::new());
    /// ```
    #[cfg(not(all(test, loom)))]
    pub const fn const_new(t: T) -> Self
    where
        T: Sized,
    {
        Mutex {
            protected: Protected::const_new(t),
        }
    }

    /// Waits until nobody has the lock, and nobody earlier wants it.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end it takes nothing, but the place in line is lost.
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard::new(protected::exclusive(self, "Mutex::lock").await)
    }

    /// [`lock`](Mutex::lock) for a thread that runs no tasks: blocks it.
    ///
    /// # Panics
    ///
    /// Where tasks run: on the thread of a runtime, unless it is one for
    /// [blocking work](crate::task::spawn_blocking).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use yamanote::sync::Mutex;
    ///
    /// # #[yamanote::main]
    /// # async fn main() {
    /// let total = Arc::new(Mutex::new(0));
    /// let guard = total.lock().await;
    /// let adds = yamanote::task::spawn_blocking({
    ///     let total = total.clone();
    ///     move || *total.blocking_lock() += 1
    /// });
    /// drop(guard);
    /// adds.await.unwrap();
    /// assert_eq!(*total.lock().await, 1);
    /// # }
    /// ```
    #[track_caller]
    #[doc(alias = "lock_blocking")]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        thread_park::block_outside(self.lock())
    }

    /// [`lock_owned`](Mutex::lock_owned) for a thread that runs no tasks: blocks it.
    ///
    /// # Panics
    ///
    /// As [`blocking_lock`](Mutex::blocking_lock).
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        thread_park::block_outside(self.lock_owned())
    }

    /// [`lock`](Mutex::lock) with a guard that keeps the mutex alive instead of borrowing it, so
    /// that it can be moved into another task.
    ///
    /// # Cancel safety
    ///
    /// As [`lock`](Mutex::lock).
    pub async fn lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        OwnedMutexGuard::new(protected::exclusive(self, "Mutex::lock_owned").await)
    }

    /// The lock, if it can be had at once.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] if somebody has it, or waits for it.
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        protected::try_exclusive(self).map(MutexGuard::new)
    }

    /// The value, without locking: `&mut self` means that nobody else has it.
    pub fn get_mut(&mut self) -> &mut T {
        self.protected.get_mut()
    }

    /// [`try_lock`](Mutex::try_lock) with a guard that keeps the mutex alive.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Mutex::try_lock). The `Arc` is dropped then.
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        protected::try_exclusive(self).map(OwnedMutexGuard::new)
    }

    /// The value, out of its mutex.
    pub fn into_inner(self) -> T
    where
        T: Sized,
    {
        self.protected.into_inner()
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(s: T) -> Self {
        Self::new(s)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => text.field("data", &&*guard),
            Err(_) => text.field("data", &format_args!("<locked>")),
        };
        text.finish()
    }
}
