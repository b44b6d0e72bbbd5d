//! What a `LocalSet`, its tasks and their wakers share.
//!
//! ```text
//!    the set's thread        home: the run queue, the set's waker       no lock
//!    any other thread        inbox: a queue, another copy of the waker  a lock
//! ```
//!
//! 1. The set is polled under some waker; the last one counts ([`Shared::begin_poll`]).
//! 2. A task that another thread makes runnable goes to the inbox. Tasks there run when the home
//!    queue is empty, and before those of the home queue at every [`INBOX_FIRST`]th look.
//! 3. A task that is made runnable on the set's thread goes to the home queue. While the set runs
//!    that is all; otherwise the waker is woken, once until the next poll.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use super::inbox::Inbox;
use crate::runtime::local_sets::{Request, Standing};
use crate::runtime::task::{self, LocalTasks};
use crate::simulation;
use crate::util::owner_cell::OwnerCell;
use crate::util::room;

pub(super) type Notified = task::Notified<Arc<Shared>>;

pub(in crate::task) struct Shared {
    pub(super) home: OwnerCell<Home>,
    pub(super) tasks: LocalTasks<Arc<Shared>>,
    pub(super) inbox: Inbox<Notified, Request>,
    pub(super) standing: Standing,
}

/// No cell is borrowed while a waker or a destructor of the user's runs.
pub(super) struct Home {
    pub(super) queue: RefCell<VecDeque<Notified>>,
    waker: RefCell<Option<Waker>>,
    /// The waker was woken since the last poll began.
    woken: Cell<bool>,
    /// Counts looks for a task.
    tick: Cell<u32>,
    /// The panic of a task ends all.
    panic_shuts_down: Cell<bool>,
    /// It has.
    has_panicked: Cell<bool>,
}

/// One in this many looks for a task goes to the inbox first, and so does the very first look.
const INBOX_FIRST: u32 = 31;

impl Shared {
    /// For the calling thread.
    #[track_caller]
    pub(super) fn new() -> Arc<Shared> {
        Arc::new(Shared {
            home: OwnerCell::new(Home {
                queue: RefCell::new(VecDeque::with_capacity(64)),
                waker: RefCell::new(None),
                woken: Cell::new(false),
                tick: Cell::new(0),
                panic_shuts_down: Cell::new(false),
                has_panicked: Cell::new(false),
            }),
            tasks: LocalTasks::new(),
            inbox: Inbox::new(),
            standing: Standing::new(),
        })
    }

    fn home(&self) -> &Home {
        self.home.get().expect("a LocalSet stays on its thread")
    }

    /// The set is about to be polled under `waker`. Returns the requests that were left.
    pub(super) fn begin_poll(&self, waker: &Waker) -> Vec<Request> {
        let home = self.home();
        home.woken.set(false);
        let known = matches!(&*home.waker.borrow(), Some(known) if known.will_wake(waker));
        if known && !self.inbox.is_dirty() {
            return Vec::new();
        }
        // Cloned before anything is borrowed, and dropped after: both are user code.
        let ours = (!known).then(|| waker.clone());
        let theirs = waker.clone();
        let taken = self.inbox.set_waker(theirs);
        let stale_ours = ours.and_then(|ours| home.waker.borrow_mut().replace(ours));
        drop((stale_ours, taken.stale));
        taken.requests
    }

    /// The next runnable task.
    pub(super) fn pop(&self) -> Option<Notified> {
        let home = self.home();
        let tick = home.tick.get();
        home.tick.set(tick.wrapping_add(1));
        let pop_home = || {
            let mut queue = home.queue.borrow_mut();
            simulation::choose_first(&mut queue);
            room::pop_front(&mut queue)
        };
        if tick % INBOX_FIRST == 0 {
            self.inbox.pop().or_else(pop_home)
        } else {
            pop_home().or_else(|| self.inbox.pop())
        }
    }

    /// A task has panicked that takes all others along.
    pub(super) fn has_panicked(&self) -> bool {
        self.home().has_panicked.get()
    }

    /// A task has panicked.
    pub(super) fn note_panic(&self) {
        let home = self.home();
        home.has_panicked.set(home.panic_shuts_down.get());
    }

    /// Has the set polled, from its own thread.
    pub(super) fn wake(&self) {
        self.home().wake();
    }

    /// Ends the set: drops its tasks' futures, and lets nothing in any more.
    pub(super) fn close(&self) {
        let home = self.home();
        self.standing.end();
        self.tasks.close_and_shutdown_all();
        // Tasks that are over, and only wait to be freed, and requests that nobody will answer.
        drop(self.inbox.close());
        // One at a time: freeing a task may run a destructor that wakes another.
        while let Some(task) = self.pop() {
            drop(task);
        }
        let waker = home.waker.take();
        drop(waker);
        debug_assert!(self.tasks.is_empty());
    }
}

unstable! {
    impl Shared {
        pub(super) fn set_panic_shuts_down(&self, shuts_down: bool) {
            self.home().panic_shuts_down.set(shuts_down);
        }
    }
}

impl Home {
    /// Has the set polled, from its own thread.
    pub(super) fn wake(&self) {
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
