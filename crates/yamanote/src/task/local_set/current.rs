//! The `LocalSet` this thread is in: where `spawn_local` goes.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::sync::Arc;

use super::shared::Shared;

thread_local! {
    static CURRENT: RefCell<Current> = const {
        RefCell::new(Current {
            set: None,
            runs: false,
        })
    };
}

#[derive(Default)]
struct Current {
    set: Option<Arc<Shared>>,
    /// The set is being polled, not only entered.
    runs: bool,
}

/// The set this thread is in. `None` also in a thread whose thread-locals are gone.
pub(in crate::task) fn get() -> Option<Arc<Shared>> {
    CURRENT
        .try_with(|current| current.borrow().set.clone())
        .ok()
        .flatten()
}

/// Whether `set` is the one this thread is in, and is being polled: then it looks at its queue
/// before it returns. A set around the innermost one does so, too, but is woken nevertheless, as in
/// Tokio.
pub(super) fn runs(set: &Arc<Shared>) -> bool {
    let is_it = |current: &Current| {
        current.runs && matches!(&current.set, Some(innermost) if Arc::ptr_eq(innermost, set))
    };
    CURRENT
        .try_with(|current| is_it(&current.borrow()))
        .unwrap_or(false)
}

fn replace(current: Current) -> Current {
    // A destructor of the thread may drop a set when there is no context any more.
    CURRENT
        .try_with(|cell| cell.replace(current))
        .unwrap_or_default()
}

/// Enters `set` until the guard is dropped; `runs`: in order to poll it.
#[must_use]
pub(super) fn enter(set: &Arc<Shared>, runs: bool) -> LocalEnterGuard {
    let set = Some(set.clone());
    LocalEnterGuard {
        outer: replace(Current { set, runs }),
        not_send: PhantomData,
    }
}

/// The thread is in a [`LocalSet`](super::LocalSet) until this is dropped; see
/// [`LocalSet::enter`](super::LocalSet::enter).
pub struct LocalEnterGuard {
    outer: Current,
    /// Belongs to its thread.
    not_send: PhantomData<*const ()>,
}

impl Drop for LocalEnterGuard {
    fn drop(&mut self) {
        // Outside the cell's borrow: it may be the last reference.
        drop(replace(mem::take(&mut self.outer)));
    }
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish()
    }
}
