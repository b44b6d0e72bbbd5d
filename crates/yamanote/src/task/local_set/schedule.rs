//! How a task reaches its set: when it is spawned, woken, and over.
#![forbid(unsafe_code)]

use std::future::Future;
use std::sync::Arc;

use super::current;
use super::shared::{Notified, Shared};
use crate::runtime::task::{JoinHandle, Meta, Schedule, Task};

impl Shared {
    /// Makes a task of `future`, to be run by the set; if the set is gone, the future is dropped
    /// and the handle says so.
    pub(in crate::task) fn spawn<F>(
        self: &Arc<Self>,
        future: F,
        meta: Meta,
        original_size: usize,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let meta = meta.announced::<F>("local", original_size);
        let (join, runnable) = self.tasks.bind(future, self.clone(), meta);
        if let Some(task) = runnable {
            self.schedule(task);
        }
        join
    }
}

impl Schedule for Arc<Shared> {
    fn schedule(&self, task: Notified) {
        if let Some(home) = self.home.get() {
            home.queue.borrow_mut().push_back(task);
            if !current::runs(self) {
                home.wake();
            }
            return;
        }
        match self.inbox.push(task) {
            Ok(Some(waker)) => waker.wake(),
            Ok(None) => {}
            // The set is gone and the task over: only its memory is left to free.
            Err(task) => drop(task),
        }
    }

    fn release(&self, task: &Task<Self>) -> Option<Task<Self>> {
        self.tasks.remove(task)
    }

    fn unhandled_panic(&self) {
        self.note_panic();
    }
}
