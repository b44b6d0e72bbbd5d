//! Starting a task.
#![forbid(unsafe_code)]

use super::JoinHandle;
use crate::runtime::context;
use crate::runtime::large_futures::box_if_large;
use crate::runtime::task::Meta;

/// Starts a task that runs `future`, and returns a handle to wait for it.
///
/// The task runs beside its spawner, whether the handle is awaited or not: on another worker of a
/// multi-thread runtime perhaps, on a current-thread runtime while its thread is in
/// [`block_on`](crate::runtime::Runtime::block_on). It is never polled by `spawn` itself, so it is
/// safe to spawn while holding a lock that the task wants.
///
/// Nothing promises that a task runs to its end: when the runtime shuts down, tasks are dropped
/// where they wait. A task spawned after that is dropped at once, and its handle resolves to a
/// [cancelled](super::JoinError::is_cancelled) error.
///
/// The future has to be `Send`, as it may be polled by one worker and then by another. What is only
/// used between two `.await`s need not be; what is alive across one must.
///
/// # Panics
///
/// Outside a runtime's context. [`Handle::spawn`](crate::runtime::Handle::spawn) does not need one.
///
/// # Examples
///
/// A server gives each connection its task:
///
/// ```no_run
/// use yamanote::net::{TcpListener, TcpStream};
///
/// async fn serve(connection: TcpStream) {
///     // ...
///     # drop(connection);
/// }
///
/// # async fn doc() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// loop {
///     let (connection, _) = listener.accept().await?;
///     yamanote::spawn(serve(connection));
/// }
/// # }
/// ```
///
/// Several results, in order:
///
/// ```
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let tasks: Vec<_> = (1..=3).map(|n| yamanote::spawn(async move { n * n })).collect();
/// let mut squares = Vec::new();
/// for task in tasks {
///     squares.push(task.await.unwrap());
/// }
/// assert_eq!(squares, [1, 4, 9]);
/// # }
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let meta = Meta::here();
    box_if_large!(future => spawn_here(future, meta, size_of::<F>()))
}

#[track_caller]
pub(super) fn spawn_here<F>(future: F, meta: Meta, original_size: usize) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let meta = meta.announced::<F>("task", original_size);
    // Without a runtime it is dropped out here: its drop is user code, which may enter one.
    let mut new = Some((future, meta));
    // Without a handle of its own: counting it costs as much as all else that is atomic here.
    let spawned = context::with_current(|parts| {
        let (future, meta) = new.take().expect("called once");
        parts.spawn(future, meta)
    });
    match spawned {
        Ok(spawned) => spawned.finish(),
        Err(error) => panic!("{error}"),
    }
}
