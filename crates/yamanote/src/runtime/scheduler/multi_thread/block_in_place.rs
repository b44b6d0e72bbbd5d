//! Blocking in the middle of a task: the worker goes on with another thread.
#![forbid(unsafe_code)]

use super::current::{self, State, Worker};
use super::shared::Core;
use super::worker;
use crate::runtime::stall::Polled;
use crate::unstable::TASK_DUMPS;
use crate::util::{coop, defer};

/// Runs `f`, which may block. On a worker's thread the worker is lent to another thread meanwhile;
/// elsewhere nobody is held up.
pub(crate) fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    /// Takes a core back when `f` is over, also if it panics.
    struct Return(Option<Polled>);
    impl Drop for Return {
        fn drop(&mut self) {
            if let Some(task) = self.0 {
                current::with(|worker| worker.expect("still in its task").take_core_back(task));
            }
        }
    }
    // With dumps, a poll collects what is to be woken after it.
    let _at_once = TASK_DUMPS.then(defer::wake_all_and_suspend);
    let _return = Return(current::with(|worker| worker.and_then(Worker::lend_core)));
    coop::with_unconstrained(f)
}

impl Worker<'_> {
    /// Gives core and slot to another thread, and returns the task that goes on without them.
    /// `None`: there is no core here (it is lent already), or this is no task, or no thread can be
    /// had. In the last two cases this worker is held up, and the sentry looks after what it has.
    fn lend_core(&self) -> Option<Polled> {
        if self.state.get() != State::Running {
            return None;
        }
        if self.core.borrow().is_none() {
            return None;
        }
        let polling = self.public().pace.polling();
        let task = polling.look().polled?;
        polling.end();
        self.publish_tally();
        self.with_core(|core| core.poll_timer.pause());
        let core = self.core.borrow_mut().take().expect("it is here");
        let slot = self.slot.borrow_mut().take();
        drop(slot.expect("core and slot go together"));
        match self
            .shared
            .handover
            .offer(core, || worker::life(&self.shared))
        {
            Ok(()) => Some(task),
            Err((_, core)) => {
                self.install(core, task);
                None
            }
        }
    }

    /// If the core, or any other worker's, still waits for a thread, this one is free again.
    fn take_core_back(&self, task: Polled) {
        if let Some(core) = self.shared.handover.try_take() {
            self.install(core, task);
        }
    }

    fn install(&self, core: Box<Core>, task: Polled) {
        let slot = self.shared.enter_worker(core.index);
        self.set_index(core.index);
        self.public().pace.polling().begin(task);
        *self.slot.borrow_mut() = Some(slot);
        *self.core.borrow_mut() = Some(core);
    }
}
