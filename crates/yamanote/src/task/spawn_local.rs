//! Starting a task that stays on this thread.
#![forbid(unsafe_code)]

use super::{JoinHandle, local_set};
use crate::runtime::box_if_large;
use crate::runtime::context;
use crate::runtime::task::Meta;
use std::future::Future;

/// Starts a task that runs `future` on this thread, and returns a handle to wait for it.
/// The future need not be `Send`.
///
/// The task goes to the [`LocalSet`](super::LocalSet) this is called in, or to the
/// [`LocalRuntime`](crate::runtime::LocalRuntime). It begins to run when that gets to it, whether
/// the handle is awaited or not.
///
/// Dropping the handle does not cancel the task: it runs on, and nobody gets its output.
///
/// # Panics
///
/// Outside of both; and in the context of a `LocalRuntime` of another thread.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use yamanote::task;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let local = task::LocalSet::new();
/// local
///     .run_until(async {
///         let not_send = Rc::new(42);
///         let answer = task::spawn_local(async move { *not_send }).await;
///         assert_eq!(answer.unwrap(), 42);
///     })
///     .await;
/// # }
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    box_if_large!(future => spawn_local_here(future, None, size_of::<F>()))
}

#[track_caller]
pub(super) fn spawn_local_here<F>(
    future: F,
    name: Option<&str>,
    original_size: usize,
) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    // The handle is cloned only if it is that of a local runtime.
    let local = context::with_current(|handle| handle.is_local().then(|| handle.clone()));
    if let Ok(Some(handle)) = local {
        let meta = Meta::named(name).announced::<F>("task", original_size);
        return handle.spawn_local(future, meta);
    }
    match local_set::current() {
        // Only now, as in Tokio: a call that panics takes no id.
        Some(set) => set.spawn(future, Meta::named(name), original_size),
        None => panic!(
            "`spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`"
        ),
    }
}
