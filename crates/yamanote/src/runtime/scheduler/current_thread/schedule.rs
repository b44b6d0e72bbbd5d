//! How a task reaches its scheduler: when it is spawned, woken, and over.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::task::Wake;

use super::local;
use super::shared::{Notified, SLOT, Shared};
use crate::runtime::task::{Id, JoinHandle, Schedule, Task};
use crate::util::owner_cell::ThreadNumber;

impl Shared {
    /// Binds `future` to this scheduler and makes it runnable. After shutdown the future is dropped
    /// and the handle says so.
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F, id: Id) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (join, runnable) = self.owned.bind(future, self.clone(), id);
        if let Some(task) = runnable {
            self.schedule(task);
        }
        join
    }

    /// As [`spawn`](Self::spawn), with a future that stays on this thread.
    ///
    /// # Panics
    ///
    /// If the scheduler was not made for local tasks, or on another thread.
    #[track_caller]
    pub(crate) fn spawn_local<F>(self: &Arc<Self>, future: F, id: Id) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        assert!(
            self.owned.home() == Some(ThreadNumber::current()),
            "Local tasks can only be spawned on a LocalRuntime from the thread the runtime was \
             created on"
        );
        let (join, runnable) = self.owned.bind_local(future, self.clone(), id);
        if let Some(task) = runnable {
            self.schedule(task);
        }
        join
    }
}

impl Schedule for Arc<Shared> {
    fn schedule(&self, task: Notified) {
        self.note_news();
        let Err(task) = local::push(self, task) else {
            return;
        };
        match self.inject.push(task) {
            Ok(()) => self.driver().unpark(SLOT),
            // Shut down: the task is over, only its memory is left to free.
            Err(task) => drop(task),
        }
    }

    fn release(&self, task: &Task<Self>) -> Option<Task<Self>> {
        self.owned.remove(task)
    }
}

/// The waker of the main future of the thread that drives.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.main_woken.set() {
            self.note_news();
            // The driving thread itself looks at the flag before it blocks.
            if !local::drives(self) {
                self.driver().unpark(SLOT);
            }
        }
    }
}
