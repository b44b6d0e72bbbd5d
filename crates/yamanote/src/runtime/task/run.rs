//! What a task's runner does: polls or cancels it, and completes it.
//!
//! The functions here fill the [`Vtable`], where their contracts stand. No panic of the user's
//! leaves them: one in the future's poll or drop becomes the task's result, and one in the drop of
//! an output nobody wants, of a panic's payload, or in the join waker ends here.

use super::core::{Cell, Header, Stage, Vtable, cell, drop_reference};
use super::error::JoinError;
use super::state::{Claim, Completion, Pending};
use super::{Notified, Schedule, Task, biased, id, tracers, waker};
use crate::unstable::TASK_DUMPS;
use crate::util::contained::{contained, drop_payload};
use crate::util::defer::Collecting;
use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// The functions for tasks of these types.
pub(super) fn vtable<F: Future, S: Schedule>() -> &'static Vtable {
    &Cell::<F, S>::VTABLE
}

impl<F: Future, S: Schedule> Cell<F, S> {
    const VTABLE: Vtable = Vtable {
        run: run::<F, S>,
        schedule: schedule::<F, S>,
        schedule_near: schedule_near::<F, S>,
        shutdown: shutdown::<F, S>,
        take_output: take_output::<F, S>,
        drop_stage: drop_stage::<F, S>,
        free: free::<F, S>,
        is_biased: S::IS_BIASED,
    };
}

/// See `Vtable::run`.
unsafe fn run<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: the caller's reference keeps the task alive until a verb below gives it away, and the
    // view is not used after that.
    let this = unsafe { cell::<F, S>(task) };
    let claim = match S::IS_BIASED {
        // SAFETY: biased tasks are run near.
        true => unsafe { biased::claim(task) },
        false => this.header.state.claim(),
    };
    match claim {
        Claim::Poll => {}
        // SAFETY: this thread has the claim and the reference, which `complete` takes.
        Claim::Cancel => unsafe {
            cancel::<F, S>(task);
            return complete::<F, S>(task);
        },
        Claim::Lost => return,
        // SAFETY: the verb says so.
        Claim::Free => return unsafe { free::<F, S>(task) },
    }
    // SAFETY: this thread has the claim.
    if unsafe { poll::<F, S>(task) }.is_ready() {
        // SAFETY: the claim is still ours and `poll` stored the output.
        return unsafe { complete::<F, S>(task) };
    }
    let pending = match S::IS_BIASED {
        // SAFETY: as above.
        true => unsafe { biased::finish_pending(&this.header) },
        false => this.header.state.finish_pending(),
    };
    match pending {
        Pending::Idle => {}
        Pending::Again if S::IS_BIASED => {
            // SAFETY: the reference is the `Notified`'s from now on, and the list's keeps the task
            // alive (rule 8).
            this.scheduler
                .schedule_near(unsafe { Notified::from_raw(task) });
        }
        Pending::Again => {
            // SAFETY: the verb gave us a second reference; it becomes the `Notified`'s.
            let notified = unsafe { Notified::from_raw(task) };
            this.scheduler.yield_now(notified);
            // SAFETY: the first one; the view `this` is not used any more.
            unsafe { drop_reference(task) };
        }
        // SAFETY: the verb left us the claim and the reference.
        Pending::Cancel => unsafe {
            cancel::<F, S>(task);
            complete::<F, S>(task);
        },
        // SAFETY: nobody else has the task.
        Pending::Free => unsafe {
            drop_stage_contained::<F, S>(task);
            free::<F, S>(task);
        },
    }
}

/// See `Vtable::schedule`.
unsafe fn schedule<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: the caller holds another reference until this returns.
    let this = unsafe { cell::<F, S>(task) };
    // SAFETY: the reference is ours to give.
    let notified = unsafe { Notified::from_raw(task) };
    this.scheduler.schedule(notified);
}

/// See `Vtable::schedule_near`.
unsafe fn schedule_near<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: the list holds a reference (rule 8), and tasks leave it near, where we are.
    let this = unsafe { cell::<F, S>(task) };
    // SAFETY: the reference is ours to give.
    let notified = unsafe { Notified::from_raw(task) };
    this.scheduler.schedule_near(notified);
}

/// See `Vtable::shutdown`.
unsafe fn shutdown<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: the caller's reference.
    let this = unsafe { cell::<F, S>(task) };
    let is_claimed = match S::IS_BIASED {
        // SAFETY: biased tasks are shut down near, or before anybody knows them.
        true => unsafe { biased::claim_for_shutdown(&this.header) },
        false => this.header.state.claim_for_shutdown(),
    };
    if is_claimed {
        // SAFETY: this thread has the claim and a reference.
        unsafe {
            cancel::<F, S>(task);
            complete::<F, S>(task);
        }
    } else {
        // SAFETY: the caller's reference; `this` is not used any more.
        unsafe { drop_reference(task) };
    }
}

/// Polls the future. On `Ready` the future is dropped and the output stored: the value, or the
/// panic of the poll or of the future's drop.
///
/// # Safety
///
/// The caller has the claim (rule 1), and the task is a `Cell<F, S>`.
unsafe fn poll<F: Future, S: Schedule>(task: NonNull<Header>) -> Poll<()> {
    // SAFETY: the claim includes a reference.
    let this = unsafe { cell::<F, S>(task) };
    let id = this.header.meta.id;
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let on_panic = DropFuture::<F, S>(task, PhantomData);
        let polled = this.stage.with_mut(|stage| {
            let _current = id::enter(id);
            let _span = this.header.meta.label.enter();
            // SAFETY: rule 1: nobody else has a reference into the stage.
            let Stage::Future(future) = (unsafe { &mut *stage }) else {
                panic!("a task without a future was polled");
            };
            // SAFETY: the future never moves: it is dropped in place, in its allocation.
            let future = unsafe { Pin::new_unchecked(future) };
            // SAFETY: the claim's reference outlives the poll, and so this waker.
            let waker = unsafe { waker::borrowed(task, S::IS_BIASED) };
            let cx = &mut Context::from_waker(&waker);
            match TASK_DUMPS {
                true => {
                    // Whoever drives biased tasks collects anyway.
                    let _collecting = (!S::IS_BIASED).then(|| Collecting::begin(&mut Vec::new()));
                    tracers::poll(id, future, cx)
                }
                false => future.poll(cx),
            }
        });
        mem::forget(on_panic);
        polled
    }));
    let output = match polled {
        Ok(Poll::Pending) => return Poll::Pending,
        // SAFETY: the claim is ours.
        Ok(Poll::Ready(output)) => match unsafe { try_drop_stage::<F, S>(task) } {
            Ok(()) => Ok(output),
            Err(payload) => {
                contained(|| {
                    let _current = id::enter(id);
                    drop(output);
                });
                Err(payload)
            }
        },
        Err(payload) => Err(payload),
    };
    let panicked = output.is_err();
    let output = output.map_err(|payload| JoinError::panic(id, payload));
    // SAFETY: rule 1. The stage is empty, so nothing of the user's is dropped.
    this.stage
        .with_mut(|stage| unsafe { *stage = Stage::Output(output) });
    if panicked {
        this.scheduler.unhandled_panic();
    }
    Poll::Ready(())
}

/// Drops the future of a poll that panics, while that panic unwinds: destructors may ask
/// `thread::panicking`. A panic of theirs ends here, or it would abort the process.
struct DropFuture<F: Future, S: Schedule>(NonNull<Header>, PhantomData<fn(F, S)>);

impl<F: Future, S: Schedule> Drop for DropFuture<F, S> {
    fn drop(&mut self) {
        // SAFETY: made and dropped by `poll`, which has the claim.
        if let Err(second) = unsafe { try_drop_stage::<F, S>(self.0) } {
            drop_payload(second);
        }
    }
}

/// As [`drop_stage`], returning the panic of a destructor.
///
/// # Safety
///
/// As [`drop_stage`].
unsafe fn try_drop_stage<F: Future, S: Schedule>(
    task: NonNull<Header>,
) -> Result<(), Box<dyn Any + Send>> {
    // SAFETY: passed on.
    catch_unwind(AssertUnwindSafe(|| unsafe { drop_stage::<F, S>(task) }))
}

/// Drops the future and stores the error that says so.
///
/// # Safety
///
/// The caller has the claim, and the task is a `Cell<F, S>`.
unsafe fn cancel<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: the claim includes a reference.
    let this = unsafe { cell::<F, S>(task) };
    let id = this.header.meta.id;
    // SAFETY: the claim is ours.
    let dropped = unsafe { try_drop_stage::<F, S>(task) };
    let error = match dropped {
        Ok(()) => JoinError::cancelled(id),
        Err(payload) => JoinError::panic(id, payload),
    };
    // SAFETY: rule 1, and the stage is empty.
    this.stage
        .with_mut(|stage| unsafe { *stage = Stage::Output(Err(error)) });
}

/// Ends the task's life: takes it off its owner's list, hands the output over, wakes the joiner.
///
/// # Safety
///
/// The caller has the claim and one reference, both of which are gone afterwards; the stage holds
/// the output; the task is a `Cell<F, S>`.
unsafe fn complete<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: the caller's reference, until a verb gives it away.
    let this = unsafe { cell::<F, S>(task) };
    // Off the list before the joiner hears of it: a task that was joined is not counted any more.
    let references = {
        // SAFETY: lends the reference; `ManuallyDrop` keeps it ours.
        let lent = ManuallyDrop::new(unsafe { Task::<S>::from_raw(task) });
        match this.scheduler.release(&lent) {
            Some(listed) => {
                assert!(listed.raw() == task, "the list returned another task");
                mem::forget(listed);
                2
            }
            None => 1,
        }
    };
    this.scheduler.terminated(&this.header.meta);
    if TASK_DUMPS {
        tracers::note_end(this.header.meta.id);
    }
    let mut output_dropped = false;
    loop {
        let completion = match S::IS_BIASED {
            // SAFETY: biased tasks are run and shut down near, or before anybody knows them.
            true => unsafe { biased::complete(task, references, output_dropped) },
            false => this.header.state.complete(references, output_dropped),
        };
        match completion {
            Completion::DropOutput => {
                // SAFETY: the claim is still ours.
                unsafe { drop_stage_contained::<F, S>(task) };
                output_dropped = true;
            }
            Completion::WakeJoiner => {
                // SAFETY: rule 4: after COMPLETE the cell is the runner's, and it is initialised.
                // It is read once; the verb below declares it uninitialised.
                let waker = this
                    .header
                    .join_waker
                    .with(|cell| unsafe { (*cell).assume_init_read() });
                if this.header.state.join_waker_taken(references) {
                    // SAFETY: the verb says so.
                    unsafe { free::<F, S>(task) };
                }
                contained(|| waker.wake());
                return;
            }
            Completion::Done => return,
            // SAFETY: the verb says so.
            Completion::Free => return unsafe { free::<F, S>(task) },
        }
    }
}

/// See `Vtable::take_output`.
unsafe fn take_output<F: Future, S: Schedule>(task: NonNull<Header>, to: *mut ()) {
    // SAFETY: the caller holds the task.
    let this = unsafe { cell::<F, S>(task) };
    // SAFETY: rule 3: the stage is the caller's. An output may be moved.
    let stage = this
        .stage
        .with_mut(|stage| unsafe { mem::replace(&mut *stage, Stage::Empty) });
    let Stage::Output(output) = stage else {
        panic!("JoinHandle polled after completion");
    };
    // SAFETY: `to` has this type, and what it held needs no drop, says the contract.
    unsafe {
        to.cast::<Poll<Result<F::Output, JoinError>>>()
            .write(Poll::Ready(output));
    }
}

/// See `Vtable::drop_stage`.
unsafe fn drop_stage<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: the caller holds the task.
    let this = unsafe { cell::<F, S>(task) };
    // SAFETY: the stage is the caller's.
    let is_empty = |stage: *const Stage<F>| unsafe { matches!(*stage, Stage::Empty) };
    if this.stage.with(is_empty) {
        return;
    }
    let meta = &this.header.meta;
    let empty = || {
        let _current = id::enter(meta.id);
        // SAFETY: the stage is the caller's; an assignment drops in place, and leaves the new value
        // also when that drop panics.
        this.stage
            .with_mut(|stage| unsafe { *stage = Stage::Empty });
    };
    // Apart, so that a future without a destructor leaves nothing of all this.
    match meta.label.may_be_told() {
        false => empty(),
        true => meta.label.in_last_span(meta.id, empty),
    }
}

/// As [`drop_stage`]; a panic ends here.
///
/// # Safety
///
/// As `Vtable::drop_stage`.
unsafe fn drop_stage_contained<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: passed on.
    contained(|| unsafe { drop_stage::<F, S>(task) });
}

/// See `Vtable::free`.
unsafe fn free<F: Future, S: Schedule>(task: NonNull<Header>) {
    let cell = task.cast::<Cell<F, S>>().as_ptr();
    // To loom the end of the memory is no access; promise C is about it.
    // SAFETY: the caller is the last to hold it.
    #[cfg(all(test, loom))]
    unsafe {
        (*cell).stage.with_mut(|_| ());
        (*cell).header.join_waker.with_mut(|_| ());
        (*cell).header.near.end();
    }
    // SAFETY: `allocate` made it from a Box of this type, and the caller is the last to hold it.
    // The stage is empty: the output was taken or dropped before, and so was the future.
    drop(unsafe { Box::from_raw(cell) });
}
