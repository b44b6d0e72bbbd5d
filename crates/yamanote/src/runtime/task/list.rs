//! A list of living tasks, which runs through the tasks.

use super::Task;
use super::core::Header;
use crate::util::counter::Counter;
use crate::util::linked_list;
use std::ptr::NonNull;

/// Tasks, the oldest first. The list holds one reference to each.
pub(super) struct List {
    tasks: linked_list::List<Header>,
    pub(super) length: usize,
    pub(super) closed: bool,
}

// SAFETY: the list's references may be used and given up by any thread (they are `Task`s).
unsafe impl Send for List {}

/// How many tasks there are and were in some lists, for whoever wants to look. Written by whoever
/// has the right to the lists.
pub(super) struct Population {
    /// Those that were ever spawned.
    pub(super) spawned: Counter,
    /// A gauge.
    pub(super) alive: Counter,
}

impl Population {
    pub(super) fn new() -> Population {
        Population {
            spawned: Counter::new(),
            alive: Counter::new(),
        }
    }

    /// One was spawned, or refused.
    pub(super) fn note_spawned(&self, is_in: bool) {
        self.spawned.add(u64::from(is_in));
        self.alive.add(u64::from(is_in));
    }

    /// One was to be taken out, and was found or not.
    pub(super) fn note_taken(&self, was_in: bool) {
        self.alive.set(self.alive.get() - u64::from(was_in));
    }
}

impl List {
    pub(super) fn new() -> List {
        List {
            tasks: linked_list::List::new(),
            length: 0,
            closed: false,
        }
    }

    /// Takes in a task, which is in no list, with a reference to it.
    pub(super) fn push(&mut self, task: NonNull<Header>) {
        // SAFETY: the reference keeps the task alive, a task is never moved, and its links belong
        // to the lock of its shard.
        unsafe { self.tasks.push_back(task) };
        self.length += 1;
    }

    /// As [`push`](Self::push), unless the list is closed: then the task is handed back.
    pub(super) fn try_push<S>(&mut self, task: Task<S>) -> Option<Task<S>> {
        if self.closed {
            return Some(task);
        }
        self.push(task.into_raw());
        None
    }

    /// Moves all tasks of `other`, which belongs to the same owner, to the end of this one, and
    /// closes this one if that is.
    pub(super) fn take_in(&mut self, other: &mut List) {
        // SAFETY: whoever has both has the right to the links of the tasks in them.
        unsafe { self.tasks.append(&mut other.tasks) };
        self.length += std::mem::take(&mut other.length);
        self.closed |= other.closed;
    }

    /// Calls `f` with each task, the oldest first, while it says so.
    ///
    /// # Safety
    ///
    /// `f` does nothing with this list.
    pub(super) unsafe fn visit(&self, f: impl FnMut(NonNull<Header>) -> bool) {
        // SAFETY: passed on.
        unsafe { self.tasks.visit(f) }
    }

    /// Takes the oldest task out.
    pub(super) fn pop(&mut self) -> Option<NonNull<Header>> {
        let task = self.tasks.first()?;
        let removed = self.remove(task);
        assert!(removed, "the first of the list is in the list");
        Some(task)
    }

    /// False if the task is not in the list. It must be of this shard, and alive.
    pub(super) fn remove(&mut self, task: NonNull<Header>) -> bool {
        // SAFETY: the caller keeps it alive, and of all lists only its shard's gets it.
        let removed = unsafe { self.tasks.remove(task) };
        self.length -= usize::from(removed);
        removed
    }
}
