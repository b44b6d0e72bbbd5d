//! Which worker this thread is, for whoever wakes or spawns a task on it.
//!
//! A pointer in a thread-local, valid while the worker's loop is on the stack.

use std::cell::Cell;
use std::ptr;

use super::worker::Worker;

thread_local! {
    /// Null, or what `enter` was given; that call is still on this thread's stack.
    static CURRENT: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

/// Makes `worker` this thread's for the time of `f`.
pub(super) fn enter<R>(worker: &Worker, f: impl FnOnce() -> R) -> R {
    struct Restore(*const Worker);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _restore = Restore(CURRENT.replace(worker));
    f()
}

/// Calls `f` with this thread's worker.
pub(super) fn with<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    // No destructor, so the cell is there until the thread's very end.
    let worker = CURRENT.get();
    // SAFETY: `enter` set it from a reference and resets it before that reference ends, on this same
    // thread; `f` runs in between and its borrow cannot leave the call.
    f(unsafe { worker.as_ref() })
}

/// Which worker this thread is; `None` also for one that has lent its core.
pub(crate) fn index() -> Option<usize> {
    with(|worker| {
        worker
            .filter(|worker| worker.core.borrow().is_some())
            .map(|worker| worker.index.get())
    })
}
