//! How a task reaches its scheduler: when it is spawned, woken, and over.
#![forbid(unsafe_code)]

use std::future::Future;
use std::sync::Arc;

use super::current::{self, Push};
use super::shared::{Notified, Shared};
use crate::runtime::task::{
    LocalNotified, Looked, Meta, Owner, Schedule, Spawned, Task, View, Waiting,
};

impl Shared {
    /// Binds `future` to this scheduler and makes it runnable; after shutdown it is refused.
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F, meta: Meta) -> Spawned<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let bound = self.owned.bind(future, self.clone(), meta);
        match &self.config.hooks {
            None => Spawned::new(bound, |task| self.schedule(task)),
            Some(hooks) => {
                let shared = self.clone();
                Spawned::after_hook(bound, hooks.clone(), move |task| shared.schedule(task))
            }
        }
    }

    /// All tasks.
    pub(crate) fn view(&self) -> Vec<View> {
        self.owned.view()
    }

    /// The tasks that wait, to be looked at by this thread.
    pub(crate) fn take_waiting(self: &Arc<Self>) -> Waiting<Arc<Shared>> {
        self.owned.take_waiting(self.clone())
    }

    /// Puts `task` where it will be run: into the queue of this thread's worker, if it is one of
    /// ours and has not lent its core, otherwise into the injection queue.
    fn make_runnable(self: &Arc<Self>, task: Notified, how: Push) {
        self.latency.stamp(&task);
        if let Err(task) = current::push(self, task, how) {
            self.inject([task]);
        }
    }
}

unstable! {
    #[cfg(feature = "taskdump")]
    use crate::runtime::task::Id;

    #[cfg(feature = "taskdump")]
    impl Shared {
        /// Wakes these tasks, and every worker: there may be a task for each, and those that have
        /// none go to sleep again.
        pub(crate) fn wake_tasks(self: &Arc<Self>, wants: impl Fn(Id) -> bool) {
            self.owned.wake(self.clone(), wants);
            for worker in 0..self.num_workers() {
                self.driver().unpark(worker);
            }
        }
    }
}

impl Owner for Arc<Shared> {
    fn assert_owner(&self, task: Notified) -> LocalNotified<Self> {
        self.owned.assert_owner(task)
    }

    fn mark_waiting(&self, looked: &mut Looked) {
        self.owned.mark_waiting(looked);
    }
}

impl Schedule for Arc<Shared> {
    fn schedule(&self, task: Notified) {
        self.make_runnable(task, Push::Woken);
    }

    fn yield_now(&self, task: Notified) {
        self.make_runnable(task, Push::Yielded);
    }

    fn release(&self, task: &Task<Self>) -> Option<Task<Self>> {
        self.owned.remove(task)
    }

    fn terminated(&self, meta: &Meta) {
        if let Some(hooks) = self.hooks() {
            hooks.terminated(meta.identity());
        }
    }
}
