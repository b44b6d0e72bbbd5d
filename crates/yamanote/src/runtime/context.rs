//! What a thread knows about the runtime it is in.
//!
//! Two facts, both thread-local. **Current** is the runtime to which `spawn`, timers and sockets on
//! this thread belong. Runtimes nest, and guards put the outer one back. **Entered**
//! (`util/entered.rs`) says that the thread is running a runtime's futures, and therefore must not
//! block: it is set around `block_on` and around a worker's whole life, and lifted for the length
//! of `block_in_place`.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::{Arc, MutexGuard};

use super::driver::Driver;
use super::driver::readiness::Readiness;
use super::parts::Parts;
use super::scheduler::multi_thread;
use super::try_current_error::TryCurrentError;
use crate::util::entered::{self, Entered, EnteredGuard};
use crate::util::rng::Seeds;

struct Context {
    current: RefCell<Option<Arc<Parts>>>,
    /// How many [`SetCurrentGuard`]s are alive.
    depth: Cell<usize>,
}

thread_local! {
    static CONTEXT: Context = const {
        Context {
            current: RefCell::new(None),
            depth: Cell::new(0),
        }
    };
}

/// Calls `f` with the current runtime's parts, without cloning them. `f` must not enter or leave a
/// runtime.
pub(crate) fn with_current<R>(f: impl FnOnce(&Arc<Parts>) -> R) -> Result<R, TryCurrentError> {
    match CONTEXT.try_with(|context| context.current.borrow().as_ref().map(f)) {
        Ok(Some(result)) => Ok(result),
        Ok(None) => Err(TryCurrentError::no_context()),
        Err(_) => Err(TryCurrentError::thread_local_destroyed()),
    }
}

/// Calls `f` with the driver of the current runtime and its readiness set.
///
/// # Panics
///
/// Outside a runtime, and in one that was built without `enable_io`.
#[track_caller]
pub(crate) fn with_io<R>(f: impl FnOnce(&Driver, &Readiness) -> R) -> R {
    let result = with_current(|parts| {
        let driver = parts.driver_handle();
        driver.io().map(|io| f(driver, io))
    });
    match result {
        Ok(Some(result)) => result,
        Ok(None) => panic!(
            "A Tokio 1.x context was found, but IO is disabled. \
             Call `enable_io` on the runtime builder to enable IO."
        ),
        Err(no_runtime) => panic!("{no_runtime}"),
    }
}

/// Puts the outer runtime back when dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct SetCurrentGuard {
    outer: Option<Arc<Parts>>,
    depth: usize,
    /// Belongs to its thread: not `Send`, but `Sync`, like a lock's guard.
    _thread: PhantomData<MutexGuard<'static, ()>>,
}

/// Makes the runtime of `parts` current on this thread; `None` when the thread's locals are
/// destroyed already.
pub(crate) fn try_set_current(parts: &Arc<Parts>) -> Option<SetCurrentGuard> {
    CONTEXT
        .try_with(|context| {
            let outer = context.current.replace(Some(parts.clone()));
            let depth = context.depth.get() + 1;
            context.depth.set(depth);
            SetCurrentGuard {
                outer,
                depth,
                _thread: PhantomData,
            }
        })
        .ok()
}

/// Makes the runtime of `parts` current on this thread.
#[track_caller]
pub(crate) fn set_current(parts: &Arc<Parts>) -> SetCurrentGuard {
    match try_set_current(parts) {
        Some(guard) => guard,
        None => panic!("{}", TryCurrentError::thread_local_destroyed()),
    }
}

impl Drop for SetCurrentGuard {
    fn drop(&mut self) {
        let left = CONTEXT.try_with(|context| {
            if context.depth.get() != self.depth {
                // What is current on this thread is in disorder now. While unwinding that is the
                // smaller evil.
                assert!(
                    std::thread::panicking(),
                    "`EnterGuard` values dropped out of order. Guards returned by \
                     `tokio::runtime::Handle::enter()` must be dropped in the reverse order as \
                     they were acquired."
                );
                return None;
            }
            context.depth.set(self.depth - 1);
            context.current.replace(self.outer.take())
        });
        // Outside the cell's borrow: this may be the last use of the parts.
        drop(left);
    }
}

/// Runs `f` with the runtime of `parts` current and this thread marked as running a runtime.
///
/// # Panics
///
/// When the thread runs one already.
#[track_caller]
pub(crate) fn enter_runtime<R>(
    parts: &Arc<Parts>,
    allow_block_in_place: bool,
    f: impl FnOnce() -> R,
) -> R {
    assert_may_enter(parts);
    let _current = set_current(parts);
    mark_entered(parts, allow_block_in_place, f)
}

/// As [`enter_runtime`], for a runtime that is current already.
///
/// # Panics
///
/// As `enter_runtime`.
#[track_caller]
pub(crate) fn enter_current<R>(
    parts: &Arc<Parts>,
    allow_block_in_place: bool,
    f: impl FnOnce() -> R,
) -> R {
    assert_may_enter(parts);
    mark_entered(parts, allow_block_in_place, f)
}

fn mark_entered<R>(parts: &Parts, allow_block_in_place: bool, f: impl FnOnce() -> R) -> R {
    let _seeded = parts.seeds.as_ref().map(Seeds::enter);
    let _entered = EnteredGuard::set(Entered::Yes {
        allow_block_in_place,
    });
    f()
}

#[track_caller]
fn assert_may_enter(parts: &Arc<Parts>) {
    assert!(
        !entered::is_entered(),
        "Cannot start a runtime from within a runtime. This happens because a function (like \
         `block_on`) attempted to block the current thread while the thread is being used to \
         drive asynchronous tasks. If you are in an async function, use `.await` on the future \
         instead of blocking on it."
    );
    parts.driver_handle().assert_not_forked();
}

/// Runs blocking `f` on a thread of the multi-thread runtime, whose tasks move elsewhere first.
///
/// # Panics
///
/// On a thread that runs a current-thread runtime, whose tasks cannot move.
#[track_caller]
pub(crate) fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    match entered::get() {
        Entered::No => f(),
        Entered::Yes {
            allow_block_in_place: true,
        } => {
            let _entered = EnteredGuard::set(Entered::No);
            multi_thread::block_in_place(f)
        }
        Entered::Yes {
            allow_block_in_place: false,
        } => panic!("can call blocking only when running on the multi-threaded runtime"),
    }
}
