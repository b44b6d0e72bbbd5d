//! The run queue of the thread that drives, in a thread-local cell: pushing to it takes no lock and
//! no atomic operation.
//!
//! Runtimes can nest on a thread (one is dropped while another drives): entering keeps what was
//! there before and leaving puts it back, so the cell always belongs to the innermost runtime.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;

use super::shared::{Notified, Shared};
use crate::util::room::Room;

struct Local {
    /// The scheduler whose queue this is; null when the thread drives none. Only compared, never
    /// followed.
    owner: Cell<*const Shared>,
    queue: RefCell<VecDeque<Notified>>,
}

thread_local! {
    static LOCAL: Local = const {
        Local {
            owner: Cell::new(ptr::null()),
            queue: RefCell::new(VecDeque::new()),
        }
    };
}

/// Appends `task` to the queue of `shared`, if this thread drives it; else hands the task back.
pub(super) fn push(shared: &Arc<Shared>, task: Notified) -> Result<(), Notified> {
    let mut task = Some(task);
    let _ = LOCAL.try_with(|local| {
        if local.owner.get() == Arc::as_ptr(shared) {
            local.queue.borrow_mut().extend(task.take());
        }
    });
    match task {
        None => Ok(()),
        Some(task) => Err(task),
    }
}

/// Whether this thread drives `shared`.
pub(super) fn drives(shared: &Shared) -> bool {
    LOCAL
        .try_with(|local| ptr::eq(local.owner.get(), shared))
        .unwrap_or(false)
}

/// Whether this thread drives any current-thread scheduler.
pub(super) fn is_driving() -> bool {
    LOCAL
        .try_with(|local| !local.owner.get().is_null())
        .unwrap_or(false)
}

/// The queue of `shared` is this thread's from [`Entered::new`] until [`Entered::leave`].
///
/// In a thread whose thread-locals are already being destroyed the queue stays in `outer_queue`,
/// and pushes go to the injection queue.
pub(super) struct Entered {
    outer_owner: *const Shared,
    outer_queue: VecDeque<Notified>,
    in_cell: bool,
}

impl Entered {
    pub(super) fn new(shared: &Arc<Shared>, queue: VecDeque<Notified>) -> Self {
        let mut queue = Some(queue);
        let swapped = LOCAL.try_with(|local| {
            let outer_owner = local.owner.replace(Arc::as_ptr(shared));
            let outer_queue = local.queue.replace(queue.take().unwrap_or_default());
            (outer_owner, outer_queue)
        });
        match swapped {
            Ok((outer_owner, outer_queue)) => Entered {
                outer_owner,
                outer_queue,
                in_cell: true,
            },
            Err(_) => Entered {
                outer_owner: ptr::null(),
                outer_queue: queue.unwrap_or_default(),
                in_cell: false,
            },
        }
    }

    pub(super) fn pop(&mut self) -> Option<Notified> {
        self.with_queue(VecDeque::pop_front)
    }

    pub(super) fn is_empty(&self) -> bool {
        if self.in_cell {
            LOCAL.with(|local| local.queue.borrow().is_empty())
        } else {
            self.outer_queue.is_empty()
        }
    }

    /// Calls `f` with the queue. It must not run user code.
    fn with_queue<R>(&mut self, f: impl FnOnce(&mut VecDeque<Notified>) -> R) -> R {
        if self.in_cell {
            LOCAL.with(|local| f(&mut local.queue.borrow_mut()))
        } else {
            f(&mut self.outer_queue)
        }
    }

    /// Frees the room that a burst has left, if the queue is empty.
    pub(super) fn free_excess(&mut self) {
        self.with_queue(Room::free_excess);
    }

    /// Puts back what was there before; returns the queue.
    pub(super) fn leave(&mut self) -> VecDeque<Notified> {
        self.free_excess();
        let outer_queue = std::mem::take(&mut self.outer_queue);
        if self.in_cell {
            self.in_cell = false;
            LOCAL.with(|local| {
                local.owner.set(self.outer_owner);
                local.queue.replace(outer_queue)
            })
        } else {
            outer_queue
        }
    }
}
