//! The task: a future with a state machine around it, in one allocation.
//!
//! Read [`state`] first: it draws the machine and numbers its rules; `biased` adds what is
//! different near one thread. `core` is what a task is made of, `waker` how it is woken, `run` what
//! is done with it. The types here are the references that the rest of the runtime holds:
//!
//! | type             | holds                      | may |
//! |------------------|----------------------------|-----|
//! | [`Task`]         | one reference              | be in an [`OwnedTasks`] or [`LocalTasks`] list, shut the task down |
//! | [`Notified`]     | one reference (rule 2)     | travel through run queues, to be run once |
//! | [`UnownedTask`]  | one reference, as Notified | be run, in no list; cancelled by its drop |
//! | waker            | one reference              | wake |
//! | [`AbortHandle`]  | one reference              | abort |
//! | [`JoinHandle`]   | the flag `JOIN_HANDLE`     | take the output |
//!
//! This layer knows no driver and no scheduler: a scheduler is whatever implements [`Schedule`].

mod state;

mod near_word;

mod core;

mod biased;

mod waker;

mod run;

mod abort;
mod names;

mod census;
mod error;
mod hooks;
mod id;
mod join;
mod label;
mod list;
mod local;
mod meta;
mod near_lists;
mod owned;
mod stamp;
mod tracers;
mod waits;

mod view;

pub use abort::AbortHandle;
pub(crate) use biased::{NearKey, NearTo, is_near_any};
pub(crate) use census::{Census, Condition};
pub use error::JoinError;
pub(crate) use hooks::{Hook, Hooks, tell_terminated};
pub(crate) use id::take_blocks;
pub use id::{Id, id, try_id};
pub(crate) use names::name_of;
pub(crate) use waits::Looked;
unstable! {
    pub use hooks::TaskMeta;
    #[cfg(feature = "taskdump")]
    pub(crate) use tracers::{Open, Tracer};
}
pub use join::JoinHandle;
pub(crate) use local::LocalTasks;
pub(crate) use meta::{Meta, block_on_span};
pub(crate) use owned::OwnedTasks;
pub(crate) use view::{LookFn, Looks, Owner, View, Waiting};

use self::core::{Cell, Header, drop_reference};
use near_word::NearWord;
use run::vtable;
use state::State;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;

/// What a task asks of its scheduler.
pub(crate) trait Schedule: Send + Sync + Sized + 'static {
    /// Whether tasks are biased: one thread at a time drives the scheduler, and what it does to
    /// tasks itself takes next to no atomic operation.
    const IS_BIASED: bool = false;

    /// The task became runnable: it was woken while idle. If tasks are biased, it was woken from
    /// far and is for the injection queue.
    fn schedule(&self, task: Notified<Self>);

    /// As [`schedule`](Self::schedule), for the local queue of the thread that drives, which is
    /// this one. For biased tasks only.
    fn schedule_near(&self, task: Notified<Self>) {
        self.schedule(task);
    }

    /// The task was woken during its own poll: it runs again after the others.
    fn yield_now(&self, task: Notified<Self>) {
        self.schedule(task);
    }

    /// The task has completed or was shut down: takes it off the owner's list and returns the
    /// list's reference, if it was there.
    fn release(&self, task: &Task<Self>) -> Option<Task<Self>>;

    /// The task is over and off its owner's list; nobody has heard of it yet.
    fn terminated(&self, _: &Meta) {}

    /// The task panicked. The panic is in the task's `JoinError` already.
    fn unhandled_panic(&self) {}
}

/// One reference to a task.
pub(crate) struct Task<S: 'static> {
    task: NonNull<Header>,
    scheduler: PhantomData<fn(S)>,
}

// SAFETY: the word is atomic and says who may touch what; future and output are Send, or the list
// the task is in lets one thread only run and drop it; and the scheduler is Send.
unsafe impl<S> Send for Task<S> {}
// SAFETY: as above.
unsafe impl<S> Sync for Task<S> {}

impl<S> Task<S> {
    /// # Safety
    ///
    /// A reference to a task with a scheduler of type `S` is handed over.
    unsafe fn from_raw(task: NonNull<Header>) -> Task<S> {
        Task {
            task,
            scheduler: PhantomData,
        }
    }

    /// Hands the reference to the caller.
    fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).task
    }

    fn raw(&self) -> NonNull<Header> {
        self.task
    }

    fn header(&self) -> &Header {
        // SAFETY: the reference.
        unsafe { self.task.as_ref() }
    }

    /// Cancels the task: drops its future here, unless it is running elsewhere or has completed.
    pub(crate) fn shutdown(self) {
        let task = self.into_raw();
        // SAFETY: the reference goes to the call.
        unsafe { ((*task.as_ptr()).vtable.shutdown)(task) }
    }
}

impl<S> Drop for Task<S> {
    fn drop(&mut self) {
        // SAFETY: the reference.
        unsafe { drop_reference(self.task) }
    }
}

/// A task that is to be run. Dropping it instead leaves the task waiting for its shutdown.
pub(crate) struct Notified<S: 'static>(Task<S>);

impl<S> Notified<S> {
    /// # Safety
    ///
    /// As [`Task::from_raw`], and no other `Notified` of the task exists (rule 2).
    unsafe fn from_raw(task: NonNull<Header>) -> Notified<S> {
        // SAFETY: passed on.
        Notified(unsafe { Task::from_raw(task) })
    }

    /// Whether a poll has answered the wake that put this biased task into the injection queue.
    #[cfg(all(test, not(loom)))]
    fn is_void(&self) -> bool {
        !self.0.header().state.load().has(state::NOTIFIED)
    }

    /// Notes when the task became runnable, in nanoseconds of its scheduler's clock, not 0.
    pub(crate) fn stamp(&self, ns: u64) {
        self.0.header().stamp.set(ns);
    }

    /// As one word, for queues made of atomics.
    pub(crate) fn into_ptr(self) -> NonNull<()> {
        self.0.into_raw().cast()
    }

    /// # Safety
    ///
    /// `task` came from [`Notified::into_ptr`] with the same `S`, and is used once.
    pub(crate) unsafe fn from_ptr(task: NonNull<()>) -> Notified<S> {
        // SAFETY: the reference that `into_ptr` handed out.
        unsafe { Notified::from_raw(task.cast()) }
    }
}

/// A task that its owner's list did not take, because it is closed. The drop, which is user code's,
/// drops the future, and lets the handle say so.
pub(crate) struct Refused(NonNull<Header>);

impl Refused {
    fn new<S>(task: Task<S>) -> Refused {
        Refused(task.into_raw())
    }
}

impl Drop for Refused {
    fn drop(&mut self) {
        // SAFETY: the reference of the `Task` that it was made of.
        unsafe { ((*self.0.as_ptr()).vtable.shutdown)(self.0) }
    }
}

/// A new task: its handle, and what its owner's list has made of it.
pub(crate) type Bound<S, T> = (JoinHandle<T>, Result<Notified<S>, Refused>);

/// What a scheduler makes of a future.
#[must_use]
pub(crate) struct Spawned<T> {
    handle: JoinHandle<T>,
    /// User code that is yet to run, for few tasks.
    rest: Option<Box<dyn FnOnce()>>,
}

impl<T> Spawned<T> {
    /// Makes the task runnable by `schedule`, if there is a task to run.
    pub(crate) fn new<S>(
        (handle, bound): Bound<S, T>,
        schedule: impl FnOnce(Notified<S>),
    ) -> Spawned<T> {
        let rest = match bound {
            Ok(task) => {
                schedule(task);
                None
            }
            Err(refused) => Some(Box::new(|| drop(refused)) as _),
        };
        Spawned { handle, rest }
    }

    /// As [`new`](Self::new), when the hook for spawned tasks was called.
    pub(crate) fn after_hook<S>(
        (handle, bound): Bound<S, T>,
        hooks: Arc<Hooks>,
        schedule: impl FnOnce(Notified<S>) + 'static,
    ) -> Spawned<T> {
        let identity = handle.identity();
        let rest = move || {
            hooks.spawned(identity);
            drop(bound.map(schedule));
        };
        Spawned {
            handle,
            rest: Some(Box::new(rest)),
        }
    }

    /// The handle. This may call a hook or, if the task was refused, drop its future: user code,
    /// for which nothing may be locked or borrowed.
    pub(crate) fn finish(self) -> JoinHandle<T> {
        if let Some(rest) = self.rest {
            rest();
        }
        self.handle
    }
}

/// A task that was found to be this scheduler's (by [`OwnedTasks::assert_owner`]), on the thread
/// that is to run it.
pub(crate) struct LocalNotified<S: 'static> {
    task: Task<S>,
    not_send: PhantomData<*const ()>,
}

impl<S> LocalNotified<S> {
    fn new(task: Notified<S>) -> LocalNotified<S> {
        LocalNotified {
            task: task.0,
            not_send: PhantomData,
        }
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.task.header().meta
    }

    /// What [`Notified::stamp`] has noted.
    pub(crate) fn stamped(&self) -> Option<u64> {
        self.task.header().stamp.get()
    }

    /// Polls the task once, under the caller's cooperative budget.
    pub(crate) fn run(self) {
        let task = self.task.into_raw();
        // SAFETY: it is the `Notified`'s reference.
        unsafe { ((*task.as_ptr()).vtable.run)(task) }
    }
}

/// A task in nobody's list: to be run, or dropped, which cancels it.
pub(crate) struct UnownedTask<S: 'static>(ManuallyDrop<Notified<S>>);

impl<S> UnownedTask<S> {
    /// Polls the task once, under the caller's cooperative budget.
    pub(crate) fn run(self) {
        let task = self.take().0.into_raw();
        // SAFETY: it is the `Notified`'s reference.
        unsafe { ((*task.as_ptr()).vtable.run)(task) }
    }

    fn take(self) -> Notified<S> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used again, not even dropped.
        unsafe { ManuallyDrop::take(&mut this.0) }
    }
}

impl<S> Drop for UnownedTask<S> {
    fn drop(&mut self) {
        // SAFETY: this is the end of `self`.
        let notified = unsafe { ManuallyDrop::take(&mut self.0) };
        notified.0.shutdown();
    }
}

/// Makes a task that is in no list.
pub(crate) fn unowned<F, S>(
    future: F,
    scheduler: S,
    meta: Meta,
) -> (UnownedTask<S>, JoinHandle<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    let task = Cell::allocate(
        (State::new_unowned(), NearWord::unused()),
        vtable::<F, S>(),
        meta,
        0,
        future,
        scheduler,
    );
    // SAFETY: the word says that there is a handle and a `Notified`; here they are.
    unsafe {
        (
            UnownedTask(ManuallyDrop::new(Notified::from_raw(task))),
            JoinHandle::new(task),
        )
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
