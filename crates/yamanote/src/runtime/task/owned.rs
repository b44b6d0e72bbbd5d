//! The list of a scheduler's living tasks, so that its shutdown finds them all.
//!
//! Several lists, each under its own lock. Tasks spawned one after the other go to different ones,
//! so that a thread that spawns seldom meets the threads that end its tasks at a lock. Biased tasks
//! need no lock: see [`super::near_lists`].

use super::biased::{self, NearKey};
use super::census::{Census, Condition};
use super::core::{Cell, Header};
use super::id::Id;
use super::list::{List, Population};
use super::meta::Meta;
use super::near_lists::NearLists;
use super::near_word::NearWord;
use super::run::vtable;
use super::state::{NOTIFIED, RUNNING, State};
use super::waits::{self, Waits};
use super::{Bound, JoinHandle, LocalNotified, Notified, Refused, Schedule, Task};
use crate::loom::sync::{Mutex, MutexGuard};
use crate::util::owner_cell::ThreadNumber;
use crate::util::poison::unpoisoned;
use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// More would only make shutdown and counting slower.
const MAX_SHARDS: usize = 64;

pub(crate) struct OwnedTasks<S: 'static> {
    /// A power of two. Of biased tasks: those that were spawned far and have not been taken in.
    shards: Box<[Shard]>,
    /// Of biased tasks only.
    near: NearLists,
    near_key: Option<NearKey>,
    /// Never zero; tells the tasks of two lists apart.
    id: u64,
    /// The only thread that runs and drops these tasks, if they may be other than `Send`.
    home: Option<ThreadNumber>,
    pub(super) waits: Waits,
    scheduler: PhantomData<fn(S)>,
}

/// The number of a list.
pub(super) fn next_id() -> u64 {
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
    // Relaxed: only uniqueness counts.
    NEXT_ID.fetch_add(1, Relaxed)
}

/// Makes a task for the list `owner`, and the three references that it starts with: the last is the
/// list's. The `Notified` of a biased task is for the local queue if this thread is near, else for
/// the injection queue.
///
/// # Safety
///
/// The future and its output are Send, or the list sees to it that one thread alone polls and drops
/// them.
pub(super) unsafe fn allocate<F, S>(
    future: F,
    scheduler: S,
    meta: Meta,
    owner: u64,
) -> (JoinHandle<F::Output>, Notified<S>, Task<S>)
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    let words = match S::IS_BIASED {
        true => {
            let is_near = biased::near_to() == owner;
            (biased::new_state(is_near), NearWord::new(is_near))
        }
        false => (State::new_owned(), NearWord::unused()),
    };
    let task = Cell::allocate(words, vtable::<F, S>(), meta, owner, future, scheduler);
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
    /// Of the list. Written under the lock.
    population: Population,
}

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
            population: Population::new(),
        };
        let id = next_id();
        OwnedTasks {
            shards: (0..shards).map(shard).collect(),
            near: NearLists::new(if S::IS_BIASED { shards } else { 0 }),
            near_key: S::IS_BIASED.then(|| NearKey::new(id)),
            id,
            home: None,
            waits: Waits::default(),
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

    /// For whoever drives the scheduler of these tasks, which are biased.
    ///
    /// # Panics
    ///
    /// The second time.
    pub(crate) fn take_near_key(&mut self) -> NearKey {
        self.near_key.take().expect("one for each list")
    }

    /// Whether this thread drives the scheduler of these tasks.
    pub(crate) fn is_near(&self) -> bool {
        biased::near_to() == self.id
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

    /// Makes a task of `future` and takes it into the list, unless that is closed.
    pub(crate) fn bind<F>(&self, future: F, scheduler: S, meta: Meta) -> Bound<S, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.bind_any(future, scheduler, meta)
    }

    /// As [`bind`](Self::bind), for futures that are not `Send`.
    ///
    /// # Panics
    ///
    /// Unless the list was made by [`new_at_home`](Self::new_at_home) on this thread.
    pub(crate) fn bind_local<F>(&self, future: F, scheduler: S, meta: Meta) -> Bound<S, F::Output>
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
        self.bind_any(future, scheduler, meta)
    }

    fn bind_any<F>(&self, future: F, scheduler: S, meta: Meta) -> Bound<S, F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let id = meta.id;
        // SAFETY: the future and its output are Send, or stay on one thread.
        let (handle, notified, listed) = unsafe { allocate(future, scheduler, meta, self.id) };
        let refused = match S::IS_BIASED && self.is_near() {
            true => self.push_near(id, listed),
            false => self.push_locked(id, listed),
        };
        match refused {
            None => (handle, Ok(notified)),
            Some(listed) => (handle, Err(Refused::new(listed))),
        }
    }

    /// Hands the task back if the list is closed.
    fn push_near(&self, id: Id, task: Task<S>) -> Option<Task<S>> {
        let refused = self.with_near(id, |list| list.try_push(task));
        let is_new = refused.is_none();
        self.near.population.note_spawned(is_new);
        refused
    }

    fn push_locked(&self, id: Id, task: Task<S>) -> Option<Task<S>> {
        let shard = self.shard(id);
        let mut list = shard.lock();
        let refused = list.try_push(task);
        let is_new = refused.is_none();
        shard.population.note_spawned(is_new);
        if S::IS_BIASED && is_new {
            self.near.note_arrival();
        }
        refused
    }

    /// Calls `f` with the list in which the task is, or is to be. It must call nothing that may
    /// come here.
    fn with_near<R>(&self, id: Id, f: impl FnOnce(&mut List) -> R) -> R {
        assert!(self.is_near(), "a task that is far");
        if self.near.has_arrivals() {
            self.take_in_arrivals();
        }
        // SAFETY: this thread is near, and `f` does as is asked.
        unsafe { self.near.with(self.shard_index(id), f) }
    }

    /// Moves the tasks that were spawned far to the lists that need no lock.
    #[cold]
    fn take_in_arrivals(&self) {
        for (index, shard) in self.shards.iter().enumerate() {
            let mut arrivals = shard.lock();
            // SAFETY: this thread is near, and nothing is called that comes here.
            unsafe { self.near.take_in(index, &mut arrivals) };
            shard.population.alive.set(0);
        }
    }

    /// Takes a task out, and returns the list's reference; `None` if the task was not in it (any
    /// more).
    pub(crate) fn remove(&self, task: &Task<S>) -> Option<Task<S>> {
        let header = task.header();
        if header.owner != self.id {
            assert!(header.owner == 0, "a task of another list");
            return None;
        }
        let found = match S::IS_BIASED {
            // Far from here a task ends only if it was refused.
            true => self.is_near() && self.remove_near(header.meta.id, task),
            false => {
                let shard = self.shard(header.meta.id);
                let mut list = shard.lock();
                let found = list.remove(task.raw());
                shard.population.note_taken(found);
                found
            }
        };
        // SAFETY: the list's reference, just taken out of it.
        found.then(|| unsafe { Task::from_raw(task.raw()) })
    }

    fn remove_near(&self, id: Id, task: &Task<S>) -> bool {
        let found = self.with_near(id, |list| list.remove(task.raw()));
        self.near.population.note_taken(found);
        found
    }

    /// Lets no task in any more and cancels those that are in: their futures are dropped here and
    /// now, but for those that run on other threads at this moment, which are cancelled when their
    /// poll returns. Of each list the oldest goes first. Biased tasks are to be near.
    pub(crate) fn close_and_shutdown_all(&self) {
        self.assert_home();
        for shard in &self.shards {
            shard.lock().closed = true;
        }
        if S::IS_BIASED {
            assert!(self.is_near(), "a task that is far");
            self.take_in_arrivals();
        }
        for index in 0..self.shards.len() {
            while let Some(task) = self.pop(index) {
                // SAFETY: the list's reference, just taken out of it. The future's drop is user
                // code and may spawn; nothing is locked.
                unsafe { Task::<S>::from_raw(task) }.shutdown();
            }
        }
    }

    fn pop(&self, index: usize) -> Option<NonNull<Header>> {
        if S::IS_BIASED {
            // SAFETY: this thread is near, and nothing is called that comes here.
            let task = unsafe { self.near.with(index, List::pop) };
            self.near.population.note_taken(task.is_some());
            return task;
        }
        let shard = &self.shards[index];
        let mut list = shard.lock();
        let task = list.pop();
        shard.population.note_taken(task.is_some());
        task
    }

    /// How many tasks were spawned and have not ended. With other threads at work it is a little
    /// old.
    pub(crate) fn num_alive_tasks(&self) -> usize {
        self.populations().map(|it| it.alive.get()).sum::<u64>() as usize
    }

    /// How many tasks were ever spawned.
    pub(crate) fn num_spawned_tasks(&self) -> u64 {
        self.populations().map(|it| it.spawned.get()).sum()
    }

    fn populations(&self) -> impl Iterator<Item = &Population> {
        let locked = self.shards.iter().map(|shard| &shard.population);
        locked.chain([&self.near.population])
    }

    /// Counts the tasks by where they were spawned, list by list, under its lock. Biased tasks are
    /// to be near.
    pub(crate) fn count(&self, census: &mut Census) {
        let (now, old, mut new) = (Instant::now(), self.waits.take(), HashMap::new());
        self.visit(|task| {
            // SAFETY: it is alive.
            let task = unsafe { task.as_ref() };
            let condition = condition(task);
            let since = match condition {
                // SAFETY: `visit` has seen to it that biased tasks are near.
                Condition::Waiting => unsafe { waits::note(task, now, &old, &mut new) },
                Condition::Running | Condition::Runnable => None,
            };
            census.count(&task.meta, condition, since)
        });
        self.waits.put_back(new);
    }

    /// Calls `f` with each task, which is alive meanwhile, list by list, under its lock; of a list
    /// no more are visited once it says `false`. It may only look, or change what is the task's
    /// alone. Biased tasks are to be near.
    pub(super) fn visit(&self, mut f: impl FnMut(NonNull<Header>) -> bool) {
        if S::IS_BIASED {
            assert!(self.is_near(), "a task that is far");
            self.take_in_arrivals();
        }
        for (index, shard) in self.shards.iter().enumerate() {
            // SAFETY: `f` does as is asked: nothing is called that comes here.
            let mut visit = |list: &mut List| unsafe { list.visit(&mut f) };
            match S::IS_BIASED {
                // SAFETY: this thread is near, and as above.
                true => unsafe { self.near.with(index, visit) },
                false => visit(&mut shard.lock()),
            }
        }
    }

    /// Checks that the task is one of these, so that this scheduler may run it.
    pub(crate) fn assert_owner(&self, task: Notified<S>) -> LocalNotified<S> {
        assert_eq!(task.0.header().owner, self.id, "a task of another list");
        assert!(!S::IS_BIASED || self.is_near(), "a task that is far");
        self.assert_home();
        LocalNotified::new(task)
    }

    /// Takes in a biased task that comes from the injection queue. `None` if a poll has answered
    /// the wake that put it there.
    pub(crate) fn admit(&self, task: Notified<S>) -> Option<Notified<S>> {
        let header = task.0.header();
        assert_eq!(header.owner, self.id, "a task of another list");
        assert!(S::IS_BIASED && self.is_near(), "a task that is far");
        // SAFETY: this thread is near.
        unsafe { biased::admit(header) }.then_some(task)
    }

    fn shard(&self, id: Id) -> &Shard {
        &self.shards[self.shard_index(id)]
    }

    fn shard_index(&self, id: Id) -> usize {
        id.number() as usize & (self.shards.len() - 1)
    }
}

/// What the task does now; of a biased task, which is near, between two polls.
pub(super) fn condition(task: &Header) -> Condition {
    let word = task.state.load();
    // SAFETY: a biased task in its owner's hands is near, and nothing is called that comes here.
    let is_queued = task.vtable.is_biased && unsafe { biased::is_queued(task) };
    match (word.has(RUNNING), word.has(NOTIFIED) || is_queued) {
        (true, _) => Condition::Running,
        (false, true) => Condition::Runnable,
        (false, false) => Condition::Waiting,
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, List> {
        unpoisoned(self.list.lock())
    }
}
