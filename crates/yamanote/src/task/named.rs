//! Starting tasks that have a name.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;

use super::spawn::spawn_here;
use super::spawn_local::spawn_local_here;
use super::{JoinHandle, LocalSet};
use crate::runtime::Handle;
use crate::runtime::box_if_large;
use crate::runtime::task::Meta;

/// A name for tasks, to spawn them with; see [`named`].
#[derive(Debug, Clone, Copy)]
#[must_use = "a name does nothing until a task is spawned with it"]
pub struct Named<'a> {
    pub(super) name: Option<&'a str>,
}

/// Gives the tasks that are spawned with what it returns a name: reports about tasks show it beside
/// the place where the task was spawned, and with the feature `tracing` the task's span has it.
///
/// A name is copied for each task. It need not be unique.
///
/// # Examples
///
/// ```
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let task = yamanote::task::named("answers").spawn(async { 6 * 7 });
/// assert_eq!(task.await.unwrap(), 42);
/// # }
/// ```
pub fn named(name: &str) -> Named<'_> {
    Named { name: Some(name) }
}

impl Named<'_> {
    /// As [`task::spawn`](super::spawn()).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let meta = Meta::named(self.name);
        box_if_large!(future => spawn_here(future, meta, size_of::<F>()))
    }

    /// As [`Handle::spawn`].
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        handle.spawn_as(future, Meta::named(self.name))
    }

    /// As [`task::spawn_local`](super::spawn_local()).
    ///
    /// # Panics
    ///
    /// Outside of a [`LocalSet`] or [`LocalRuntime`](crate::runtime::LocalRuntime).
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        box_if_large!(future => spawn_local_here(future, self.name, size_of::<F>()))
    }

    /// As [`LocalSet::spawn_local`].
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, set: &LocalSet) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        set.spawn_as(future, Meta::named(self.name))
    }

    /// As [`task::spawn_blocking`](super::spawn_blocking), with an error instead of its panic.
    ///
    /// # Errors
    ///
    /// If the system refuses a thread while the runtime has none for blocking work.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, f: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.spawn_blocking_on(f, &Handle::current())
    }

    /// As [`Handle::spawn_blocking`], with an error instead of its panic.
    ///
    /// # Errors
    ///
    /// As [`spawn_blocking`](Self::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, f: F, handle: &Handle) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        handle
            .blocking_spawner()
            .try_spawn(f, Meta::named(self.name))
    }
}
