//! Permits of a lock's semaphore that return by themselves.

use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use super::Lock;
use crate::sync::semaphore_core::SemaphoreCore;

/// How many permits. [`One`] takes no room in a guard.
pub(in crate::sync) trait Count: Copy {
    fn number(self) -> usize;
}

#[derive(Clone, Copy)]
pub(in crate::sync) struct One;

#[derive(Clone, Copy)]
pub(in crate::sync) struct Many(pub(in crate::sync) u32);

impl Count for One {
    fn number(self) -> usize {
        1
    }
}

impl Count for Many {
    fn number(self) -> usize {
        self.0 as usize
    }
}

/// What keeps the semaphore, and the value beside it, alive and in place.
pub(in crate::sync) trait Holder {
    fn core(&self) -> &SemaphoreCore;
}

impl Holder for &SemaphoreCore {
    fn core(&self) -> &SemaphoreCore {
        self
    }
}

impl<L: Lock + ?Sized> Holder for &L {
    fn core(&self) -> &SemaphoreCore {
        &self.protected().core
    }
}

impl<L: Lock + ?Sized> Holder for Arc<L> {
    fn core(&self) -> &SemaphoreCore {
        &self.protected().core
    }
}

/// `count` permits of the holder's semaphore, given back on drop.
pub(in crate::sync) struct Permits<H: Holder, N: Count> {
    holder: H,
    count: N,
}

impl<H: Holder, N: Count> Permits<H, N> {
    /// # Safety
    ///
    /// The caller has `count` permits of `holder`, and gives them away here.
    pub(super) unsafe fn assume(holder: H, count: N) -> Self {
        Permits { holder, count }
    }

    pub(in crate::sync) fn holder(&self) -> &H {
        &self.holder
    }
}

impl<'a, L: Lock + ?Sized, N: Count> Permits<&'a L, N> {
    /// Erases the type of the lock.
    pub(in crate::sync) fn of_core(self) -> Permits<&'a SemaphoreCore, N> {
        let this = ManuallyDrop::new(self);
        let lock: &'a L = this.holder;
        Permits {
            holder: &lock.protected().core,
            count: this.count,
        }
    }
}

impl<H: Holder> Permits<H, Many> {
    /// Gives all but one back.
    pub(super) fn down_to_one(self) -> Permits<H, One> {
        let this = ManuallyDrop::new(self);
        let one = Permits {
            // SAFETY: `this` is neither dropped nor used again.
            holder: unsafe { ptr::read(&this.holder) },
            count: One,
        };
        one.holder.core().add_permits(this.count.number() - 1);
        one
    }
}

impl<H: Holder, N: Count> Drop for Permits<H, N> {
    fn drop(&mut self) {
        self.holder.core().add_permits(self.count.number());
    }
}
