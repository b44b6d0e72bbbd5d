//! Writing a borrowed lock.
#![forbid(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::RwLockReadGuard;
#[cfg(doc)]
use crate::sync::RwLock;
use crate::sync::protected::{Exclusive, Gate, Many, Permits};

/// The right to read and write the value of a [`RwLock`], from [`RwLock::write`]. Dropping it
/// lets the next in line in.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    view: Exclusive<Permits<&'a Gate<Many>, Many>, T>,
    _borrows: PhantomData<&'a mut T>,
    /// It may become a read guard, which others share: `Send` and `Sync` ask for both of `T`.
    _traits: PhantomData<std::sync::Arc<T>>,
}

/// The right to read and write a part of the value of a [`RwLock`], from
/// [`RwLockWriteGuard::map`]. The whole lock is held while it lives.
#[clippy::has_significant_drop]
pub struct RwLockMappedWriteGuard<'a, T: ?Sized> {
    view: Exclusive<Permits<&'a Gate<Many>, Many>, T>,
    _borrows: PhantomData<&'a mut T>,
    /// As the guard it comes from.
    _traits: PhantomData<std::sync::Arc<T>>,
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    pub(super) fn new(view: Exclusive<Permits<&'a Gate<Many>, Many>, T>) -> Self {
        RwLockWriteGuard {
            view,
            _borrows: PhantomData,
            _traits: PhantomData,
        }
    }

    /// Narrows the guard to a part of the value.
    ///
    /// Not a method, which would hide one of the value's: `RwLockWriteGuard::map(guard, ...)`.
    ///
    /// ```
    /// use yamanote::sync::{RwLock, RwLockWriteGuard};
    ///
    /// # #[yamanote::main]
    /// # async fn main() {
    /// let pair = RwLock::new((1, "one"));
    /// *RwLockWriteGuard::map(pair.write().await, |pair| &mut pair.0) += 1;
    /// assert_eq!(pair.into_inner(), (2, "one"));
    /// # }
    /// ```
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        RwLockMappedWriteGuard::new(this.view.map(f))
    }

    /// Narrows the guard to a part of the value and lets other readers in, but no writer in
    /// between.
    #[inline]
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        RwLockReadGuard::new(this.view.downgrade_map(f))
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` returns `None`.
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.view.try_map(f) {
            Ok(view) => Ok(RwLockMappedWriteGuard::new(view)),
            Err(view) => Err(RwLockWriteGuard::new(view)),
        }
    }

    /// [`downgrade_map`](RwLockWriteGuard::downgrade_map) to a part of the value that may not be
    /// there.
    ///
    /// # Errors
    ///
    /// The guard itself, still the only one, if `f` returns `None`.
    #[inline]
    pub fn try_downgrade_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match this.view.try_downgrade_map(f) {
            Ok(view) => Ok(RwLockReadGuard::new(view)),
            Err(view) => Err(RwLockWriteGuard::new(view)),
        }
    }

    /// [`map`](RwLockWriteGuard::map) to the whole value, where a mapped guard is needed.
    #[inline]
    pub fn into_mapped(this: Self) -> RwLockMappedWriteGuard<'a, T> {
        RwLockMappedWriteGuard::new(this.view)
    }

    /// Lets other readers in, but no writer in between: what was written is what this guard reads.
    ///
    /// ```
    /// use yamanote::sync::RwLock;
    ///
    /// # #[yamanote::main]
    /// # async fn main() {
    /// let number = RwLock::new(1);
    /// let mut writes = number.write().await;
    /// *writes += 1;
    /// let reads = writes.downgrade();
    /// assert_eq!(*number.read().await, 2);
    /// assert_eq!(*reads, 2);
    /// # }
    /// ```
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        RwLockReadGuard::new(self.view.downgrade())
    }
}

impl<'a, T: ?Sized> RwLockMappedWriteGuard<'a, T> {
    fn new(view: Exclusive<Permits<&'a Gate<Many>, Many>, T>) -> Self {
        RwLockMappedWriteGuard {
            view,
            _borrows: PhantomData,
            _traits: PhantomData,
        }
    }

    /// Narrows the guard further, as [`RwLockWriteGuard::map`] does.
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        RwLockMappedWriteGuard::new(this.view.map(f))
    }

    /// Narrows the guard further, as [`RwLockWriteGuard::try_map`] does.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` returns `None`.
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.view.try_map(f) {
            Ok(view) => Ok(RwLockMappedWriteGuard::new(view)),
            Err(view) => Err(RwLockMappedWriteGuard::new(view)),
        }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.view
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.view
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: ?Sized> Deref for RwLockMappedWriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.view
    }
}

impl<T: ?Sized> DerefMut for RwLockMappedWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.view
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockMappedWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockMappedWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
