//! The end of the workers.
//!
//! 1. Each worker cancels tasks, until no task is left that is not being polled, and frees what is
//!    in its queue. A task's future is dropped by exactly one of them; one that is being polled, by
//!    its own thread after that poll.
//! 2. The last worker to come this far shuts the driver down: no task can submit an operation any
//!    more. The others wait if an operation is alive, because what they have submitted ends with
//!    their threads.
//! 3. All threads end.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Instant;

use super::current::Worker;
use super::shared::{Core, Shared};
use crate::runtime::driver::LONGEST_SHUTDOWN;
use crate::util::contained::contained;

impl Worker<'_> {
    /// The last thing a worker does.
    pub(super) fn retire(&self) {
        self.outside_tasks(|worker| worker.shared.owned.close_and_shutdown_all());
        self.drop_queued();
        if self.shared.retirement.arrive(1) {
            shut_driver_down(&self.shared);
        } else if self.shared.driver().live_ops() > 0 {
            self.shared.retirement.wait();
        }
        self.drop_queued();
        self.publish_tally();
        let load = self.shared.load(self.index.get());
        load.unpark();
        load.account(Instant::now());
        self.public().pace.polling().fall_asleep();
        // From here on, what is woken on this thread goes to the injection queue, which is closed.
        let core = self.core.borrow_mut().take();
        drop(core);
        drop(self.slot.borrow_mut().take());
    }

    /// Frees the tasks in the own queue, which are over.
    fn drop_queued(&self) {
        // One at a time and without the core: freeing one may run a destructor that wakes another.
        while let Some(task) = self.with_core(|core| core.pop()) {
            self.outside_tasks(|_| drop(task));
        }
    }
}

/// Retires workers that never had a thread, on this one.
pub(super) fn without_threads(shared: &Arc<Shared>, cores: Vec<Box<Core>>) {
    contained(|| shared.owned.close_and_shutdown_all());
    let workers = cores.len();
    drop(cores);
    if shared.retirement.arrive(workers) {
        shut_driver_down(shared);
    }
}

fn shut_driver_down(shared: &Arc<Shared>) {
    let deadline = Instant::now() + LONGEST_SHUTDOWN;
    contained(|| shared.driver().shutdown(deadline));
    shared.retirement.finish();
}
