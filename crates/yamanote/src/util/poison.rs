//! Locks, poisoned or not.
//!
//! A lock is poisoned by a panic of a thread that holds it. Nothing behind a lock of ours can be
//! left half changed by one: no code of the user runs under it, or only where its panic does no
//! harm. The panic has been reported, or it is on its way to whoever asked for the work, so the
//! lock forgets it.
#![forbid(unsafe_code)]

use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

/// What a lock or a wait for a condition gives.
#[inline]
pub(crate) fn unpoisoned<G>(result: LockResult<G>) -> G {
    result.unwrap_or_else(PoisonError::into_inner)
}

/// `None` while another thread holds the lock.
#[inline]
pub(crate) fn unpoisoned_if_free<G>(result: TryLockResult<G>) -> Option<G> {
    match result {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poison)) => Some(poison.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
