//! How a task reaches its scheduler: when it is spawned, woken, and over.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::task::Wake;

use super::local;
use super::shared::{Notified, SLOT, Shared};
use crate::runtime::task::{
    Bound, JoinHandle, LocalNotified, Looked, Meta, Owner, Schedule, Spawned, Task, View, Waiting,
};
use crate::util::owner_cell::ThreadNumber;

impl Shared {
    /// Binds `future` to this scheduler and makes it runnable; after shutdown it is refused.
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F, meta: Meta) -> Spawned<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.begin(self.owned.bind(future, self.clone(), meta))
    }

    /// As [`spawn`](Self::spawn), with a future that stays on this thread.
    ///
    /// # Panics
    ///
    /// If the scheduler was not made for local tasks, or on another thread.
    #[track_caller]
    pub(crate) fn spawn_local<F>(self: &Arc<Self>, future: F, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        assert!(
            self.owned.home() == Some(ThreadNumber::current()),
            "Local tasks can only be spawned on a LocalRuntime from the thread the runtime was \
             created on"
        );
        self.begin(self.owned.bind_local(future, self.clone(), meta))
            .finish()
    }

    /// Tasks in line; on another thread than the one that drives, as it was at its last turn.
    pub(crate) fn local_queue_depth(&self) -> usize {
        match self.owned.is_near() {
            true => local::len(),
            false => self.meter().queued.get() as usize,
        }
    }

    /// All tasks, if this thread may look at them: it drives.
    pub(crate) fn view(&self) -> Option<Vec<View>> {
        self.owned.is_near().then(|| self.owned.view())
    }

    /// The tasks that wait, to be looked at by this thread, if it may.
    pub(crate) fn take_waiting(self: &Arc<Self>) -> Option<Waiting<Arc<Shared>>> {
        let is_near = self.owned.is_near();
        is_near.then(|| self.owned.take_waiting(self.clone()))
    }

    fn begin<T>(self: &Arc<Self>, bound: Bound<Arc<Shared>, T>) -> Spawned<T> {
        match &self.config.hooks {
            None => Spawned::new(bound, |task| self.schedule_new(task)),
            Some(hooks) => {
                let shared = self.clone();
                Spawned::after_hook(bound, hooks.clone(), move |task| shared.schedule_new(task))
            }
        }
    }

    fn schedule_new(self: &Arc<Self>, task: Notified) {
        match self.owned.is_near() {
            true => self.schedule_near(task),
            false => self.schedule(task),
        }
    }
}

unstable! {
    #[cfg(feature = "taskdump")]
    use crate::runtime::task::Id;

    #[cfg(feature = "taskdump")]
    impl Shared {
        /// Wakes these tasks, if this thread drives.
        pub(crate) fn wake_tasks(self: &Arc<Self>, wants: impl Fn(Id) -> bool) {
            if self.owned.is_near() {
                self.owned.wake(self.clone(), wants);
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
    const IS_BIASED: bool = true;

    fn schedule_near(&self, task: Notified) {
        self.latency.stamp(&task);
        self.note_news();
        local::push(task);
    }

    fn schedule(&self, task: Notified) {
        self.latency.stamp(&task);
        self.note_news();
        match self.inject.push(task) {
            Ok(()) => self.driver().unpark(SLOT),
            // Shut down: the task is over, only its memory is left to free.
            Err(task) => drop(task),
        }
    }

    fn release(&self, task: &Task<Self>) -> Option<Task<Self>> {
        self.owned.remove(task)
    }

    fn terminated(&self, meta: &Meta) {
        if let Some(hooks) = self.hooks() {
            hooks.terminated(meta.identity());
        }
    }

    fn unhandled_panic(&self) {
        self.note_panic();
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
            if !self.owned.is_near() {
                self.driver().unpark(SLOT);
            }
        }
    }
}
