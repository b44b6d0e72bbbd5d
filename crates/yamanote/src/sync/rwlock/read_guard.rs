//! Reading a borrowed lock.
#![forbid(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use crate::sync::protected::{Gate, Many, One, Permits, Shared};

/// The right to read the value of a [`RwLock`](crate::sync::RwLock), or a part of it. Dropping it
/// may let a writer in.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    view: Shared<Permits<&'a Gate<Many>, One>, T>,
    _borrows: PhantomData<&'a T>,
}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    pub(super) fn new(view: Shared<Permits<&'a Gate<Many>, One>, T>) -> Self {
        RwLockReadGuard {
            view,
            _borrows: PhantomData,
        }
    }

    /// Narrows the guard to a part of the value.
    ///
    /// Not a method, which would hide one of the value's: `RwLockReadGuard::map(guard, ...)`.
    ///
    /// ```
    /// use yamanote::sync::{RwLock, RwLockReadGuard};
    ///
    /// # #[yamanote::main]
    /// # async fn main() {
    /// let pair = RwLock::new((1, "one"));
    /// let name = RwLockReadGuard::map(pair.read().await, |pair| pair.1);
    /// assert_eq!(&*name, "one");
    /// # }
    /// ```
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        RwLockReadGuard::new(this.view.map(f))
    }

    /// Narrows the guard to a part of the value that may not be there.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` returns `None`.
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match this.view.try_map(f) {
            Ok(view) => Ok(RwLockReadGuard::new(view)),
            Err(view) => Err(RwLockReadGuard::new(view)),
        }
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.view
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
