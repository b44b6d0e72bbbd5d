//! The runtime a file operation is called in, and work handed to its blocking pool.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::io;
use std::path::Path;

use super::look_up::Refusal;
use crate::runtime::{Handle, context};
use crate::util::coop;

/// What a job that was lost to a shutdown or to a panic ends with.
pub(super) fn background_task_failed() -> io::Error {
    io::Error::other("background task failed")
}

/// The current runtime, which every operation of this module needs, also when it is done inline.
///
/// # Panics
///
/// Outside a runtime.
#[track_caller]
pub(super) fn runtime() -> Handle {
    Handle::current()
}

/// As [`runtime`], failing when the runtime is shut down, as its blocking pool would.
#[track_caller]
pub(super) fn live_runtime() -> io::Result<Handle> {
    let runtime = runtime();
    if runtime.driver_handle().is_shutdown() {
        return Err(background_task_failed());
    }
    Ok(runtime)
}

/// As [`live_runtime`], for an operation that is done without the runtime's help.
///
/// # Panics
///
/// Outside a runtime.
#[track_caller]
pub(super) fn expect_live() -> io::Result<()> {
    match context::with_current(|runtime| runtime.driver_handle().is_shutdown()) {
        Ok(false) => Ok(()),
        Ok(true) => Err(background_task_failed()),
        Err(error) => panic!("{error}"),
    }
}

/// Takes a unit of the task's cooperative budget, or waits for the next poll if none is left.
pub(super) fn progress() -> impl Future<Output = ()> {
    poll_fn(|cx| coop::poll_proceed(cx).map(|unit| unit.made_progress()))
}

/// [`progress`], and then [`expect_live`].
///
/// # Panics
///
/// Outside a runtime.
pub(super) fn begin() -> impl Future<Output = io::Result<()>> {
    poll_fn(|cx| {
        coop::poll_proceed(cx).map(|unit| {
            unit.made_progress();
            expect_live()
        })
    })
}

/// Runs `f` on the blocking pool of `runtime`, at once: not only when the future is polled, and to
/// the end even if that is dropped.
pub(super) fn run_on<F, T>(
    runtime: &Handle,
    f: F,
) -> impl Future<Output = io::Result<T>> + use<F, T>
where
    F: FnOnce() -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    let job = runtime.blocking_spawner().spawn(f);
    async move {
        match job.await {
            Ok(result) => result,
            Err(_) => Err(background_task_failed()),
        }
    }
}

/// Runs `f` on the blocking pool of `runtime` for its effect; dropped unrun after a shutdown.
pub(super) fn spawn_detached(runtime: &Handle, f: impl FnOnce() + Send + 'static) {
    drop(runtime.blocking_spawner().spawn(f));
}

/// As [`spawn_detached`], for what was promised: without a thread it does not panic.
pub(super) fn spawn_mandatory(runtime: &Handle, f: impl FnOnce() + Send + 'static) {
    drop(runtime.blocking_spawner().spawn_mandatory(f));
}

/// Runs `f` on the current runtime's blocking pool.
pub(super) async fn run<F, T>(f: F) -> io::Result<T>
where
    F: FnOnce() -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    run_on(&runtime(), f).await
}

/// Runs `f` with a copy of `path` on the current runtime's blocking pool.
pub(super) fn with_path<F, T>(path: &Path, f: F) -> impl Future<Output = io::Result<T>> + use<F, T>
where
    F: FnOnce(&Path) -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    let path = path.to_owned();
    run(move || f(&path))
}

/// As [`with_path`], for a look-up that was refused inline: the thread also does what may let the
/// next one not be ([`Refusal::learn`]). That comes first: it gives back the descriptor of the
/// refused look-up, which may be the last one that `f` can have.
pub(super) fn look_up<F, T>(
    path: &Path,
    why: Refusal,
    f: F,
) -> impl Future<Output = io::Result<T>> + use<F, T>
where
    F: FnOnce(&Path) -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    with_path(path, move |path| {
        why.learn(path);
        f(path)
    })
}
