//! What the program wants to hear about tasks.
#![forbid(unsafe_code)]

use super::LocalNotified;
use super::meta::Identity;
use crate::util::contained::contained;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A task, as the hooks of a [`Builder`](crate::runtime::Builder) are told about it.
pub struct TaskMeta<'a> {
    identity: Identity,
    /// How long it waited for this poll, if that is measured and it is about a poll.
    waited: Option<Duration>,
    /// Lent for the length of the call: a later version may know more.
    life: PhantomData<&'a ()>,
}

impl TaskMeta<'_> {
    fn new(identity: Identity, waited: Option<Duration>) -> Self {
        TaskMeta {
            identity,
            waited,
            life: PhantomData,
        }
    }
}

unstable! {
    impl TaskMeta<'_> {
        /// The task's id; that of its [`JoinHandle`](crate::task::JoinHandle::id).
        pub fn id(&self) -> super::id::Id {
            self.identity.id
        }

        /// The call that spawned the task.
        pub fn spawned_at(&self) -> &'static std::panic::Location<'static> {
            self.identity.spawned_at
        }
    }

    #[cfg(feature = "schedule-latency")]
    impl TaskMeta<'_> {
        /// In the hooks around a poll: how long the task has waited for it, from the moment at
        /// which it became runnable. `None` unless the runtime was built with
        /// [`track_task_schedule_latency`][t], and in other hooks.
        ///
        /// [t]: crate::runtime::Builder::track_task_schedule_latency
        pub fn schedule_latency(&self) -> Option<Duration> {
            self.waited
        }
    }
}

impl fmt::Debug for TaskMeta<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskMeta")
            .field("id", &self.identity.id)
            .field("spawned_at", &self.identity.spawned_at)
            .field("waited", &self.waited)
            .finish()
    }
}

pub(crate) type Hook = Arc<dyn Fn(&TaskMeta<'_>) + Send + Sync>;

#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) spawned: Option<Hook>,
    pub(crate) before_poll: Option<Hook>,
    pub(crate) after_poll: Option<Hook>,
    pub(crate) terminated: Option<Hook>,
}

fn call(hook: &Option<Hook>, identity: Identity, waited: Option<Duration>) {
    if let Some(hook) = hook {
        hook(&TaskMeta::new(identity, waited));
    }
}

impl Hooks {
    /// Shared, if there are any: schedulers then look at one place.
    pub(crate) fn shared(&self) -> Option<Arc<Hooks>> {
        let Hooks {
            spawned,
            before_poll,
            after_poll,
            terminated,
        } = self;
        [spawned, before_poll, after_poll, terminated]
            .iter()
            .any(|hook| hook.is_some())
            .then(|| Arc::new(self.clone()))
    }

    pub(crate) fn spawned(&self, identity: Identity) {
        call(&self.spawned, identity, None);
    }

    /// Runs the task between two hooks. If the first panics, the task does not run any more.
    pub(crate) fn run<S>(&self, task: LocalNotified<S>, waited: Option<Duration>) {
        let identity = task.meta().identity();
        call(&self.before_poll, identity, waited);
        task.run();
        call(&self.after_poll, identity, waited);
    }

    /// The same for a thread that must not unwind. A hook's panic changes nothing for the task.
    pub(crate) fn run_contained<S>(&self, task: LocalNotified<S>, waited: Option<Duration>) {
        let identity = task.meta().identity();
        contained(|| call(&self.before_poll, identity, waited));
        task.run();
        contained(|| call(&self.after_poll, identity, waited));
    }

    pub(crate) fn terminated(&self, identity: Identity) {
        tell_terminated(&self.terminated, identity);
    }
}

/// Called where a task ends, which must not unwind.
pub(crate) fn tell_terminated(hook: &Option<Hook>, identity: Identity) {
    contained(|| call(hook, identity, None));
}
