//! Tokio's builder of tasks.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;

use super::named::Named;
use super::{JoinHandle, LocalSet};
use crate::runtime::Handle;

/// Spawns a task that has a name. What it offers beyond [`task::spawn`](super::spawn()) and its
/// like is on stable in [`named`](super::named()).
///
/// # Examples
///
/// ```
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let task = yamanote::task::Builder::new()
///     .name("answers")
///     .spawn(async { 6 * 7 })?;
/// assert_eq!(task.await?, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Default, Debug)]
pub struct Builder<'a> {
    name: Option<&'a str>,
}

impl<'a> Builder<'a> {
    /// Without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the name, which is copied when the task is spawned.
    pub fn name(&self, name: &'a str) -> Self {
        Self { name: Some(name) }
    }

    fn named(self) -> Named<'a> {
        Named { name: self.name }
    }

    /// As [`task::spawn`](super::spawn()). It never returns an error.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<Fut>(self, future: Fut) -> io::Result<JoinHandle<Fut::Output>>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        Ok(self.named().spawn(future))
    }

    /// As [`Handle::spawn`]. It never returns an error.
    #[track_caller]
    pub fn spawn_on<Fut>(self, future: Fut, handle: &Handle) -> io::Result<JoinHandle<Fut::Output>>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        Ok(self.named().spawn_on(future, handle))
    }

    /// As [`task::spawn_local`](super::spawn_local()). It never returns an error.
    ///
    /// # Panics
    ///
    /// Outside of a [`LocalSet`] or [`LocalRuntime`](crate::runtime::LocalRuntime).
    #[track_caller]
    pub fn spawn_local<Fut>(self, future: Fut) -> io::Result<JoinHandle<Fut::Output>>
    where
        Fut: Future + 'static,
        Fut::Output: 'static,
    {
        Ok(self.named().spawn_local(future))
    }

    /// As [`LocalSet::spawn_local`]. It never returns an error.
    #[track_caller]
    pub fn spawn_local_on<Fut>(
        self,
        future: Fut,
        local_set: &LocalSet,
    ) -> io::Result<JoinHandle<Fut::Output>>
    where
        Fut: Future + 'static,
        Fut::Output: 'static,
    {
        Ok(self.named().spawn_local_on(future, local_set))
    }

    /// As [`task::spawn_blocking`](super::spawn_blocking).
    ///
    /// # Errors
    ///
    /// If the system refuses a thread while the runtime has none for blocking work.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_blocking<Function, Output>(
        self,
        function: Function,
    ) -> io::Result<JoinHandle<Output>>
    where
        Function: FnOnce() -> Output + Send + 'static,
        Output: Send + 'static,
    {
        self.named().spawn_blocking(function)
    }

    /// As [`Handle::spawn_blocking`].
    ///
    /// # Errors
    ///
    /// As [`spawn_blocking`](Self::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking_on<Function, Output>(
        self,
        function: Function,
        handle: &Handle,
    ) -> io::Result<JoinHandle<Output>>
    where
        Function: FnOnce() -> Output + Send + 'static,
        Output: Send + 'static,
    {
        self.named().spawn_blocking_on(function, handle)
    }
}
