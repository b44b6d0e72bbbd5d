//! Permits of a lock's semaphore that return by themselves.

use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use super::{Count, Gate, Lock, Many, One};

/// What keeps the semaphore, and the value beside it, alive and in place.
pub(in crate::sync) trait Holder {
    type All: Count;

    fn gate(&self) -> &Gate<Self::All>;
}

impl<All: Count> Holder for &Gate<All> {
    type All = All;

    fn gate(&self) -> &Gate<All> {
        self
    }
}

impl<L: Lock + ?Sized> Holder for &L {
    type All = L::All;

    fn gate(&self) -> &Gate<L::All> {
        &self.protected().gate
    }
}

impl<L: Lock + ?Sized> Holder for Arc<L> {
    type All = L::All;

    fn gate(&self) -> &Gate<L::All> {
        &self.protected().gate
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

    #[inline]
    pub(super) fn tell_taken(&self) {
        self.holder.gate().tell::<N>(true);
    }

    pub(in crate::sync) fn holder(&self) -> &H {
        &self.holder
    }
}

impl<'a, L: Lock + ?Sized, N: Count> Permits<&'a L, N> {
    /// Erases the type of the lock.
    pub(in crate::sync) fn of_gate(self) -> Permits<&'a Gate<L::All>, N> {
        let this = ManuallyDrop::new(self);
        let lock: &'a L = this.holder;
        Permits {
            holder: &lock.protected().gate,
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
        let gate = one.holder.gate();
        gate.core.add_permits(this.count.number() - 1);
        gate.tell::<Many>(false);
        gate.tell::<One>(true);
        one
    }
}

impl<H: Holder, N: Count> Drop for Permits<H, N> {
    fn drop(&mut self) {
        self.holder.gate().give_back(self.count);
    }
}
