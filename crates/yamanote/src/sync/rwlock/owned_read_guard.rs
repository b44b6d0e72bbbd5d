//! Reading a lock that is kept alive.
#![forbid(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use super::RwLock;
use crate::sync::protected::{One, Permits, Shared};

/// The right to read the value of a [`RwLock`] in an `Arc`, or a part `U` of it. Dropping it may
/// let a writer in.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use yamanote::sync::{OwnedRwLockReadGuard, RwLock};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let lock = Arc::new(RwLock::new((1, "one")));
/// let name = OwnedRwLockReadGuard::map(lock.clone().read_owned().await, |pair| &pair.1);
/// // It borrows nothing, so it may go to another task.
/// let length = yamanote::spawn(async move { name.len() }).await.unwrap();
/// assert_eq!(length, 3);
/// # }
/// ```
#[clippy::has_significant_drop]
pub struct OwnedRwLockReadGuard<T: ?Sized, U: ?Sized = T> {
    view: Shared<Permits<Arc<RwLock<T>>, One>, U>,
    /// `Unpin` asks for it, as in Tokio.
    _traits: PhantomData<T>,
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    pub(super) fn new(view: Shared<Permits<Arc<RwLock<T>>, One>, U>) -> Self {
        OwnedRwLockReadGuard {
            view,
            _traits: PhantomData,
        }
    }

    /// Narrows the guard to a part of the value.
    ///
    /// Not a method, which would hide one of the value's: `OwnedRwLockReadGuard::map(guard, ...)`.
    #[inline]
    pub fn map<F, V: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, V>
    where
        F: FnOnce(&U) -> &V,
    {
        OwnedRwLockReadGuard::new(this.view.map(f))
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` returns `None`.
    #[inline]
    pub fn try_map<F, V: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, V>, Self>
    where
        F: FnOnce(&U) -> Option<&V>,
    {
        match this.view.try_map(f) {
            Ok(view) => Ok(OwnedRwLockReadGuard::new(view)),
            Err(view) => Err(OwnedRwLockReadGuard::new(view)),
        }
    }

    /// The lock this guard holds.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.view.permits().holder()
    }
}

impl<T: ?Sized, U: ?Sized> Deref for OwnedRwLockReadGuard<T, U> {
    type Target = U;
    fn deref(&self) -> &U {
        &self.view
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Debug> fmt::Debug for OwnedRwLockReadGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Display> fmt::Display for OwnedRwLockReadGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
