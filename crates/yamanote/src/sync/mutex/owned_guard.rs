//! The guards that keep their mutex alive.
#![forbid(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Mutex;
use crate::sync::protected::{Exclusive, One, Permits};

/// The right to the value of a [`Mutex`] in an `Arc`, from [`Mutex::lock_owned`]. Dropping it gives
/// the lock to the next in line.
#[clippy::has_significant_drop]
pub struct OwnedMutexGuard<T: ?Sized> {
    view: Exclusive<Permits<Arc<Mutex<T>>, One>, T>,
}

/// The right to a part of the value of a [`Mutex`] in an `Arc`, from [`OwnedMutexGuard::map`]. The
/// whole mutex is locked while it lives.
#[clippy::has_significant_drop]
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct OwnedMappedMutexGuard<T: ?Sized, U: ?Sized = T> {
    view: Exclusive<Permits<Arc<Mutex<T>>, One>, U>,
    /// Tokio's guard is `Sync` only if `T` is and `U` is `Send`, though nothing would go wrong
    /// otherwise.
    _sync_with: PhantomData<(Box<T>, Box<std::sync::Mutex<U>>)>,
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    pub(super) fn new(view: Exclusive<Permits<Arc<Mutex<T>>, One>, T>) -> Self {
        OwnedMutexGuard { view }
    }

    /// Narrows the guard to a part of the value.
    ///
    /// Not a method, which would hide one of the value's: `OwnedMutexGuard::map(guard, ...)`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use yamanote::sync::{Mutex, OwnedMutexGuard};
    ///
    /// # #[yamanote::main]
    /// # async fn main() {
    /// let words = Arc::new(Mutex::new(vec!["one", "two"]));
    /// let mut first = OwnedMutexGuard::map(words.clone().lock_owned().await, |w| &mut w[0]);
    /// yamanote::spawn(async move { *first = "eins" }).await.unwrap();
    /// assert_eq!(*words.lock().await, ["eins", "two"]);
    /// # }
    /// ```
    #[inline]
    pub fn map<U, F>(this: Self, f: F) -> OwnedMappedMutexGuard<T, U>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> &mut U,
    {
        OwnedMappedMutexGuard::new(this.view.map(f))
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` returns `None`.
    #[inline]
    pub fn try_map<U, F>(this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, U>, Self>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.view.try_map(f) {
            Ok(view) => Ok(OwnedMappedMutexGuard::new(view)),
            Err(view) => Err(OwnedMutexGuard { view }),
        }
    }

    /// The mutex this guard locks.
    #[inline]
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        this.view.permits().holder()
    }
}

impl<T: ?Sized, U: ?Sized> OwnedMappedMutexGuard<T, U> {
    fn new(view: Exclusive<Permits<Arc<Mutex<T>>, One>, U>) -> Self {
        OwnedMappedMutexGuard {
            view,
            _sync_with: PhantomData,
        }
    }

    /// Narrows the guard further, as [`OwnedMutexGuard::map`] does.
    #[inline]
    pub fn map<S, F>(this: Self, f: F) -> OwnedMappedMutexGuard<T, S>
    where
        F: FnOnce(&mut U) -> &mut S,
    {
        OwnedMappedMutexGuard::new(this.view.map(f))
    }

    /// Narrows the guard further, as [`OwnedMutexGuard::try_map`] does.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` returns `None`.
    #[inline]
    pub fn try_map<S, F>(this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, S>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut S>,
    {
        match this.view.try_map(f) {
            Ok(view) => Ok(OwnedMappedMutexGuard::new(view)),
            Err(view) => Err(OwnedMappedMutexGuard::new(view)),
        }
    }
}

impl<T: ?Sized> Deref for OwnedMutexGuard<T> {
    type Target = T;
    fn deref(&self) -> &Self::Target {
        &self.view
    }
}

impl<T: ?Sized> DerefMut for OwnedMutexGuard<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.view
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedMutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for OwnedMutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: ?Sized, U: ?Sized> Deref for OwnedMappedMutexGuard<T, U> {
    type Target = U;
    fn deref(&self) -> &Self::Target {
        &self.view
    }
}

impl<T: ?Sized, U: ?Sized> DerefMut for OwnedMappedMutexGuard<T, U> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.view
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Debug> fmt::Debug for OwnedMappedMutexGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Display> fmt::Display for OwnedMappedMutexGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
