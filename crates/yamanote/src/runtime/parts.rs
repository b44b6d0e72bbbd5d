//! What a handle leads to: the parts of a runtime that all of its handles share.
#![forbid(unsafe_code)]

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::driver::Driver;
use super::flavor::RuntimeFlavor;
use super::id::Id;
use super::local_sets::LocalSets;
use super::punts::Punts;
use super::stalls::Stalls;
use super::task::{self, JoinHandle, Spawned};
use super::{blocking, scheduler};
use crate::util::counter::Counter;
use crate::util::rng::Seeds;

/// One per runtime.
pub(crate) struct Parts {
    pub(super) scheduler: scheduler::Handle,
    pub(super) blocking: blocking::Spawner,
    pub(super) id: Id,
    pub(super) name: Option<String>,
    pub(super) switches: Switches,
    /// For the threads that enter, if the program has chosen where chance starts.
    pub(super) seeds: Option<Seeds>,
    /// Inline file calls that made their thread wait.
    pub(super) inline_file_stalls: Counter,
    /// Jobs of files that went to the blocking pool.
    pub(super) file_jobs: Counter,
    /// The same by mount, as far as they have begun.
    pub(crate) punts: Punts,
    /// Bytes of copies that went from end to end within the kernel.
    pub(super) kernel_copied_bytes: Counter,
    /// Those whose tasks a dump has, too.
    pub(crate) local_sets: LocalSets,
    /// Written by the watchdog.
    pub(super) stalls: Arc<Stalls>,
}

/// What a program or its operator may turn off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Switches {
    /// Whether file operations may be done on the calling thread.
    pub(super) inline_files: bool,
    /// Whether copies may leave the moving of bytes to the kernel.
    pub(super) kernel_copies: bool,
}

impl Parts {
    pub(crate) fn id(&self) -> Id {
        self.id
    }

    pub(crate) fn flavor(&self) -> RuntimeFlavor {
        match self.scheduler {
            scheduler::Handle::CurrentThread(_) => RuntimeFlavor::CurrentThread,
            scheduler::Handle::MultiThread(_) => RuntimeFlavor::MultiThread,
        }
    }

    pub(crate) fn driver_handle(&self) -> &Arc<Driver> {
        self.scheduler.driver()
    }

    /// Whether they belong to a [`LocalRuntime`](super::LocalRuntime).
    pub(crate) fn is_local(&self) -> bool {
        self.scheduler.is_local()
    }

    pub(crate) fn spawn<F>(&self, future: F, meta: task::Meta) -> Spawned<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.scheduler.spawn(future, meta)
    }

    /// Spawns a task that stays on the thread of its [`LocalRuntime`](super::LocalRuntime).
    ///
    /// # Panics
    ///
    /// On any other thread, and if they belong to another kind of runtime.
    #[track_caller]
    pub(crate) fn spawn_local<F>(&self, future: F, meta: task::Meta) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.scheduler.spawn_local(future, meta)
    }

    pub(crate) fn inline_files(&self) -> bool {
        self.switches.inline_files
    }

    pub(crate) fn kernel_copies(&self) -> bool {
        self.switches.kernel_copies
    }

    pub(crate) fn count_inline_file_stall(&self) {
        self.inline_file_stalls.add_shared(1);
    }

    pub(crate) fn count_kernel_copied_bytes(&self, count: u64) {
        self.kernel_copied_bytes.add_shared(count);
    }
}

/// Users see it as a handle.
impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Handle");
        debug.field("id", &self.id).field("flavor", &self.flavor());
        if let Some(name) = &self.name {
            debug.field("name", name);
        }
        debug.finish_non_exhaustive()
    }
}

// A panic in a future or hook never leaves the runtime half changed: schedulers catch it at the
// task's edge and give back what they hold on the way out of `block_on`.
impl UnwindSafe for Parts {}
impl RefUnwindSafe for Parts {}
