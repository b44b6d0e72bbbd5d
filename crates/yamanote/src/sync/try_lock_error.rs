//! Why a lock that was tried was not taken.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;

/// The lock could not be had without waiting.
///
/// Returned by [`Mutex::try_lock`](crate::sync::Mutex::try_lock),
/// [`RwLock::try_read`](crate::sync::RwLock::try_read),
/// [`RwLock::try_write`](crate::sync::RwLock::try_write) and their owned variants.
///
/// # Examples
///
/// ```
/// use yamanote::sync::Mutex;
///
/// let mutex = Mutex::new(1);
/// let guard = mutex.try_lock().unwrap();
/// assert!(mutex.try_lock().is_err());
/// drop(guard);
/// assert_eq!(*mutex.try_lock().unwrap(), 1);
/// ```
#[derive(Debug)]
pub struct TryLockError(());

impl TryLockError {
    pub(super) fn new() -> Self {
        TryLockError(())
    }
}

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("operation would block")
    }
}

impl Error for TryLockError {}
