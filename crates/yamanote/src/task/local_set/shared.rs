//! What a `LocalSet`, its tasks and their wakers share.
//!
//! ```text
//!    the set's thread        home: the run queue, the list of tasks, the set's waker   no lock
//!    any other thread        remote: a queue and a second copy of that waker           a lock
//! ```
//!
//! 1. The set is polled under the waker that was used last. A poll begins by taking over what is in
//!    `remote` and leaving its waker in both places ([`Shared::begin_poll`]).
//! 2. Who makes a task runnable from another thread pushes it to `remote`, sets `dirty`, and takes
//!    the waker there away to wake it. So one poll of the set is asked for however many tasks come,
//!    and while `dirty` is clear, `remote` is empty and has the waker: a poll under the same waker
//!    then needs no lock.
//! 3. Who does so on the set's thread pushes to the home queue. While the set is being polled that
//!    is all; otherwise the waker is woken, once until the next poll.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::runtime;
use crate::runtime::task::{self, Id, JoinHandle, LocalTasks, Schedule, Task};
use crate::util::owner_cell::OwnerCell;

pub(super) type Notified = task::Notified<Arc<Shared>>;

pub(in crate::task) struct Shared {
    home: OwnerCell<Home>,
    pub(super) tasks: LocalTasks<Arc<Shared>>,
    remote: Mutex<Remote>,
    /// Rule 2.
    dirty: AtomicBool,
    pub(super) id: runtime::Id,
}

/// No cell is borrowed while a waker or a destructor of the user's runs.
struct Home {
    queue: RefCell<VecDeque<Notified>>,
    waker: RefCell<Option<Waker>>,
    /// The waker was woken since the last poll began.
    woken: Cell<bool>,
    /// The set's futures run now, so it will look at the queue before it returns.
    polling: Cell<bool>,
}

#[derive(Default)]
struct Remote {
    queue: VecDeque<Notified>,
    waker: Option<Waker>,
    /// The set is gone, and all its tasks are over.
    closed: bool,
}

impl Shared {
    /// Of the calling thread.
    pub(super) fn new() -> Arc<Shared> {
        Arc::new(Shared {
            home: OwnerCell::new(Home {
                queue: RefCell::new(VecDeque::with_capacity(64)),
                waker: RefCell::new(None),
                woken: Cell::new(false),
                polling: Cell::new(false),
            }),
            tasks: LocalTasks::new(),
            remote: Mutex::default(),
            dirty: AtomicBool::new(false),
            id: runtime::Id::next(),
        })
    }

    /// Makes a task of `future`, to be run by the set; if it is gone, the future is dropped and the
    /// handle says so.
    pub(in crate::task) fn spawn<F>(self: &Arc<Self>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let (join, runnable) = self.tasks.bind(future, self.clone(), Id::next());
        if let Some(task) = runnable {
            self.schedule(task);
        }
        join
    }

    fn home(&self) -> &Home {
        self.home.get().expect("a LocalSet stays on its thread")
    }

    fn remote(&self) -> MutexGuard<'_, Remote> {
        // No user code runs under this lock; nothing is left half done by a panic.
        self.remote.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The set is about to be polled under `waker`, and takes over what came from other threads.
    pub(super) fn begin_poll(&self, waker: &Waker) {
        let home = self.home();
        home.woken.set(false);
        let known = matches!(&*home.waker.borrow(), Some(known) if known.will_wake(waker));
        // Acquire pairs with the Release in `schedule`: who finds it set finds the task too. Who
        // does not find it will be woken, as the waker is in its place.
        if known && !self.dirty.load(Ordering::Acquire) {
            return;
        }
        // Cloned before and dropped after the lock and the borrow: both are user code.
        let mut ours = (!known).then(|| waker.clone());
        let theirs = waker.clone();
        let stale = {
            let mut remote = self.remote();
            home.queue.borrow_mut().append(&mut remote.queue);
            // Relaxed: changed under the lock only.
            self.dirty.store(false, Ordering::Relaxed);
            remote.waker.replace(theirs)
        };
        if ours.is_some() {
            mem::swap(&mut *home.waker.borrow_mut(), &mut ours);
        }
        drop((stale, ours));
    }

    /// The next runnable task.
    pub(super) fn pop(&self) -> Option<Notified> {
        self.home().queue.borrow_mut().pop_front()
    }

    /// Until the guard is dropped the set looks after its queue without being woken.
    pub(super) fn set_polling(&self) -> Polling<'_> {
        let home = self.home();
        Polling {
            home,
            outer: home.polling.replace(true),
        }
    }

    /// Ends the set: drops its tasks' futures, and lets nothing in any more.
    pub(super) fn close(&self) {
        let home = self.home();
        self.tasks.close_and_shutdown_all();
        let remote = {
            let mut remote = self.remote();
            let closed = Remote {
                closed: true,
                ..Remote::default()
            };
            mem::replace(&mut *remote, closed)
        };
        // Tasks that are over, and only wait to be freed.
        drop(remote);
        // One at a time: freeing a task may run a destructor that wakes another.
        while let Some(task) = self.pop() {
            drop(task);
        }
        let waker = home.waker.take();
        drop(waker);
        debug_assert!(self.tasks.is_empty());
    }
}

impl Home {
    /// Has the set polled, from its own thread.
    fn wake(&self) {
        if self.woken.replace(true) {
            return;
        }
        let Some(waker) = self.waker.take() else {
            return;
        };
        waker.wake_by_ref();
        // Kept for the next time, unless the set was polled meanwhile.
        let mut place = self.waker.borrow_mut();
        if place.is_none() {
            *place = Some(waker);
        }
    }
}

impl Schedule for Arc<Shared> {
    fn schedule(&self, task: Notified) {
        if let Some(home) = self.home.get() {
            home.queue.borrow_mut().push_back(task);
            if !home.polling.get() {
                home.wake();
            }
            return;
        }
        let waker = {
            let mut remote = self.remote();
            if remote.closed {
                drop(remote);
                // Over: only its memory is left to free.
                drop(task);
                return;
            }
            remote.queue.push_back(task);
            // Pairs with the Acquire in `begin_poll`.
            self.dirty.store(true, Ordering::Release);
            remote.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn release(&self, task: &Task<Self>) -> Option<Task<Self>> {
        self.tasks.remove(task)
    }
}

/// See [`Shared::set_polling`].
pub(super) struct Polling<'a> {
    home: &'a Home,
    outer: bool,
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.home.polling.set(self.outer);
    }
}
