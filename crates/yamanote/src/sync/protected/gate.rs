//! The semaphore of a lock, and what is told of the lock.
#![forbid(unsafe_code)]

use std::panic::Location;

use crate::sync::semaphore_core::SemaphoreCore;
use crate::util::spans::{self, Resource, resource, state_update};

/// How many permits. [`One`] takes no room in a guard.
pub(in crate::sync) trait Count: Copy + 'static {
    /// Whether it is [`Many`].
    const IS_MANY: bool;

    fn number(self) -> usize;
}

#[derive(Clone, Copy)]
pub(in crate::sync) struct One;

#[derive(Clone, Copy)]
pub(in crate::sync) struct Many(pub(in crate::sync) u32);

impl Count for One {
    const IS_MANY: bool = false;

    fn number(self) -> usize {
        1
    }
}

impl Count for Many {
    const IS_MANY: bool = true;

    fn number(self) -> usize {
        self.0 as usize
    }
}

/// `all` permits of `core`, which was created with that many and is never closed, let one in alone:
/// a [`One`] is a mutex's gate, [`Many`] a lock's for readers and writers.
pub(in crate::sync) struct Gate<All> {
    pub(super) resource: Resource,
    pub(super) core: SemaphoreCore,
    pub(super) all: All,
}

impl Gate<One> {
    #[track_caller]
    pub(super) fn of_mutex() -> Self {
        let resource = resource!(
            "tokio::sync::mutex",
            Location::caller(),
            concrete_type = "Mutex",
            kind = "Sync",
        );
        let core = resource.in_scope(|| {
            state_update!(Resource::NONE, locked = false);
            SemaphoreCore::new(1)
        });
        Gate {
            resource,
            core,
            all: One,
        }
    }

    #[cfg(not(all(test, loom)))]
    pub(super) const fn const_of_mutex() -> Self {
        Gate {
            resource: Resource::NONE,
            core: SemaphoreCore::const_new(1),
            all: One,
        }
    }
}

impl Gate<Many> {
    #[track_caller]
    pub(super) fn of_readers(readers: u32) -> Self {
        let resource = resource!(
            "tokio::sync::rwlock",
            Location::caller(),
            concrete_type = "RwLock",
            kind = "Sync",
        );
        resource.in_scope(|| {
            state_update!(Resource::NONE, max_readers = readers);
            state_update!(Resource::NONE, write_locked = false);
            state_update!(Resource::NONE, current_readers = 0);
        });
        let core = resource.in_scope(|| SemaphoreCore::new(readers as usize));
        Gate {
            resource,
            core,
            all: Many(readers),
        }
    }

    #[cfg(not(all(test, loom)))]
    pub(super) const fn const_of_readers(readers: u32) -> Self {
        Gate {
            resource: Resource::NONE,
            core: SemaphoreCore::const_new(readers as usize),
            all: Many(readers),
        }
    }
}

impl<All: Count> Gate<All> {
    /// Gives `count` permits back.
    #[inline]
    pub(super) fn give_back<N: Count>(&self, count: N) {
        self.core.add_permits(count.number());
        self.tell::<N>(false);
    }

    /// Tells that `N` permits were taken, or given back.
    #[inline]
    pub(super) fn tell<N: Count>(&self, taken: bool) {
        if spans::is_on() {
            self.tell_cold::<N>(taken);
        }
    }

    #[cold]
    fn tell_cold<N: Count>(&self, taken: bool) {
        match (All::IS_MANY, N::IS_MANY) {
            (false, _) => state_update!(self.resource, locked = taken),
            (true, true) => {
                state_update!(
                    self.resource,
                    write_locked = taken,
                    write_locked.op = "override",
                );
            }
            (true, false) => {
                let op = if taken { "add" } else { "sub" };
                state_update!(self.resource, current_readers = 1, current_readers.op = op);
            }
        }
    }
}
