//! One piece of work for a pool thread.
#![forbid(unsafe_code)]

use super::Callback;
use super::books::Kind;
use crate::runtime::task::{
    Hook, JoinHandle, Meta, Notified, Schedule, Task, UnownedTask, tell_terminated, unowned,
};
use crate::util::contained::contained;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pub(super) enum Job {
    Blocking(Blocking),
    /// A worker of the scheduler, which runs for as long as its runtime does.
    Worker(Box<dyn FnOnce() + Send>),
}

/// A closure with a `JoinHandle`. Dropping it cancels it.
pub(super) struct Blocking {
    task: UnownedTask<NeverScheduled>,
    /// After `task`, so that it is dropped when the joiner has been woken.
    _finished: Option<Finished>,
}

impl Job {
    pub(super) fn blocking<F, R>(
        f: F,
        meta: Meta,
        finished: Option<Finished>,
        terminated: Option<Hook>,
    ) -> (Job, JoinHandle<R>)
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let meta = meta.announced::<F>("blocking", size_of::<F>());
        let (task, handle) = unowned(Closure(Some(f)), NeverScheduled { terminated }, meta);
        let job = Blocking {
            task,
            _finished: finished,
        };
        (Job::Blocking(job), handle)
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Job::Blocking(_) => Kind::Blocking,
            Job::Worker(_) => Kind::Worker,
        }
    }

    /// Does the work. No panic leaves it.
    pub(super) fn run(self) {
        match self {
            Job::Blocking(job) => job.task.run(),
            // A scheduler contains its tasks' panics. One that comes here is its own, and must not
            // upset the pool's books.
            Job::Worker(run) => contained(run),
        }
    }
}

/// Calls the hook when the job is over, however it ends.
pub(super) struct Finished(pub(super) Callback);

impl Drop for Finished {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The closure as the simplest of futures.
struct Closure<F>(Option<F>);

// The closure is moved out of its place, not pinned in it.
impl<F> Unpin for Closure<F> {}

impl<F: FnOnce() -> R, R> Future for Closure<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        let f = self.0.take().expect("a blocking job ran twice");
        Poll::Ready(f())
    }
}

/// A closure never waits, so only an abort could schedule it, and an abort finds it on its way to a
/// thread already.
struct NeverScheduled {
    terminated: Option<Hook>,
}

impl Schedule for NeverScheduled {
    fn schedule(&self, _: Notified<Self>) {
        unreachable!("a blocking job was scheduled");
    }

    fn release(&self, _: &Task<Self>) -> Option<Task<Self>> {
        None
    }

    fn terminated(&self, meta: &Meta) {
        if self.terminated.is_some() {
            tell_terminated(&self.terminated, meta.identity());
        }
    }
}
