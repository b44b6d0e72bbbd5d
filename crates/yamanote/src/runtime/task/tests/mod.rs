//! Tests of the task alone, with the smallest of schedulers.

mod enumeration;
mod handles;
mod panics;

use super::{Id, JoinHandle, Notified, OwnedTasks, Schedule, Task};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// A queue, and a list of tasks.
pub(super) struct Shared {
    owned: OwnedTasks<Scheduler>,
    queue: Mutex<VecDeque<Notified<Scheduler>>>,
    unhandled_panics: AtomicUsize,
}

#[derive(Clone)]
pub(super) struct Scheduler(Arc<Shared>);

impl Schedule for Scheduler {
    fn schedule(&self, task: Notified<Self>) {
        self.0.queue.lock().unwrap().push_back(task);
    }

    fn release(&self, task: &Task<Self>) -> Option<Task<Self>> {
        self.0.owned.remove(task)
    }

    fn unhandled_panic(&self) {
        self.0.unhandled_panics.fetch_add(1, SeqCst);
    }
}

impl Scheduler {
    fn new() -> Scheduler {
        Scheduler(Arc::new(Shared {
            owned: OwnedTasks::new(1),
            queue: Mutex::default(),
            unhandled_panics: AtomicUsize::new(0),
        }))
    }

    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (handle, notified) = self.0.owned.bind(future, self.clone(), Id::next());
        if let Some(notified) = notified {
            self.schedule(notified);
        }
        handle
    }

    /// Runs one task; false if none was runnable.
    fn run_one(&self) -> bool {
        let task = self.0.queue.lock().unwrap().pop_front();
        let Some(task) = task else { return false };
        self.0.owned.assert_owner(task).run();
        true
    }

    fn run_all(&self) {
        while self.run_one() {}
    }

    fn shut_down(&self) {
        self.0.owned.close_and_shutdown_all();
        let queue = std::mem::take(&mut *self.0.queue.lock().unwrap());
        drop(queue);
    }

    /// True if no task holds the scheduler any more.
    fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// Counts how often it was woken.
#[derive(Default)]
pub(super) struct WakeCount(AtomicUsize);

impl WakeCount {
    fn new() -> (Arc<WakeCount>, Waker) {
        let count = Arc::new(WakeCount::default());
        (count.clone(), Waker::from(count))
    }

    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Counts its drops, and panics in them if asked to.
pub(super) struct Dropped {
    count: Arc<AtomicUsize>,
    panics: bool,
}

impl Dropped {
    fn new(count: &Arc<AtomicUsize>, panics: bool) -> Dropped {
        Dropped {
            count: count.clone(),
            panics,
        }
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.count.fetch_add(1, SeqCst);
        if self.panics {
            // Not `panic!`: the hook would print thousands of messages.
            std::panic::resume_unwind(Box::new("drop"));
        }
    }
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}
