//! Tests of the task alone, with the smallest of schedulers.

mod enumeration;
mod handles;
mod panics;
mod threads;

use super::{JoinHandle, Meta, NearKey, NearTo, Notified, OwnedTasks, Schedule, Spawned, Task};
use std::collections::VecDeque;
use std::future::Future;
use std::iter;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// Queues, and a list of tasks.
pub(super) struct Shared<const BIASED: bool> {
    owned: OwnedTasks<AnyScheduler<BIASED>>,
    queue: Mutex<VecDeque<Notified<AnyScheduler<BIASED>>>>,
    /// Of biased tasks only.
    injected: Mutex<VecDeque<Notified<AnyScheduler<BIASED>>>>,
    near_key: Mutex<Option<NearKey>>,
    unhandled_panics: AtomicUsize,
}

#[derive(Clone)]
pub(super) struct AnyScheduler<const BIASED: bool>(Arc<Shared<BIASED>>);

type Scheduler = AnyScheduler<false>;

impl<const BIASED: bool> Schedule for AnyScheduler<BIASED> {
    const IS_BIASED: bool = BIASED;

    fn schedule(&self, task: Notified<Self>) {
        let queue = match BIASED {
            true => &self.0.injected,
            false => &self.0.queue,
        };
        queue.lock().unwrap().push_back(task);
    }

    fn schedule_near(&self, task: Notified<Self>) {
        assert!(BIASED && self.0.owned.is_near());
        self.0.queue.lock().unwrap().push_back(task);
    }

    fn release(&self, task: &Task<Self>) -> Option<Task<Self>> {
        self.0.owned.remove(task)
    }

    fn unhandled_panic(&self) {
        self.0.unhandled_panics.fetch_add(1, SeqCst);
    }
}

impl<const BIASED: bool> AnyScheduler<BIASED> {
    fn new() -> Self {
        let mut owned = OwnedTasks::new(1);
        AnyScheduler(Arc::new(Shared {
            near_key: Mutex::new(BIASED.then(|| owned.take_near_key())),
            owned,
            queue: Mutex::default(),
            injected: Mutex::default(),
            unhandled_panics: AtomicUsize::new(0),
        }))
    }

    /// To what is done while the guard lives, this thread is the one that drives, or not.
    fn stand(&self, is_near: bool) -> Option<Standing<'_>> {
        if !BIASED || is_near && self.0.owned.is_near() {
            return None;
        }
        let place = &self.0.near_key;
        let key = match is_near {
            true => place.lock().unwrap().take().expect("one thread is near"),
            false => NearKey::new(0),
        };
        Some(Standing {
            near: Some(key.come_near()),
            place: is_near.then_some(place),
        })
    }

    #[track_caller]
    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let bound = self.0.owned.bind(future, self.clone(), Meta::here());
        let schedule = |notified| match BIASED && self.0.owned.is_near() {
            true => self.schedule_near(notified),
            false => self.schedule(notified),
        };
        Spawned::new(bound, schedule).finish()
    }

    fn pop(&self) -> Option<Notified<Self>> {
        let task = self.0.queue.lock().unwrap().pop_front();
        let injected = || self.0.injected.lock().unwrap().pop_front();
        task.or_else(|| iter::from_fn(injected).find_map(|task| self.0.owned.admit(task)))
    }

    /// Runs one task; false if none was runnable.
    fn run_one(&self) -> bool {
        let _near = self.stand(true);
        let Some(task) = self.pop() else { return false };
        self.0.owned.assert_owner(task).run();
        true
    }

    fn run_all(&self) {
        while self.run_one() {}
    }

    fn shut_down(&self) {
        let _near = self.stand(true);
        self.0.owned.close_and_shutdown_all();
        for queue in [&self.0.queue, &self.0.injected] {
            let queue = std::mem::take(&mut *queue.lock().unwrap());
            drop(queue);
        }
    }

    /// True if no task holds the scheduler any more.
    fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// Until it is dropped, the thread is near, or far.
pub(super) struct Standing<'a> {
    near: Option<NearTo>,
    /// Where the key goes.
    place: Option<&'a Mutex<Option<NearKey>>>,
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let key = self.near.take().map(NearTo::leave);
        if let Some(place) = self.place {
            *place.lock().unwrap() = key;
        }
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
