//! What tasks, handles and wakers of a current-thread scheduler share.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::main_future::Woken;
use super::seat::Seat;
use crate::runtime::driver::Driver;
use crate::runtime::scheduler::Config;
use crate::runtime::scheduler::inject::Inject;
use crate::runtime::scheduler::load::Load;
use crate::runtime::task::{self, NearKey, OwnedTasks};

/// The one slot of the driver that this scheduler uses.
pub(super) const SLOT: usize = 0;

pub(super) type Notified = task::Notified<Arc<Shared>>;

/// What the driving thread owns.
pub(super) struct Core {
    pub(super) queue: VecDeque<Notified>,
    /// Here while nobody drives.
    pub(super) near_key: Option<NearKey>,
    /// Counts polls; says when the injection queue is asked first.
    pub(super) tick: u32,
}

pub(crate) struct Shared {
    driver: Arc<Driver>,
    pub(super) owned: OwnedTasks<Arc<Shared>>,
    pub(super) inject: Inject<Notified>,
    pub(super) seat: Seat<Box<Core>>,
    /// The main future of the thread that drives is to be polled.
    pub(super) main_woken: Woken,
    /// Something was made runnable since a turn of the driver that could have moved a paused clock.
    /// The next such turn leaves the clock where it is, as Tokio's does, and looks again. Relaxed:
    /// a thread that does not drive sets it before an unpark, which the driving thread sees.
    news: AtomicBool,
    load: Load,
    pub(super) config: Config,
}

impl Shared {
    pub(super) fn new(config: Config, driver: Arc<Driver>) -> Self {
        let mut owned = match config.local {
            true => OwnedTasks::new_at_home(),
            false => OwnedTasks::new(1),
        };
        let near_key = owned.take_near_key();
        Shared {
            driver,
            owned,
            inject: Inject::new(),
            seat: Seat::new(Box::new(Core {
                queue: VecDeque::with_capacity(64),
                near_key: Some(near_key),
                tick: 0,
            })),
            main_woken: Woken::new(false),
            news: AtomicBool::new(false),
            load: Load::new(),
            config,
        }
    }

    pub(crate) fn is_local(&self) -> bool {
        self.owned.home().is_some()
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    pub(crate) fn num_alive_tasks(&self) -> usize {
        self.owned.num_alive_tasks()
    }

    pub(crate) fn injection_depth(&self) -> usize {
        self.inject.len()
    }

    pub(crate) fn load(&self) -> &Load {
        &self.load
    }

    /// Something was made runnable; see the field.
    pub(super) fn note_news(&self) {
        // Read first: this is done for every task, and changes the flag for few.
        if !self.has_news() {
            self.news.store(true, Relaxed);
        }
    }

    pub(super) fn has_news(&self) -> bool {
        self.news.load(Relaxed)
    }

    pub(super) fn take_news(&self) -> bool {
        // Read first: a `swap` is much for each short `block_on`.
        self.has_news() && self.news.swap(false, Relaxed)
    }
}
