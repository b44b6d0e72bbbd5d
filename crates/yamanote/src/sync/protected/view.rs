//! A value, or a part of it, together with the permits to see it.
//!
//! A view is never more than its permits: mapping it to a part moves them along, and they return
//! when the view goes, also if the mapping function panics.

use std::ops::{Deref, DerefMut};

use super::{Count, Gate, Holder, Lock, Many, One, Permits};

/// Reads and writes.
pub(in crate::sync) struct Exclusive<P, U: ?Sized> {
    value: *mut U,
    permits: P,
}

/// Reads, beside others.
pub(in crate::sync) struct Shared<P, U: ?Sized> {
    value: *const U,
    permits: P,
}

// SAFETY: it is used like `&mut U`.
unsafe impl<P: Send, U: ?Sized + Send> Send for Exclusive<P, U> {}
// SAFETY: it is used like `&mut U`.
unsafe impl<P: Sync, U: ?Sized + Sync> Sync for Exclusive<P, U> {}
// SAFETY: it is used like `&U`.
unsafe impl<P: Send, U: ?Sized + Sync> Send for Shared<P, U> {}
// SAFETY: it is used like `&U`. Tokio's guards ask for `Send` too; so do we.
unsafe impl<P: Sync, U: ?Sized + Send + Sync> Sync for Shared<P, U> {}

impl<P, U: ?Sized> Exclusive<P, U> {
    /// # Safety
    ///
    /// Until `permits` is dropped `value` is alive, in its place, and nobody else's.
    pub(super) unsafe fn new(permits: P, value: *mut U) -> Self {
        Exclusive { value, permits }
    }

    pub(in crate::sync) fn permits(&self) -> &P {
        &self.permits
    }

    pub(in crate::sync) fn map<V: ?Sized>(
        mut self,
        f: impl FnOnce(&mut U) -> &mut V,
    ) -> Exclusive<P, V> {
        let value: *mut V = f(&mut self);
        Exclusive {
            value,
            permits: self.permits,
        }
    }

    pub(in crate::sync) fn try_map<V: ?Sized>(
        mut self,
        f: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<Exclusive<P, V>, Self> {
        let value: *mut V = match f(&mut self) {
            Some(value) => value,
            None => return Err(self),
        };
        Ok(Exclusive {
            value,
            permits: self.permits,
        })
    }
}

impl<'a, L: Lock + ?Sized, N: Count, U: ?Sized> Exclusive<Permits<&'a L, N>, U> {
    /// Erases the type of the lock.
    pub(in crate::sync) fn of_gate(self) -> Exclusive<Permits<&'a Gate<L::All>, N>, U> {
        Exclusive {
            value: self.value,
            permits: self.permits.of_gate(),
        }
    }
}

impl<'a, L: Lock + ?Sized, U: ?Sized> Shared<Permits<&'a L, One>, U> {
    /// Erases the type of the lock.
    pub(in crate::sync) fn of_gate(self) -> Shared<Permits<&'a Gate<L::All>, One>, U> {
        Shared {
            value: self.value,
            permits: self.permits.of_gate(),
        }
    }
}

impl<H: Holder, U: ?Sized> Exclusive<Permits<H, Many>, U> {
    /// Lets other readers in, but no writer in between.
    pub(in crate::sync) fn downgrade(self) -> Shared<Permits<H, One>, U> {
        Shared {
            value: self.value,
            permits: self.permits.down_to_one(),
        }
    }

    pub(in crate::sync) fn downgrade_map<V: ?Sized>(
        self,
        f: impl FnOnce(&U) -> &V,
    ) -> Shared<Permits<H, One>, V> {
        let value: *const V = f(&self);
        Shared {
            value,
            permits: self.permits.down_to_one(),
        }
    }

    pub(in crate::sync) fn try_downgrade_map<V: ?Sized>(
        self,
        f: impl FnOnce(&U) -> Option<&V>,
    ) -> Result<Shared<Permits<H, One>, V>, Self> {
        let value: *const V = match f(&self) {
            Some(value) => value,
            None => return Err(self),
        };
        Ok(Shared {
            value,
            permits: self.permits.down_to_one(),
        })
    }
}

impl<P, U: ?Sized> Deref for Exclusive<P, U> {
    type Target = U;
    fn deref(&self) -> &U {
        // SAFETY: the value is alive and nobody else's while the permits are here (contract of
        // `new`).
        unsafe { &*self.value }
    }
}

impl<P, U: ?Sized> DerefMut for Exclusive<P, U> {
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: as above, and the view is borrowed mutably.
        unsafe { &mut *self.value }
    }
}

impl<P, U: ?Sized> Shared<P, U> {
    /// # Safety
    ///
    /// Until `permits` is dropped `value` is alive, in its place, and nobody writes it.
    pub(super) unsafe fn new(permits: P, value: *const U) -> Self {
        Shared { value, permits }
    }

    pub(in crate::sync) fn permits(&self) -> &P {
        &self.permits
    }

    pub(in crate::sync) fn map<V: ?Sized>(self, f: impl FnOnce(&U) -> &V) -> Shared<P, V> {
        let value: *const V = f(&self);
        Shared {
            value,
            permits: self.permits,
        }
    }

    pub(in crate::sync) fn try_map<V: ?Sized>(
        self,
        f: impl FnOnce(&U) -> Option<&V>,
    ) -> Result<Shared<P, V>, Self> {
        let value: *const V = match f(&self) {
            Some(value) => value,
            None => return Err(self),
        };
        Ok(Shared {
            value,
            permits: self.permits,
        })
    }
}

impl<P, U: ?Sized> Deref for Shared<P, U> {
    type Target = U;
    fn deref(&self) -> &U {
        // SAFETY: the value is alive and nobody writes it while the permits are here (contract of
        // `new`).
        unsafe { &*self.value }
    }
}
