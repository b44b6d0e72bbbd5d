//! The runtime in which a file operation is called, and work handed to its blocking pool.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::io;
use std::path::Path;

use super::look_up::Refusal;
use super::punt;
use crate::runtime::punts::FileOperation;
use crate::runtime::{Handle, context};
use crate::util::coop;

/// How a job ends that was lost to a shutdown or a panic.
pub(super) fn background_task_failed() -> io::Error {
    io::Error::other("background task failed")
}

/// The current runtime. Every operation of this module needs one, even if it is done inline.
///
/// # Panics
///
/// Outside a runtime.
#[track_caller]
pub(super) fn runtime() -> Handle {
    Handle::current()
}

/// As [`runtime`], but fails when the runtime is shut down, as its blocking pool would.
#[track_caller]
pub(super) fn live_runtime() -> io::Result<Handle> {
    let runtime = runtime();
    if runtime.driver_handle().is_shutdown() {
        return Err(background_task_failed());
    }
    Ok(runtime)
}

/// As [`live_runtime`], for an operation that does not need the runtime's help.
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

/// Runs `f` on the blocking pool of `runtime`. The job is handed over at once, not when the future
/// is first polled, and runs to its end even if the future is dropped.
pub(super) fn run_on<F, T>(
    runtime: &Handle,
    f: F,
) -> impl Future<Output = io::Result<T>> + use<F, T>
where
    F: FnOnce() -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    let job = runtime.spawner_for_files().spawn(f);
    async move {
        match job.await {
            Ok(result) => result,
            Err(_) => Err(background_task_failed()),
        }
    }
}

/// Runs `f` on the blocking pool of `runtime` for its effect; after a shutdown, drops it unrun.
pub(super) fn spawn_detached(runtime: &Handle, f: impl FnOnce() + Send + 'static) {
    drop(runtime.spawner_for_files().spawn(f));
}

/// As [`spawn_detached`], for work that was promised: it does not panic if there is no thread.
pub(super) fn spawn_mandatory(runtime: &Handle, f: impl FnOnce() + Send + 'static) {
    drop(runtime.spawner_for_files().spawn_mandatory(f));
}

/// Runs `f` on the current runtime's blocking pool.
pub(super) async fn run<F, T>(f: F) -> io::Result<T>
where
    F: FnOnce() -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    run_on(&runtime(), f).await
}

/// Runs `f`, which does `operation`, with a copy of `path` on the current runtime's blocking pool.
pub(super) fn with_path<F, T>(
    operation: FileOperation,
    path: &Path,
    f: F,
) -> impl Future<Output = io::Result<T>> + use<F, T>
where
    F: FnOnce(&Path) -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    let path = path.to_owned();
    run(move || {
        punt::note_path(operation, &path);
        f(&path)
    })
}

/// As [`with_path`], for a look-up that was refused inline: the thread also does what may let the
/// next one be inline ([`Refusal::learn`]). It does that first, because it closes the descriptor of
/// the refused look-up, and that may be the last one that `f` can have.
pub(super) fn look_up<F, T>(
    operation: FileOperation,
    path: &Path,
    why: Refusal,
    f: F,
) -> impl Future<Output = io::Result<T>> + use<F, T>
where
    F: FnOnce(&Path) -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    with_path(operation, path, move |path| {
        why.learn(path);
        f(path)
    })
}
