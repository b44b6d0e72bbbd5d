//! The list of a scheduler's living tasks, so that its shutdown finds them all.
//!
//! Several lists, each under its own lock. Tasks spawned one after the other go to different ones,
//! so that a thread that spawns seldom meets the threads that end its tasks at a lock.

use super::core::{Cell, Header};
use super::id::Id;
use super::run::vtable;
use super::state::State;
use super::{JoinHandle, LocalNotified, Notified, Schedule, Task};
use crate::loom::sync::{Mutex, MutexGuard};
use crate::util::linked_list;
use crate::util::owner_cell::ThreadNumber;
use crate::util::poison::unpoisoned;
use std::future::Future;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// More would only make shutdown and counting slower.
const MAX_SHARDS: usize = 64;

pub(crate) struct OwnedTasks<S: 'static> {
    /// A power of two.
    shards: Box<[Shard]>,
    /// Never zero; tells the tasks of two lists apart.
    id: u64,
    /// The only thread that runs and drops these tasks, if they may be other than `Send`.
    home: Option<ThreadNumber>,
    scheduler: PhantomData<fn(S)>,
}

/// The number of a list.
pub(super) fn next_id() -> u64 {
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
    // Relaxed: only uniqueness counts.
    NEXT_ID.fetch_add(1, Relaxed)
}

/// Makes a task for the list `owner`, and the three references that its word starts with: the last
/// is the list's.
///
/// # Safety
///
/// The future and its output are Send, or the list sees to it that one thread alone polls and drops
/// them.
pub(super) unsafe fn allocate<F, S>(
    future: F,
    scheduler: S,
    id: Id,
    owner: u64,
) -> (JoinHandle<F::Output>, Notified<S>, Task<S>)
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    let task = Cell::allocate(
        State::new_owned(),
        vtable::<F, S>(),
        id,
        owner,
        future,
        scheduler,
    );
    // SAFETY: the word says that there is a handle, a `Notified` and a reference for the list; here
    // are the three. Where they may go is the caller's promise.
    unsafe {
        (
            JoinHandle::new(task),
            Notified::from_raw(task),
            Task::from_raw(task),
        )
    }
}

/// Aligned so that two shards never share a cache line, or the pair that the prefetcher fetches.
#[repr(align(128))]
struct Shard {
    list: Mutex<List>,
    /// `list.length`, to be read without the lock.
    alive: AtomicUsize,
}

/// Tasks, the oldest first. The list holds one reference to each.
pub(super) struct List {
    tasks: linked_list::List<Header>,
    pub(super) length: usize,
    pub(super) closed: bool,
}

// SAFETY: the list's references may be used and given up by any thread (they are `Task`s).
unsafe impl Send for List {}

impl<S: Schedule> OwnedTasks<S> {
    /// `shards_hint`: how many threads will spawn.
    pub(crate) fn new(shards_hint: usize) -> OwnedTasks<S> {
        // Four for each thread make it improbable enough that two meet. One thread has four, too:
        // its tasks are then dropped at shutdown in the order in which Tokio drops them.
        let shards = match cfg!(all(test, loom)) {
            false => (shards_hint.max(1) * 4).next_power_of_two().min(MAX_SHARDS),
            // Loom needs each run of a model to do the same, and ids go on from one to the next.
            true => 1,
        };
        let shard = |_| Shard {
            list: Mutex::new(List::new()),
            alive: AtomicUsize::new(0),
        };
        OwnedTasks {
            shards: (0..shards).map(shard).collect(),
            id: next_id(),
            home: None,
            scheduler: PhantomData,
        }
    }

    /// A list for tasks that only the calling thread runs and drops, wherever they are spawned.
    pub(crate) fn new_at_home() -> OwnedTasks<S> {
        OwnedTasks {
            home: Some(ThreadNumber::current()),
            ..OwnedTasks::new(1)
        }
    }

    /// Whether all tasks are run by one thread, and which.
    pub(crate) fn home(&self) -> Option<ThreadNumber> {
        self.home
    }

    fn assert_home(&self) {
        assert!(
            self.home.is_none_or(|home| home == ThreadNumber::current()),
            "a local task met another thread"
        );
    }

    /// Makes a task of `future` and takes it into the list. `None` if the list is closed: the
    /// future has been dropped and the handle resolves to a cancelled error.
    pub(crate) fn bind<F>(
        &self,
        future: F,
        scheduler: S,
        id: Id,
    ) -> (JoinHandle<F::Output>, Option<Notified<S>>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.bind_any(future, scheduler, id)
    }

    /// As [`bind`](Self::bind), for futures that are not `Send`.
    ///
    /// # Panics
    ///
    /// Unless the list was made by [`new_at_home`](Self::new_at_home) on this thread.
    pub(crate) fn bind_local<F>(
        &self,
        future: F,
        scheduler: S,
        id: Id,
    ) -> (JoinHandle<F::Output>, Option<Notified<S>>)
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        assert!(self.home.is_some(), "a local task without a home");
        self.assert_home();
        // Polled by `LocalNotified`s, which `assert_owner` makes here only; dropped by these, by
        // the shutdown below, which is here too, and, if it is the output, by the `JoinHandle`,
        // which is not Send then. While the list holds the task nobody else's reference is the
        // last.
        self.bind_any(future, scheduler, id)
    }

    fn bind_any<F>(
        &self,
        future: F,
        scheduler: S,
        id: Id,
    ) -> (JoinHandle<F::Output>, Option<Notified<S>>)
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // SAFETY: the future and its output are Send, or stay on one thread.
        let (handle, notified, listed) = unsafe { allocate(future, scheduler, id, self.id) };
        let shard = self.shard(id);
        let mut list = shard.lock();
        if list.closed {
            drop(list);
            drop(notified);
            listed.shutdown();
            return (handle, None);
        }
        list.push(listed.into_raw());
        shard.publish(&list);
        (handle, Some(notified))
    }

    /// Takes a task out, and returns the list's reference; `None` if the task was not in it (any
    /// more).
    pub(crate) fn remove(&self, task: &Task<S>) -> Option<Task<S>> {
        let header = task.header();
        if header.owner != self.id {
            assert!(header.owner == 0, "a task of another list");
            return None;
        }
        let shard = self.shard(header.id);
        let mut list = shard.lock();
        let found = list.remove(task.raw());
        shard.publish(&list);
        drop(list);
        // SAFETY: the list's reference, just taken out of it.
        found.then(|| unsafe { Task::from_raw(task.raw()) })
    }

    /// Lets no task in any more and cancels those that are in: their futures are dropped here and
    /// now, but for those that run on other threads at this moment, which are cancelled when their
    /// poll returns. Of each list the oldest goes first.
    pub(crate) fn close_and_shutdown_all(&self) {
        self.assert_home();
        for shard in &self.shards {
            shard.lock().closed = true;
        }
        for shard in &self.shards {
            loop {
                let mut list = shard.lock();
                let Some(task) = list.pop() else { break };
                shard.publish(&list);
                // The future's drop is user code and may spawn.
                drop(list);
                // SAFETY: the list's reference, just taken out of it.
                unsafe { Task::<S>::from_raw(task) }.shutdown();
            }
        }
    }

    /// How many tasks were spawned and have not ended. With other threads at work it is a little
    /// old.
    pub(crate) fn num_alive_tasks(&self) -> usize {
        // Relaxed: a gauge.
        let alive = |shard: &Shard| shard.alive.load(Relaxed);
        self.shards.iter().map(alive).sum()
    }

    /// Checks that the task is one of these, so that this scheduler may run it.
    pub(crate) fn assert_owner(&self, task: Notified<S>) -> LocalNotified<S> {
        assert_eq!(task.0.header().owner, self.id, "a task of another list");
        self.assert_home();
        LocalNotified::new(task)
    }

    fn shard(&self, id: Id) -> &Shard {
        let index = id.number() as usize & (self.shards.len() - 1);
        &self.shards[index]
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, List> {
        unpoisoned(self.list.lock())
    }

    fn publish(&self, list: &List) {
        // Relaxed: a gauge; the lock makes this the only writer.
        self.alive.store(list.length, Relaxed);
    }
}

impl List {
    pub(super) fn new() -> List {
        List {
            tasks: linked_list::List::new(),
            length: 0,
            closed: false,
        }
    }

    /// Takes in a task, which is in no list, with a reference to it.
    pub(super) fn push(&mut self, task: NonNull<Header>) {
        // SAFETY: the reference keeps the task alive, a task is never moved, and its links belong
        // to the lock of its shard.
        unsafe { self.tasks.push_back(task) };
        self.length += 1;
    }

    /// Takes the oldest task out.
    pub(super) fn pop(&mut self) -> Option<NonNull<Header>> {
        let task = self.tasks.first()?;
        let removed = self.remove(task);
        assert!(removed, "the first of the list is in the list");
        Some(task)
    }

    /// False if the task is not in the list. It must be of this shard, and alive.
    pub(super) fn remove(&mut self, task: NonNull<Header>) -> bool {
        // SAFETY: the caller keeps it alive, and of all lists only its shard's gets it.
        let removed = unsafe { self.tasks.remove(task) };
        self.length -= usize::from(removed);
        removed
    }
}
