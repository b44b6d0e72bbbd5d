//! The waker of a task: one of its references.

use super::biased::{self, Where};
use super::core::{Header, drop_reference};
use super::state::Wake;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// One table for all types of tasks, so that `will_wake` holds whatever crate polled the future.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The same for biased tasks.
static BIASED: RawWakerVTable = RawWakerVTable::new(
    clone_biased,
    wake_biased,
    wake_biased_by_ref,
    drop_biased_waker,
);

/// The waker a task is polled with. It holds no reference of its own; its clones do.
///
/// # Safety
///
/// The caller holds a reference for as long as the waker is used, and knows whether it is biased.
pub(super) unsafe fn borrowed(task: NonNull<Header>, is_biased: bool) -> ManuallyDrop<Waker> {
    let table = if is_biased { &BIASED } else { &VTABLE };
    // SAFETY: the table's functions take the pointer for what it is, a task's, and count references
    // as a RawWaker has to; this one is never dropped.
    ManuallyDrop::new(unsafe { Waker::new(task.as_ptr().cast(), table) })
}

/// # Safety (of all that take `data`)
///
/// `data` is a task's pointer and the waker called has a reference to it.
unsafe fn task(data: *const ()) -> NonNull<Header> {
    // SAFETY: it was a NonNull in `borrowed`.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

/// Tells a subscriber of `tracing`, if the task has a span. Before the verb: afterwards the task
/// may be gone.
///
/// # Safety
///
/// The waker called has a reference.
#[inline(always)]
unsafe fn tell(task: NonNull<Header>, op: &'static str) {
    // SAFETY: the reference.
    unsafe { task.as_ref() }.meta.label.waker_event(op);
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker's reference.
    let header = unsafe { task(data).as_ref() };
    header.meta.label.waker_event("waker.clone");
    header.state.add_reference();
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: as above; the verb says what becomes of the reference.
    unsafe {
        let task = task(data);
        tell(task, "waker.wake");
        after_wake_by_value(task, (*task.as_ptr()).state.wake_by_value());
    }
}

/// # Safety
///
/// The verb was [`State::wake_by_value`](super::state::State::wake_by_value) or its like.
#[inline(always)]
unsafe fn after_wake_by_value(task: NonNull<Header>, wake: Wake) {
    /// Given up also when scheduling panics: a `LocalSet` calls a foreign waker.
    struct Reference(NonNull<Header>);
    impl Drop for Reference {
        fn drop(&mut self) {
            // SAFETY: the waker's reference, which it was made of.
            unsafe { drop_reference(self.0) }
        }
    }
    // SAFETY: the verb says so; the reference goes with it or with `Reference`.
    unsafe {
        match wake {
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
        tell(task, "waker.wake_by_ref");
        if (*task.as_ptr()).state.wake_by_ref() == Wake::Schedule {
            ((*task.as_ptr()).vtable.schedule)(task);
        }
    }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker's reference, given up.
    unsafe {
        tell(task(data), "waker.drop");
        drop_reference(task(data));
    }
}

unsafe fn clone_biased(data: *const ()) -> RawWaker {
    // SAFETY: the waker's reference.
    let header = unsafe { task(data).as_ref() };
    header.meta.label.waker_event("waker.clone");
    biased::add_reference(header);
    RawWaker::new(data, &BIASED)
}

unsafe fn wake_biased(data: *const ()) {
    // SAFETY: as in `wake`. Near, the reference became the `Notified`'s, and the list's keeps the
    // task alive (rule 8).
    unsafe {
        let task = task(data);
        tell(task, "waker.wake");
        match biased::wake_by_value(task) {
            Where::Near(Wake::Schedule) => ((*task.as_ptr()).vtable.schedule_near)(task),
            Where::Near(_) => {}
            Where::Far(wake) => after_wake_by_value(task, wake),
        }
    }
}

unsafe fn wake_biased_by_ref(data: *const ()) {
    // SAFETY: as in `wake_by_ref`.
    unsafe {
        let task = task(data);
        tell(task, "waker.wake_by_ref");
        schedule(task, biased::wake_by_ref(&*task.as_ptr()));
    }
}

unsafe fn drop_biased_waker(data: *const ()) {
    // SAFETY: the waker's reference, given up. Nothing is read after the verb unless it was the
    // last one.
    unsafe {
        let task = task(data);
        tell(task, "waker.drop");
        if biased::drop_reference(task) {
            ((*task.as_ptr()).vtable.free)(task);
        }
    }
}

/// # Safety
///
/// The verb was one that keeps the caller's reference, and `task` is alive until this returns.
unsafe fn schedule(task: NonNull<Header>, wake: Where) {
    // SAFETY: the verb added the reference.
    unsafe {
        match wake {
            Where::Near(Wake::Schedule) => ((*task.as_ptr()).vtable.schedule_near)(task),
            Where::Far(Wake::Schedule) => ((*task.as_ptr()).vtable.schedule)(task),
            Where::Near(_) | Where::Far(_) => {}
        }
    }
}

/// Cancels the task at its next turn; the caller holds it through the call.
///
/// # Safety
///
/// `task` is alive until this returns.
pub(super) unsafe fn abort(task: NonNull<Header>) {
    // SAFETY: the caller holds the task; the verb added the reference for `schedule`.
    unsafe {
        let header = &*task.as_ptr();
        let wake = match header.vtable.is_biased {
            true => biased::abort(header),
            false => Where::Far(header.state.abort()),
        };
        schedule(task, wake);
    }
}
