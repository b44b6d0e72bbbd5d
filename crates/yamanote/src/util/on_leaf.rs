//! The closure that hears of the leaves that a poll reaches: it belongs to whoever looks, and this
//! thread may call it while the poll lasts.

use std::cell::Cell;
use std::panic::Location;

/// Where the leaf is, and the function of ours that it has called, which is on the stack.
type Leaf = (&'static Location<'static>, *const ());

/// A closure that is borrowed, without its type.
#[derive(Clone, Copy)]
struct Borrowed {
    closure: *mut (),
    /// # Safety
    ///
    /// `closure` is this one's, and nobody else uses it during the call.
    call: unsafe fn(*mut (), Leaf),
}

thread_local! {
    static BORROWED: Cell<Option<Borrowed>> = const { Cell::new(None) };
}

/// Puts back what was there before.
struct Restore(Option<Borrowed>);

impl Drop for Restore {
    fn drop(&mut self) {
        let _ = BORROWED.try_with(|place| place.set(self.0));
    }
}

/// Runs `f`, in which [`call`] calls `on_leaf`.
pub(super) fn with<C: FnMut(Leaf), R>(on_leaf: &mut C, f: impl FnOnce() -> R) -> R {
    unsafe fn call<C: FnMut(Leaf)>(closure: *mut (), leaf: Leaf) {
        // SAFETY: the type is right and the closure ours alone, says the contract.
        unsafe { (*closure.cast::<C>())(leaf) }
    }
    let borrowed = Borrowed {
        closure: (&raw mut *on_leaf).cast(),
        call: call::<C>,
    };
    let _outer = Restore(BORROWED.replace(Some(borrowed)));
    f()
}

/// Calls the closure of the innermost [`with`] on this thread, unless it is being called.
pub(super) fn call(leaf: Leaf) {
    let Some(borrowed) = BORROWED.take() else {
        return;
    };
    let _back = Restore(Some(borrowed));
    // SAFETY: `with` has borrowed the closure until it returns, and takes it from the place before;
    // so it has not returned, and is below us on this stack. The place is empty meanwhile: nobody
    // else finds the closure.
    unsafe { (borrowed.call)(borrowed.closure, leaf) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn reach() {
        call((Location::caller(), std::ptr::null()));
    }

    #[test]
    fn the_innermost_closure_is_called_and_none_inside_of_itself() {
        reach();
        let (mut outer, mut inner) = (0, 0);
        with(
            &mut |_| {
                outer += 1;
                reach();
            },
            || {
                reach();
                with(&mut |_| inner += 1, reach);
                let panics = || with(&mut |_| panic!("on purpose"), reach);
                assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
                reach();
            },
        );
        reach();
        assert_eq!((outer, inner), (2, 1));
    }
}
