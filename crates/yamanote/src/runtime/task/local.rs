//! The list of a `LocalSet`'s living tasks. It is used on one thread only, without a lock.

use super::core::Header;
use super::list::List;
use super::meta::Meta;
use super::owned::{allocate, next_id};
use super::waits::Waits;
use super::{JoinHandle, LocalNotified, Notified, Schedule, Task};
use crate::util::owner_cell::OwnerCell;
use std::cell::RefCell;
use std::future::Future;
use std::marker::PhantomData;
use std::ptr::NonNull;

pub(crate) struct LocalTasks<S: 'static> {
    /// Never borrowed while user code runs.
    list: OwnerCell<RefCell<List>>,
    /// Never zero; tells the tasks of two lists apart.
    id: u64,
    pub(super) waits: Waits,
    scheduler: PhantomData<fn(S)>,
}

impl<S: Schedule> LocalTasks<S> {
    /// A list for the calling thread.
    pub(crate) fn new() -> LocalTasks<S> {
        LocalTasks {
            list: OwnerCell::new(RefCell::new(List::new())),
            id: next_id(),
            waits: Waits::default(),
            scheduler: PhantomData,
        }
    }

    /// Panics, as do all methods below, on any thread but the one that made the list.
    fn list(&self) -> &RefCell<List> {
        self.list.get().expect("a local task met another thread")
    }

    /// Makes a task of `future` and takes it into the list. `None` if the list is closed: the
    /// future has been dropped and the handle resolves to a cancelled error.
    pub(crate) fn bind<F>(
        &self,
        future: F,
        scheduler: S,
        meta: Meta,
    ) -> (JoinHandle<F::Output>, Option<Notified<S>>)
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let list = self.list();
        // SAFETY: the future stays on this thread: it is polled by `LocalNotified`s, which
        // `assert_owner` makes here only, and dropped by these or by the shutdown below, which is
        // here too; while the list holds the task nobody else's reference is the last. The output
        // may leave with the `JoinHandle`, which is Send only if the output is.
        let (handle, notified, listed) = unsafe { allocate(future, scheduler, meta, self.id) };
        if list.borrow().closed {
            drop(notified);
            listed.shutdown();
            return (handle, None);
        }
        list.borrow_mut().push(listed.into_raw());
        (handle, Some(notified))
    }

    /// Takes a task out, and returns the list's reference; `None` if the task was not in it (any
    /// more).
    pub(crate) fn remove(&self, task: &Task<S>) -> Option<Task<S>> {
        assert_eq!(task.header().owner, self.id, "a task of another list");
        let found = self.list().borrow_mut().remove(task.raw());
        // SAFETY: the list's reference, just taken out of it.
        found.then(|| unsafe { Task::from_raw(task.raw()) })
    }

    /// Lets no task in any more and drops the futures of those that are in, the oldest first.
    pub(crate) fn close_and_shutdown_all(&self) {
        let list = self.list();
        list.borrow_mut().closed = true;
        loop {
            // The future's drop is user code and may spawn: nothing is borrowed meanwhile.
            let task = list.borrow_mut().pop();
            let Some(task) = task else { break };
            // SAFETY: the list's reference, just taken out of it.
            unsafe { Task::<S>::from_raw(task) }.shutdown();
        }
    }

    /// Calls `f` with each task, the oldest first; it does nothing with the list.
    pub(super) fn visit(&self, mut f: impl FnMut(NonNull<Header>)) {
        let list = self.list().borrow();
        let visit = |task| {
            f(task);
            true
        };
        // SAFETY: the list is borrowed, so that whatever would change it panics.
        unsafe { list.visit(visit) };
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list().borrow().length == 0
    }

    /// Checks that the task is one of these, so that this thread may run it.
    pub(crate) fn assert_owner(&self, task: Notified<S>) -> LocalNotified<S> {
        assert_eq!(task.0.header().owner, self.id, "a task of another list");
        let _ = self.list();
        LocalNotified::new(task)
    }
}
