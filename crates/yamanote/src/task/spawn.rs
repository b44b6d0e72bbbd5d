//! Spawning a task on the current runtime.
#![forbid(unsafe_code)]

use super::{Id, JoinHandle};
use crate::runtime::context;

/// Spawns a task on the current runtime and returns a handle to await its output.
///
/// The task begins to run whether the handle is awaited or not, and may run on another thread, at
/// the same time as the one that spawns it. Dropping the handle detaches the task. A runtime that
/// shuts down drops its tasks at an `.await`; a task is not guaranteed to run to its end.
///
/// A panic in the task is returned through the handle and reaches nobody else.
///
/// # Panics
///
/// Outside a runtime's context.
///
/// # Examples
///
/// ```
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let squares: Vec<_> = (0..4).map(|n| yamanote::spawn(async move { n * n })).collect();
/// let mut sum = 0;
/// for square in squares {
///     sum += square.await.unwrap();
/// }
/// assert_eq!(sum, 14);
/// # }
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let id = Id::next();
    let spawned = crate::runtime::box_if_large!(future => {
        context::with_current(|handle| handle.spawn_as(future, id))
    });
    match spawned {
        Ok(join) => join,
        Err(error) => panic!("{error}"),
    }
}
