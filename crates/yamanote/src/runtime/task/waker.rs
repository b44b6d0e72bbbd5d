//! The waker of a task: one of its references.

use super::core::{Header, drop_reference};
use super::state::Wake;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// One table for all types of tasks, so that `will_wake` holds whatever crate polled the future.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The waker a task is polled with. It holds no reference of its own; its clones do.
///
/// # Safety
///
/// The caller holds a reference for as long as the waker is used.
pub(super) unsafe fn borrowed(task: NonNull<Header>) -> ManuallyDrop<Waker> {
    // SAFETY: the table's functions take the pointer for what it is, a task's, and count references
    // as a RawWaker has to; this one is never dropped.
    ManuallyDrop::new(unsafe { Waker::new(task.as_ptr().cast(), &VTABLE) })
}

/// # Safety (of all four)
///
/// `data` is a task's pointer and the waker called has a reference to it.
unsafe fn task(data: *const ()) -> NonNull<Header> {
    // SAFETY: it was a NonNull in `borrowed`.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker's reference.
    unsafe { (*task(data).as_ptr()).state.add_reference() };
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    /// Given up also when scheduling panics: a `LocalSet` calls a foreign waker.
    struct Reference(NonNull<Header>);
    impl Drop for Reference {
        fn drop(&mut self) {
            // SAFETY: the waker's reference, which it was made of.
            unsafe { drop_reference(self.0) }
        }
    }
    // SAFETY: as above; the reference goes with the verb or with `Reference`.
    unsafe {
        let task = task(data);
        match (*task.as_ptr()).state.wake_by_value() {
            Wake::Noted => {}
            Wake::Schedule => {
                let _ours = Reference(task);
                ((*task.as_ptr()).vtable.schedule)(task);
            }
            Wake::Free => ((*task.as_ptr()).vtable.free)(task),
        }
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker's reference lasts through the call; the verb added the one for `schedule`.
    unsafe {
        let task = task(data);
        if (*task.as_ptr()).state.wake_by_ref() == Wake::Schedule {
            ((*task.as_ptr()).vtable.schedule)(task);
        }
    }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker's reference, given up.
    unsafe { drop_reference(task(data)) };
}

/// Cancels the task at its next turn; the caller holds it through the call.
///
/// # Safety
///
/// `task` is alive until this returns.
pub(super) unsafe fn abort(task: NonNull<Header>) {
    // SAFETY: the caller holds the task; the verb added the reference for `schedule`.
    unsafe {
        if (*task.as_ptr()).state.abort() == Wake::Schedule {
            ((*task.as_ptr()).vtable.schedule)(task);
        }
    }
}
