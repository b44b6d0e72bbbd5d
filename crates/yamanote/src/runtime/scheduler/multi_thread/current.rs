//! The worker that this thread is, and the way to it for wakers and spawners on the thread.
//!
//! A pointer in a thread-local, valid while the worker's loop is on the stack.
//!
//! # States
//!
//! ```text
//!    Looking ──begin_work──► Running ──push(Yielded)──► Yielded
//!       ▲                     │   ▲                        │
//!       └── search, sleep ────┘   └── the poll is over ────┘
//!
//!    Looking, Running ──► Turning, Reaping ──► the same again
//! ```
//!
//! Besides, the thread may be without a core: it has lent it in the middle of a task, and only
//! finishes that task; or the worker has retired.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;

use super::core::Public;
use super::shared::{Core, Notified, Shared};
use crate::runtime::driver::SlotGuard;
use crate::runtime::stall::Polling;
use crate::util::contained::contained;

/// A thread while it is a worker.
pub(super) struct Worker<'s> {
    pub(super) shared: Arc<Shared>,
    /// The public parts of all.
    workers: &'s [Public<Notified>],
    /// Which worker; that of `core` while it is there.
    pub(super) index: Cell<usize>,
    /// Of that worker. A poll needs it several times.
    public: Cell<&'s Public<Notified>>,
    /// `None` while lent. Never borrowed while foreign code runs.
    pub(super) core: RefCell<Option<Box<Core>>>,
    /// `None` while lent.
    pub(super) slot: RefCell<Option<SlotGuard>>,
    pub(super) state: Cell<State>,
}

/// What the thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It looks for work after a sleep or a search. Before it polls a task it must make sure that
    /// others look after what it leaves behind.
    Looking,
    /// It polls tasks.
    Running,
    /// As `Running`, and the task that was polled last has yielded.
    Yielded,
    /// Foreign code runs that is no task: wakers called by the driver, hooks, destructors. What it
    /// wakes queues, and is announced by the caller. It may not lend the core.
    Turning,
    /// As `Turning`, for operations only. What is woken goes first: if a thread of the pool had
    /// woken it, it would not stand behind the tasks here either.
    Reaping,
}

/// How a task became runnable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Push {
    /// Woken, or new.
    Woken,
    /// Woken during its own poll: the others first.
    Yielded,
}

thread_local! {
    /// Null, or what `enter` was given; that call is still on this thread's stack.
    static CURRENT: Cell<*const Worker<'static>> = const { Cell::new(ptr::null()) };
}

/// Makes `worker` this thread's while `f` runs.
pub(super) fn enter<R>(worker: &Worker<'_>, f: impl FnOnce() -> R) -> R {
    struct Restore(*const Worker<'static>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _restore = Restore(CURRENT.replace(ptr::from_ref(worker).cast()));
    f()
}

/// Calls `f` with this thread's worker.
pub(super) fn with<R>(f: impl FnOnce(Option<&Worker<'_>>) -> R) -> R {
    // No destructor, so the cell is there until the thread's very end.
    let worker = CURRENT.get();
    // SAFETY: `enter` set it from a reference and resets it before that reference ends, on this
    // same thread; `f` runs in between, and as it takes any lifetimes, nothing that it is lent can
    // leave the call.
    f(unsafe { worker.as_ref() })
}

/// Which worker this thread is; `None` also for one that has lent its core.
pub(crate) fn index() -> Option<usize> {
    with(|worker| {
        worker
            .filter(|worker| worker.core.borrow().is_some())
            .map(|worker| worker.index.get())
    })
}

/// Calls `f` with what this thread's worker polls; `None` also for one that has lent its core.
pub(crate) fn with_polling<R>(f: impl FnOnce(Option<&Polling>) -> R) -> R {
    with(|worker| {
        let worker = worker.filter(|worker| worker.core.borrow().is_some());
        f(worker.map(|worker| worker.public().pace.polling()))
    })
}

/// Puts a task of `shared` that became runnable on this thread into the queue of its worker. Gives
/// it back if the thread is no worker of `shared`, or has lent its core.
pub(super) fn push(shared: &Arc<Shared>, task: Notified, how: Push) -> Result<(), Notified> {
    with(|worker| match worker {
        Some(worker) if Arc::ptr_eq(&worker.shared, shared) => worker.push(task, how),
        _ => Err(task),
    })
}

impl<'s> Worker<'s> {
    pub(super) fn new(shared: &'s Arc<Shared>, core: Box<Core>) -> Self {
        let slot = shared.enter_worker(core.index);
        Worker {
            index: Cell::new(core.index),
            public: Cell::new(&shared.workers[core.index]),
            workers: &shared.workers,
            core: RefCell::new(Some(core)),
            slot: RefCell::new(Some(slot)),
            state: Cell::new(State::Looking),
            shared: shared.clone(),
        }
    }

    /// From now on it is another worker, whose core it has.
    pub(super) fn set_index(&self, index: usize) {
        self.index.set(index);
        self.public.set(&self.workers[index]);
    }

    pub(super) fn public(&self) -> &'s Public<Notified> {
        self.public.get()
    }

    /// Calls `f` with the core, which must be here. No foreign code may run in `f`.
    pub(super) fn with_core<R>(&self, f: impl FnOnce(&mut Core) -> R) -> R {
        f(self.core.borrow_mut().as_mut().expect("the core is lent"))
    }

    /// Lets everybody see what this worker has counted. Returns its polls since the start.
    pub(super) fn publish_tally(&self) -> u64 {
        let Public { pace, meter, .. } = self.public();
        self.with_core(|core| {
            let mean_poll_ns = core.tuning.mean_poll_ns();
            core.tally.publish(pace.begun(), mean_poll_ns, meter)
        })
    }

    /// Runs `f`, foreign code that is no task; see [`State::Turning`].
    pub(super) fn outside_tasks(&self, f: impl FnOnce(&Self)) {
        self.outside_tasks_as(State::Turning, f);
    }

    pub(super) fn outside_tasks_as(&self, state: State, f: impl FnOnce(&Self)) {
        // Outside: a child of fork() must not take this for a task's panic and go on.
        self.shared.driver().assert_not_forked();
        let before = self.state.replace(state);
        // A worker is everybody's: a panic, which the hook has reported, must not take it along.
        contained(|| f(self));
        self.state.set(before);
    }

    fn push(&self, task: Notified, how: Push) -> Result<(), Notified> {
        let core = self.core.borrow();
        let Some(core) = core.as_deref() else {
            return Err(task);
        };
        core.tally.note_scheduled();
        let state = self.state.get();
        let task = if how == Push::Yielded {
            self.state.set(State::Yielded);
            // The poll is over. Said before the task is in the queue, so that nobody takes a lone
            // yielding task for one that waits behind another.
            self.public().pace.polling().end();
            task
        } else if state == State::Turning || self.shared.config.disable_lifo_slot {
            task
        } else {
            match core.local.swap_lifo(task) {
                Some(displaced) => displaced,
                None => return Ok(()),
            }
        };
        let announce = how == Push::Woken && !state.is_outside_tasks();
        core.local.push_back(task);
        if announce && self.public().pace.needs_help_with(core.queued()) {
            self.shared.call_searcher();
        }
        Ok(())
    }
}

impl State {
    /// Whether the caller of the foreign code announces what that wakes.
    fn is_outside_tasks(self) -> bool {
        matches!(self, State::Turning | State::Reaping)
    }
}
