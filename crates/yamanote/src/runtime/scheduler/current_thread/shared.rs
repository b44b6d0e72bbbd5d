//! What tasks, handles and wakers of a current-thread scheduler share.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Wake;

use super::SLOT;
use super::local;
use super::main_future::Woken;
use super::seat::Seat;
use crate::runtime::driver::Driver;
use crate::runtime::scheduler::Config;
use crate::runtime::scheduler::inject::Inject;
use crate::runtime::scheduler::load::Load;
use crate::runtime::task::{self, Id, JoinHandle, OwnedTasks, Schedule, Task};
use crate::util::owner_cell::ThreadNumber;

pub(super) type Notified = task::Notified<Arc<Shared>>;

pub(crate) struct Shared {
    driver: Arc<Driver>,
    pub(super) owned: OwnedTasks<Arc<Shared>>,
    pub(super) inject: Inject<Notified>,
    pub(super) seat: Seat,
    /// The main future of the thread that drives is to be polled.
    pub(super) main_woken: Woken,
    /// Something was made runnable since a turn of the driver that could have moved a paused clock.
    /// The next such turn leaves the clock where it is, as Tokio's does, and looks again. Relaxed: a
    /// thread that does not drive sets it before an unpark, which the driving thread sees.
    told: AtomicBool,
    load: Load,
    pub(super) config: Config,
}

impl Shared {
    pub(super) fn new(config: Config, driver: Arc<Driver>) -> Self {
        Shared {
            driver,
            owned: match config.local {
                true => OwnedTasks::new_at_home(),
                false => OwnedTasks::new(1),
            },
            inject: Inject::new(),
            seat: Seat::new(),
            main_woken: Woken::new(false),
            told: AtomicBool::new(false),
            load: Load::new(),
            config,
        }
    }

    /// Binds `future` to this scheduler and makes it runnable. After shutdown the future is dropped
    /// and the handle says so.
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F, id: Id) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (join, runnable) = self.owned.bind(future, self.clone(), id);
        if let Some(task) = runnable {
            self.schedule(task);
        }
        join
    }

    /// As [`spawn`](Self::spawn), with a future that stays on this thread.
    ///
    /// # Panics
    ///
    /// If the scheduler was not made for local tasks, or on another thread.
    #[track_caller]
    pub(crate) fn spawn_local<F>(self: &Arc<Self>, future: F, id: Id) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        assert!(
            self.owned.home() == Some(ThreadNumber::current()),
            "Local tasks can only be spawned on a LocalRuntime from the thread the runtime was \
             created on"
        );
        let (join, runnable) = self.owned.bind_local(future, self.clone(), id);
        if let Some(task) = runnable {
            self.schedule(task);
        }
        join
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

    /// See the field.
    fn tell(&self) {
        // Read first: this is done for every task, and is news for few.
        if !self.is_told() {
            self.told.store(true, Relaxed);
        }
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.load(Relaxed)
    }

    pub(super) fn take_told(&self) -> bool {
        self.told.swap(false, Relaxed)
    }
}

impl Schedule for Arc<Shared> {
    fn schedule(&self, task: Notified) {
        self.tell();
        let Err(task) = local::push(self, task) else {
            return;
        };
        match self.inject.push(task) {
            Ok(()) => self.driver.unpark(SLOT),
            // Shut down: the task is over, only its memory is left to free.
            Err(task) => drop(task),
        }
    }

    fn release(&self, task: &Task<Self>) -> Option<Task<Self>> {
        self.owned.remove(task)
    }
}

/// The waker of the main future of the thread that drives.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.main_woken.set() {
            self.tell();
            // The driving thread itself looks at the flag before it blocks.
            if !local::drives(self) {
                self.driver.unpark(SLOT);
            }
        }
    }
}
