//! A value behind a semaphore: the unsafe half of `Mutex` and `RwLock`.
//!
//! The semaphore has one permit for each that may look at the value at once. One of them is the
//! right to read it, all are the right to write it. Permits are taken here only, and what comes out
//! is a view ([`Exclusive`], [`Shared`]) that holds its permits as long as it lives; the guards are
//! thin, safe wrappers of views.

mod gate;
mod permits;
mod view;

pub(super) use gate::{Count, Gate, Many, One};
pub(super) use permits::{Holder, Permits};
pub(super) use view::{Exclusive, Shared};

use std::cell::UnsafeCell;
use std::ops::Deref;

use crate::sync::try_lock_error::TryLockError;
use crate::util::spans;

/// All permits of the gate make a writer.
pub(super) struct Protected<All, T: ?Sized> {
    gate: Gate<All>,
    value: UnsafeCell<T>,
}

// SAFETY: with one permit in all there is one thread at the value at a time. It gets `&mut T`, so
// the value must be allowed to change threads.
unsafe impl<T: ?Sized + Send> Sync for Protected<One, T> {}
// SAFETY: as above; and with several permits there are several threads at the value, with `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for Protected<Many, T> {}

impl<T> Protected<One, T> {
    #[track_caller]
    pub(super) fn new(value: T) -> Self {
        Protected {
            gate: Gate::of_mutex(),
            value: UnsafeCell::new(value),
        }
    }

    #[cfg(not(all(test, loom)))]
    pub(super) const fn const_new(value: T) -> Self {
        Protected {
            gate: Gate::const_of_mutex(),
            value: UnsafeCell::new(value),
        }
    }
}

impl<T> Protected<Many, T> {
    #[track_caller]
    pub(super) fn with_readers(value: T, readers: u32) -> Self {
        Protected {
            gate: Gate::of_readers(readers),
            value: UnsafeCell::new(value),
        }
    }

    #[cfg(not(all(test, loom)))]
    pub(super) const fn const_with_readers(value: T, readers: u32) -> Self {
        Protected {
            gate: Gate::const_of_readers(readers),
            value: UnsafeCell::new(value),
        }
    }
}

impl<All, T: ?Sized> Protected<All, T> {
    pub(super) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    pub(super) fn into_inner(self) -> T
    where
        T: Sized,
    {
        self.value.into_inner()
    }
}

/// What has a protected value inside.
///
/// # Safety
///
/// `protected` always returns the same.
pub(super) unsafe trait Lock {
    type All: Count;
    type Value: ?Sized;
    fn protected(&self) -> &Protected<Self::All, Self::Value>;
}

/// The value behind `H`, with all permits of its lock.
type Whole<H> = Exclusive<
    Permits<H, <<H as Deref>::Target as Lock>::All>,
    <<H as Deref>::Target as Lock>::Value,
>;

/// Waits for all permits. `holder` is a reference to the lock or an `Arc` of it; `source` is the
/// public function's name.
pub(super) async fn exclusive<H>(holder: H, source: &'static str) -> Whole<H>
where
    H: Holder + Deref<Target: Lock>,
{
    let acquired = {
        let Gate {
            resource,
            core,
            all,
        } = &holder.protected().gate;
        spans::async_op(resource, source, "poll", false, || {
            core.acquire(all.number())
        })
    };
    acquired.await.expect(NEVER_CLOSED);
    // SAFETY: all permits were acquired.
    unsafe { assume_exclusive(holder) }
}

/// Takes all permits if nobody has one.
pub(super) fn try_exclusive<H>(holder: H) -> Result<Whole<H>, TryLockError>
where
    H: Holder + Deref<Target: Lock>,
{
    let Gate { core, all, .. } = &holder.protected().gate;
    match core.try_acquire(all.number()) {
        // SAFETY: all permits were acquired.
        Ok(()) => Ok(unsafe { assume_exclusive(holder) }),
        Err(_) => Err(TryLockError::new()),
    }
}

/// Waits for one of many permits; as [`exclusive`].
pub(super) async fn shared<H, T: ?Sized>(
    holder: H,
    source: &'static str,
) -> Shared<Permits<H, One>, T>
where
    H: Holder + Deref<Target: Lock<All = Many, Value = T>>,
{
    let acquired = {
        let Gate { resource, core, .. } = &holder.protected().gate;
        spans::async_op(resource, source, "poll", false, || core.acquire(1))
    };
    acquired.await.expect(NEVER_CLOSED);
    // SAFETY: a permit was acquired.
    unsafe { assume_shared(holder) }
}

/// Takes one of many permits if there is one.
pub(super) fn try_shared<H, T: ?Sized>(
    holder: H,
) -> Result<Shared<Permits<H, One>, T>, TryLockError>
where
    H: Holder + Deref<Target: Lock<All = Many, Value = T>>,
{
    match holder.protected().gate.core.try_acquire(1) {
        // SAFETY: a permit was acquired.
        Ok(()) => Ok(unsafe { assume_shared(holder) }),
        Err(_) => Err(TryLockError::new()),
    }
}

const NEVER_CLOSED: &str = "the semaphore of a lock is not closed";

/// # Safety
///
/// The caller has all permits, and gives them away here.
unsafe fn assume_exclusive<H>(holder: H) -> Whole<H>
where
    H: Holder + Deref<Target: Lock>,
{
    let Protected { gate, value } = holder.protected();
    let (all, value) = (gate.all, value.get());
    // SAFETY: the permits are there (contract), and nobody else has one. They are returned when the
    // view goes; and the holder keeps the value where it is until then.
    let view = unsafe { Exclusive::new(Permits::assume(holder, all), value) };
    view.permits().tell_taken();
    view
}

/// # Safety
///
/// The caller has a permit, and gives it away here.
unsafe fn assume_shared<H, T: ?Sized>(holder: H) -> Shared<Permits<H, One>, T>
where
    H: Holder + Deref<Target: Lock<All = Many, Value = T>>,
{
    let value = holder.protected().value.get();
    // SAFETY: the permit is there (contract), so nobody has all of them. It is returned when the
    // view goes; and the holder keeps the value where it is until then.
    let view = unsafe { Shared::new(Permits::assume(holder, One), value) };
    view.permits().tell_taken();
    view
}
