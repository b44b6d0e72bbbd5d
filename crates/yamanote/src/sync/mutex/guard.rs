//! The guards of a borrowed mutex.
#![forbid(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::Mutex;
use crate::sync::protected::{Exclusive, Gate, One, Permits};

/// The right to the value of a [`Mutex`], from [`Mutex::lock`]. Dropping it gives the lock to the
/// next in line.
///
/// It may live across an `.await` and be sent to another thread.
#[clippy::has_significant_drop]
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MutexGuard<'a, T: ?Sized> {
    view: Exclusive<Permits<&'a Mutex<T>, One>, T>,
}

/// The right to a part of the value of a [`Mutex`], from [`MutexGuard::map`]. The whole mutex is
/// locked while it lives.
#[clippy::has_significant_drop]
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MappedMutexGuard<'a, T: ?Sized> {
    view: Exclusive<Permits<&'a Gate<One>, One>, T>,
    _borrows: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    pub(super) fn new(view: Exclusive<Permits<&'a Mutex<T>, One>, T>) -> Self {
        MutexGuard { view }
    }

    /// Narrows the guard to a part of the value.
    ///
    /// Not a method, which would hide one of the value's: `MutexGuard::map(guard, ...)`.
    ///
    /// ```
    /// use yamanote::sync::{Mutex, MutexGuard};
    ///
    /// # #[yamanote::main]
    /// # async fn main() {
    /// let pair = Mutex::new((1, "one"));
    /// let mut number = MutexGuard::map(pair.lock().await, |pair| &mut pair.0);
    /// *number += 1;
    /// drop(number);
    /// assert_eq!(pair.into_inner(), (2, "one"));
    /// # }
    /// ```
    #[inline]
    pub fn map<U, F>(this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> &mut U,
    {
        MappedMutexGuard::new(this.view.of_gate().map(f))
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` returns `None`.
    #[inline]
    pub fn try_map<U, F>(this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.view.try_map(f) {
            Ok(view) => Ok(MappedMutexGuard::new(view.of_gate())),
            Err(view) => Err(MutexGuard { view }),
        }
    }

    /// The mutex this guard locks.
    #[inline]
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.view.permits().holder()
    }
}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    fn new(view: Exclusive<Permits<&'a Gate<One>, One>, T>) -> Self {
        MappedMutexGuard {
            view,
            _borrows: PhantomData,
        }
    }

    /// Narrows the guard further, as [`MutexGuard::map`] does.
    #[inline]
    pub fn map<U, F>(this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        MappedMutexGuard::new(this.view.map(f))
    }

    /// Narrows the guard further, as [`MutexGuard::try_map`] does.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` returns `None`.
    #[inline]
    pub fn try_map<U, F>(this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.view.try_map(f) {
            Ok(view) => Ok(MappedMutexGuard::new(view)),
            Err(view) => Err(MappedMutexGuard::new(view)),
        }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &Self::Target {
        &self.view
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.view
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: ?Sized> Deref for MappedMutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &Self::Target {
        &self.view
    }
}

impl<T: ?Sized> DerefMut for MappedMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.view
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MappedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MappedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
