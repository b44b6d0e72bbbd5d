//! The run queue of the thread that drives, in a thread-local cell: pushing to it takes no lock and
//! no atomic operation.
//!
//! Runtimes can nest on a thread (one is dropped while another drives): entering keeps what was
//! there before and leaving puts it back, so the cell always belongs to the innermost runtime.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem::{self, ManuallyDrop};

use super::shared::Notified;
use crate::runtime::task::{NearKey, NearTo};
use crate::util::room::Room;

thread_local! {
    /// Needs no drop, so that it is there to the very end of the thread: while the thread drives
    /// nothing, the queue is empty and has no room.
    static QUEUE: RefCell<ManuallyDrop<VecDeque<Notified>>> =
        const { RefCell::new(ManuallyDrop::new(VecDeque::new())) };
}

/// Appends a task of the scheduler that this thread drives.
pub(super) fn push(task: Notified) {
    QUEUE.with(|queue| queue.borrow_mut().push_back(task));
}

/// The queue of a scheduler is this thread's from [`Entered::new`] until [`Entered::leave`].
pub(super) struct Entered {
    outer_queue: VecDeque<Notified>,
    near: NearTo,
}

impl Entered {
    pub(super) fn new(queue: VecDeque<Notified>, key: NearKey) -> Self {
        Entered {
            outer_queue: replace(queue),
            near: key.come_near(),
        }
    }

    pub(super) fn pop(&self) -> Option<Notified> {
        QUEUE.with(|queue| queue.borrow_mut().pop_front())
    }

    pub(super) fn is_empty(&self) -> bool {
        QUEUE.with(|queue| queue.borrow().is_empty())
    }

    /// Frees the room that a burst has left, if the queue is empty.
    pub(super) fn free_excess(&self) {
        QUEUE.with(|queue| queue.borrow_mut().free_excess());
    }

    /// Puts back what was there before; returns queue and key.
    pub(super) fn leave(mut self) -> (VecDeque<Notified>, NearKey) {
        self.free_excess();
        let queue = replace(mem::take(&mut self.outer_queue));
        (queue, self.near.leave())
    }
}

fn replace(queue: VecDeque<Notified>) -> VecDeque<Notified> {
    QUEUE.with(|place| mem::replace(&mut **place.borrow_mut(), queue))
}
