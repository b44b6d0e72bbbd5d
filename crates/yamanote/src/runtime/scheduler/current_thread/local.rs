//! The run queue of the thread that drives, in a thread-local cell: pushing to it takes no lock and
//! no atomic operation.
//!
//! Runtimes can nest on a thread (one is dropped while another drives). So the queue of a core and
//! that of the cell change places when a thread begins to drive, and again when it ends: in between
//! the core keeps what was there before, and the cell always belongs to the innermost runtime.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem::{self, ManuallyDrop};
use std::sync::Arc;

use super::shared::{Core, Notified};
use crate::runtime::stall::Polling;
use crate::simulation;
use crate::util::room::Room;

thread_local! {
    /// Needs no drop, so that it is there to the very end of the thread: while the thread drives
    /// nothing, the queue is empty and has no room.
    static QUEUE: RefCell<ManuallyDrop<VecDeque<Notified>>> =
        const { RefCell::new(ManuallyDrop::new(VecDeque::new())) };
    /// What this thread polls, if it drives. It needs no drop either: it is `None` then.
    static POLLING: RefCell<ManuallyDrop<Option<Arc<Polling>>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Exchanges what is in the cells for that of another core.
pub(super) fn swap(core: &mut Core) {
    QUEUE.with(|place| mem::swap(&mut **place.borrow_mut(), &mut core.queue));
    POLLING.with(|place| mem::swap(&mut **place.borrow_mut(), &mut core.polling));
}

/// What this thread polls, if it drives a scheduler.
pub(super) fn polling() -> Option<Arc<Polling>> {
    POLLING.with(|polling| (**polling.borrow()).clone())
}

/// Appends a task of the scheduler that this thread drives.
pub(super) fn push(task: Notified) {
    QUEUE.with(|queue| queue.borrow_mut().push_back(task));
}

pub(super) fn pop() -> Option<Notified> {
    QUEUE.with(|queue| {
        let mut queue = queue.borrow_mut();
        simulation::choose_first(&mut queue);
        queue.pop_front()
    })
}

pub(super) fn len() -> usize {
    QUEUE.with(|queue| queue.borrow().len())
}

pub(super) fn is_empty() -> bool {
    QUEUE.with(|queue| queue.borrow().is_empty())
}

/// Frees the room that a burst has left, if the queue is empty.
pub(super) fn free_excess() {
    QUEUE.with(|queue| queue.borrow_mut().free_excess());
}
