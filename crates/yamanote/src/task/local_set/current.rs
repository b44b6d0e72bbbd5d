//! The `LocalSet` this thread is in: where `spawn_local` goes.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::shared::Shared;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

/// The set this thread is in. `None` also in a thread whose thread-locals are gone.
pub(in crate::task) fn get() -> Option<Arc<Shared>> {
    CURRENT
        .try_with(|current| current.borrow().clone())
        .ok()
        .flatten()
}

fn replace(set: Option<Arc<Shared>>) -> Option<Arc<Shared>> {
    // A set that is dropped by a destructor of the thread has no context to drop it in.
    CURRENT
        .try_with(|current| current.replace(set))
        .ok()
        .flatten()
}

/// Enters `set` until the guard is dropped.
#[must_use]
pub(super) fn enter(set: &Arc<Shared>) -> LocalEnterGuard {
    LocalEnterGuard {
        outer: replace(Some(set.clone())),
        not_send: PhantomData,
    }
}

/// The thread is in a [`LocalSet`](super::LocalSet) until this is dropped; see
/// [`LocalSet::enter`](super::LocalSet::enter).
pub struct LocalEnterGuard {
    outer: Option<Arc<Shared>>,
    /// Belongs to its thread.
    not_send: PhantomData<*const ()>,
}

impl Drop for LocalEnterGuard {
    fn drop(&mut self) {
        // Outside the cell's borrow: it may be the last reference.
        drop(replace(self.outer.take()));
    }
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish()
    }
}
