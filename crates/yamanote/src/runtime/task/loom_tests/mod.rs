//! The races of a task, every interleaving of them.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p yamanote --lib loom_tests --release`
//!
//! The models are in `models`; some are for biased tasks only. In all of them loom checks that
//! nothing is leaked, that no cell is touched by two threads at once, and that what one thread did
//! before a wake is seen by the poll.

use super::census::Census;
use super::{
    JoinError, JoinHandle, Meta, NearKey, NearTo, Notified, OwnedTasks, Schedule, Spawned, Task,
};
use crate::loom::cell::UnsafeCell;
use crate::loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::loom::sync::{Arc, Mutex};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

mod biased;
mod models;

macro_rules! models_of {
    ($kind:ident, $is_biased:literal: $($name:ident)*) => {
        mod $kind {
            $(#[test]
            fn $name() {
                super::models::$name::<$is_biased>();
            })*
        }
    };
}

models_of! { plain, false:
    wakes_against_the_run
    a_wake_that_changes_nothing
    join_against_the_run
    two_joining_wakers_against_the_run
    dropping_the_handle_against_the_run
    abort_against_the_run
    abort_against_wake_against_the_run
    shutdown_against_the_run
    shutdown_against_a_wake
    shutdown_against_a_spawn
    the_last_reference
    join_by_blocking
    a_look_against_a_wake
}

// Not the shutdown beside a run: a thread that shuts biased tasks down is the one that runs them.
models_of! { of_biased, true:
    wakes_against_the_run
    a_wake_that_changes_nothing
    join_against_the_run
    two_joining_wakers_against_the_run
    dropping_the_handle_against_the_run
    abort_against_the_run
    abort_against_wake_against_the_run
    shutdown_against_a_wake
    shutdown_against_a_spawn
    the_last_reference
    join_by_blocking
    a_look_against_a_wake
}

struct Shared<const BIASED: bool> {
    owned: OwnedTasks<Scheduler<BIASED>>,
    queue: Mutex<VecDeque<Notified<Scheduler<BIASED>>>>,
    /// Of biased tasks only.
    injected: Mutex<VecDeque<Notified<Scheduler<BIASED>>>>,
    /// Behind a lock that loom does not see, which therefore orders nothing.
    near_key: std::sync::Mutex<Option<NearKey>>,
}

#[derive(Clone)]
struct Scheduler<const BIASED: bool>(Arc<Shared<BIASED>>);

impl<const BIASED: bool> Schedule for Scheduler<BIASED> {
    const IS_BIASED: bool = BIASED;

    fn schedule(&self, task: Notified<Self>) {
        let queue = if BIASED {
            &self.0.injected
        } else {
            &self.0.queue
        };
        queue.lock().unwrap().push_back(task);
    }

    fn schedule_near(&self, task: Notified<Self>) {
        self.0.queue.lock().unwrap().push_back(task);
    }

    fn release(&self, task: &Task<Self>) -> Option<Task<Self>> {
        self.0.owned.remove(task)
    }
}

impl<const BIASED: bool> Scheduler<BIASED> {
    fn new() -> Self {
        let mut owned = OwnedTasks::new(1);
        Scheduler(Arc::new(Shared {
            near_key: std::sync::Mutex::new(BIASED.then(|| owned.take_near_key())),
            owned,
            queue: Mutex::new(VecDeque::new()),
            injected: Mutex::new(VecDeque::new()),
        }))
    }

    /// Of biased tasks one thread at a time.
    fn come_near(&self) -> Option<Standing<'_>> {
        BIASED.then(|| {
            let key = self.0.near_key.lock().unwrap().take();
            Standing {
                near: key.map(NearKey::come_near),
                place: Some(&self.0.near_key),
            }
        })
    }

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
        task.or_else(|| std::iter::from_fn(injected).find_map(|task| self.0.owned.admit(task)))
    }

    fn run_all(&self) {
        let _near = self.come_near();
        while let Some(task) = self.pop() {
            self.0.owned.assert_owner(task).run();
        }
    }

    /// Since when the only task has been seen to wait, if it does.
    fn look(&self) -> Option<Instant> {
        let _near = self.come_near();
        let mut census = Census::of_at_most(1);
        self.0.owned.count(&mut census);
        census.into_counts().pop()?.waits_since
    }

    fn shut_down(&self) {
        let _near = self.come_near();
        self.0.owned.close_and_shutdown_all();
        for queue in [&self.0.queue, &self.0.injected] {
            let queue = std::mem::take(&mut *queue.lock().unwrap());
            drop(queue);
        }
    }
}

/// Until it is dropped, the thread is near.
struct Standing<'a> {
    near: Option<NearTo>,
    /// Where the key goes.
    place: Option<&'a std::sync::Mutex<Option<NearKey>>>,
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let key = self.near.take().map(NearTo::leave);
        if let Some(place) = self.place {
            *place.lock().unwrap() = key;
        }
    }
}

/// Loom reports if it is leaked or dropped twice.
struct Tracked(#[allow(dead_code)] Arc<()>);

impl Tracked {
    fn new() -> Tracked {
        Tracked(Arc::new(()))
    }
}

/// Written by one thread before its wake, read by the poll without any ordering of its own: only
/// the task's word makes it visible.
struct Letter {
    written: AtomicUsize,
    text: UnsafeCell<usize>,
}

// SAFETY: the text is written before the wake and read after the poll that the wake asked for; loom
// checks that this is so.
unsafe impl Sync for Letter {}

impl Letter {
    fn new() -> Letter {
        Letter {
            written: AtomicUsize::new(0),
            text: UnsafeCell::new(0),
        }
    }

    fn write(&self) {
        // SAFETY: as said above.
        self.text.with_mut(|text| unsafe { *text = 7 });
        self.written.store(1, Relaxed);
    }

    fn read(&self) {
        // SAFETY: as said above.
        self.text.with(|text| assert_eq!(unsafe { *text }, 7));
    }
}

/// A future that leaves its waker behind and is ready when all letters are there.
fn wait_for<const N: usize>(
    letters: &Arc<[Letter; N]>,
    wakers: &Arc<Mutex<Vec<Waker>>>,
) -> impl Future<Output = Tracked> + Send + 'static {
    let (letters, wakers, tracked) = (letters.clone(), wakers.clone(), Tracked::new());
    poll_fn(move |cx| {
        let _in_the_future = &tracked;
        if letters
            .iter()
            .all(|letter| letter.written.load(Relaxed) == 1)
        {
            return Poll::Ready(Tracked::new());
        }
        let mut wakers = wakers.lock().unwrap();
        while wakers.len() < N {
            wakers.push(cx.waker().clone());
        }
        Poll::Pending
    })
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Sets a flag when woken.
struct Flag(AtomicUsize);

impl Flag {
    fn new() -> (std::sync::Arc<Flag>, Waker) {
        let flag = std::sync::Arc::new(Flag(AtomicUsize::new(0)));
        (flag.clone(), Waker::from(flag))
    }

    fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl std::task::Wake for Flag {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn value<T>(polled: Poll<Result<T, JoinError>>) -> Option<Result<T, JoinError>> {
    match polled {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
