//! Writing a lock that is kept alive.
#![forbid(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::{OwnedRwLockReadGuard, RwLock};
use crate::sync::protected::{Exclusive, Many, Permits};

/// The right to read and write the value of a [`RwLock`] in an `Arc`, from [`RwLock::write_owned`].
/// Dropping it lets the next in line in.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use yamanote::sync::{OwnedRwLockWriteGuard, RwLock};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let lock = Arc::new(RwLock::new((1, "one")));
/// let pair = lock.clone().write_owned().await;
/// let mut number = OwnedRwLockWriteGuard::map(pair, |pair| &mut pair.0);
/// *number += 1;
/// drop(number);
/// assert_eq!(*lock.read().await, (2, "one"));
/// # }
/// ```
#[clippy::has_significant_drop]
pub struct OwnedRwLockWriteGuard<T: ?Sized> {
    view: Exclusive<Permits<Arc<RwLock<T>>, Many>, T>,
    /// It may become a read guard, which others share: `Send` and `Sync` ask for both of `T`; and
    /// `Unpin` asks for it, as in Tokio.
    _traits: PhantomData<(Arc<T>, T)>,
}

/// The right to read and write a part of the value of a [`RwLock`] in an `Arc`, from
/// [`OwnedRwLockWriteGuard::map`]. The whole lock is held while it lives.
#[clippy::has_significant_drop]
pub struct OwnedRwLockMappedWriteGuard<T: ?Sized, U: ?Sized = T> {
    view: Exclusive<Permits<Arc<RwLock<T>>, Many>, U>,
    /// As the guard it comes from; `Send` and `Sync` ask for both of `U` too.
    _traits: PhantomData<(Arc<U>, Arc<T>, T)>,
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    pub(super) fn new(view: Exclusive<Permits<Arc<RwLock<T>>, Many>, T>) -> Self {
        OwnedRwLockWriteGuard {
            view,
            _traits: PhantomData,
        }
    }

    /// Narrows the guard to a part of the value.
    ///
    /// Not a method, which would hide one of the value's: `OwnedRwLockWriteGuard::map(guard, ...)`.
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        OwnedRwLockMappedWriteGuard::new(this.view.map(f))
    }

    /// Narrows the guard to a part of the value and lets other readers in, but no writer in
    /// between.
    #[inline]
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, U>
    where
        F: FnOnce(&T) -> &U,
    {
        OwnedRwLockReadGuard::new(this.view.downgrade_map(f))
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` returns `None`.
    #[inline]
    pub fn try_map<F, U: ?Sized>(
        this: Self,
        f: F,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.view.try_map(f) {
            Ok(view) => Ok(OwnedRwLockMappedWriteGuard::new(view)),
            Err(view) => Err(OwnedRwLockWriteGuard::new(view)),
        }
    }

    /// [`downgrade_map`](OwnedRwLockWriteGuard::downgrade_map) to a part of the value that may not
    /// be there.
    ///
    /// # Errors
    ///
    /// The guard itself, still the only one, if `f` returns `None`.
    #[inline]
    pub fn try_downgrade_map<F, U: ?Sized>(
        this: Self,
        f: F,
    ) -> Result<OwnedRwLockReadGuard<T, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match this.view.try_downgrade_map(f) {
            Ok(view) => Ok(OwnedRwLockReadGuard::new(view)),
            Err(view) => Err(OwnedRwLockWriteGuard::new(view)),
        }
    }

    /// [`map`](OwnedRwLockWriteGuard::map) to the whole value, where a mapped guard is needed.
    #[inline]
    pub fn into_mapped(this: Self) -> OwnedRwLockMappedWriteGuard<T> {
        OwnedRwLockMappedWriteGuard::new(this.view)
    }

    /// Lets other readers in, but no writer in between: what was written is what this guard reads.
    pub fn downgrade(self) -> OwnedRwLockReadGuard<T> {
        OwnedRwLockReadGuard::new(self.view.downgrade())
    }

    /// The lock this guard holds.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.view.permits().holder()
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    fn new(view: Exclusive<Permits<Arc<RwLock<T>>, Many>, U>) -> Self {
        OwnedRwLockMappedWriteGuard {
            view,
            _traits: PhantomData,
        }
    }

    /// Narrows the guard further, as [`OwnedRwLockWriteGuard::map`] does.
    #[inline]
    pub fn map<F, V: ?Sized>(this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, V>
    where
        F: FnOnce(&mut U) -> &mut V,
    {
        OwnedRwLockMappedWriteGuard::new(this.view.map(f))
    }

    /// Narrows the guard further, as [`OwnedRwLockWriteGuard::try_map`] does.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` returns `None`.
    #[inline]
    pub fn try_map<F, V: ?Sized>(
        this: Self,
        f: F,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, V>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut V>,
    {
        match this.view.try_map(f) {
            Ok(view) => Ok(OwnedRwLockMappedWriteGuard::new(view)),
            Err(view) => Err(OwnedRwLockMappedWriteGuard::new(view)),
        }
    }

    /// The lock this guard holds.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.view.permits().holder()
    }
}

impl<T: ?Sized> Deref for OwnedRwLockWriteGuard<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.view
    }
}

impl<T: ?Sized> DerefMut for OwnedRwLockWriteGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.view
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedRwLockWriteGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for OwnedRwLockWriteGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: ?Sized, U: ?Sized> Deref for OwnedRwLockMappedWriteGuard<T, U> {
    type Target = U;
    fn deref(&self) -> &U {
        &self.view
    }
}

impl<T: ?Sized, U: ?Sized> DerefMut for OwnedRwLockMappedWriteGuard<T, U> {
    fn deref_mut(&mut self) -> &mut U {
        &mut self.view
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Debug> fmt::Debug for OwnedRwLockMappedWriteGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Display> fmt::Display for OwnedRwLockMappedWriteGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
