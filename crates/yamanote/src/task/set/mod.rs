//! A set of tasks whose outputs come out as they end.
//!
//! `slab` holds the tasks' handles, each at a place with a number. A task that ends wakes a waker
//! that knows the number, and `ready` collects the numbers: so finding a finished task takes the
//! same time however many there are.
#![forbid(unsafe_code)]

mod slab;

mod ready;

unstable! {
    #[cfg(feature = "tracing")]
    mod builder;

    #[cfg(feature = "tracing")]
    pub use builder::Builder;
}

use std::fmt;
use std::future::{Future, poll_fn};
use std::iter;
use std::panic;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use self::ready::Ready;
use self::slab::Slab;
use super::{AbortHandle, Id, JoinError, JoinHandle, LocalSet};
use crate::runtime::Handle;
use crate::util::coop;
use crate::util::trace::trace_leaf;

/// A set of tasks, whose outputs are handed out in the order in which the tasks end.
///
/// All tasks have the same type of output. Dropping the set aborts those that have not ended;
/// [`detach_all`](Self::detach_all) lets them go instead.
///
/// Taking an output out costs the same however many tasks there are.
///
/// # Examples
///
/// ```
/// use yamanote::task::JoinSet;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut set = JoinSet::new();
/// for n in 0..10 {
///     set.spawn(async move { n });
/// }
/// let mut seen = [false; 10];
/// while let Some(result) = set.join_next().await {
///     seen[result.unwrap()] = true;
/// }
/// assert_eq!(seen, [true; 10]);
/// # }
/// ```
pub struct JoinSet<T> {
    tasks: Slab<Member<T>>,
    ready: Arc<Ready>,
}

struct Member<T> {
    join: JoinHandle<T>,
    /// Tells `ready` this member's place.
    waker: Waker,
}

impl<T> JoinSet<T> {
    /// An empty set.
    pub fn new() -> JoinSet<T> {
        JoinSet {
            tasks: Slab::new(),
            ready: Arc::new(Ready::new()),
        }
    }

    /// How many tasks are in the set, those included that have ended and were not taken out.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether no task is in the set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes out the tasks that run, in the order in which they came, then those that have ended,
    /// in that order. Tokio drops outputs that nobody takes in this order.
    fn take_all(&mut self) -> Vec<Member<T>> {
        let ended = iter::from_fn(|| self.ready.pop());
        let ended: Vec<_> = ended.filter_map(|place| self.tasks.remove(place)).collect();
        let mut members = self.tasks.take_all();
        members.extend(ended);
        members
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task on the current runtime and takes it into the set. It runs even if nobody
    /// waits.
    ///
    /// # Panics
    ///
    /// Outside a runtime's context.
    #[track_caller]
    pub fn spawn<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(super::spawn(task))
    }

    /// Spawns a task on the runtime of `handle` and takes it into the set.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, task: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn(task))
    }

    /// Spawns a task on the current [`LocalSet`] or
    /// [`LocalRuntime`](crate::runtime::LocalRuntime) and takes it into the set.
    ///
    /// # Panics
    ///
    /// As [`spawn_local`](super::spawn_local).
    #[track_caller]
    pub fn spawn_local<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(super::spawn_local(task))
    }

    /// Spawns a task into `local_set` and takes it into this set.
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, task: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(local_set.spawn_local(task))
    }

    /// Runs `f` on a thread for blocking work, and takes it into the set.
    ///
    /// A job that has begun cannot be aborted: see [`spawn_blocking`](super::spawn_blocking).
    ///
    /// # Panics
    ///
    /// Outside a runtime's context.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::task::JoinSet;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut set = JoinSet::new();
    /// for n in 0..4 {
    ///     set.spawn_blocking(move || n * n);
    /// }
    /// let mut squares = set.join_all().await;
    /// squares.sort();
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(super::spawn_blocking(f))
    }

    /// Runs `f` on a thread for blocking work of the runtime of `handle`, and takes it into the
    /// set.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn_blocking(f))
    }

    fn insert(&mut self, mut join: JoinHandle<T>) -> AbortHandle {
        let abort = join.abort_handle();
        let ready = &self.ready;
        self.tasks.insert(|place| {
            let waker = ready::waker(ready, place);
            // Without spending budget: this is no poll.
            if join.poll_complete(&waker) {
                waker.wake_by_ref();
            }
            Member { join, waker }
        });
        abort
    }

    /// Waits until one of the tasks has ended, takes it out of the set, and returns its output;
    /// `None` if the set is empty.
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked or was aborted.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped, no task was taken out.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](Self::join_next), with the task's [id](Id). That of a task that failed is
    /// in the [error](JoinError::id).
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked or was aborted.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped, no task was taken out.
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// Takes a task that has ended out of the set and returns its output; `None` if there is none,
    /// be it that the set is empty or that all are still running.
    ///
    /// It does not wait, and spends no [budget](super::coop).
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked or was aborted.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.try_next().map(|(_, result)| result)
    }

    /// As [`try_join_next`](Self::try_join_next), with the task's [id](Id). That of a task that
    /// failed is in the [error](JoinError::id).
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked or was aborted.
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        self.try_next().map(with_id)
    }

    fn try_next(&mut self) -> Option<(Id, Result<T, JoinError>)> {
        loop {
            let place = self.ready.pop()?;
            let ended = coop::with_unconstrained(|| self.poll_place(place));
            if ended.is_some() {
                return ended;
            }
        }
    }

    /// Aborts all tasks and waits until they have ended, which takes them out of the set. Their
    /// outputs, and panics, are lost.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, the tasks are aborted all the same, and those that were not awaited are
    /// still in the set.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Waits for all tasks and returns their outputs in the order in which they ended.
    ///
    /// # Panics
    ///
    /// If a task panicked, with its panic, or was cancelled. The other tasks are aborted then.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, the tasks are aborted and the outputs so far are lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::task::JoinSet;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let set: JoinSet<_> = (0..3).map(|n| async move { n }).collect();
    /// let mut outputs = set.join_all().await;
    /// outputs.sort();
    /// assert_eq!(outputs, [0, 1, 2]);
    /// # }
    /// ```
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            match result {
                Ok(output) => outputs.push(output),
                Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
                Err(error) => panic!("{error}"),
            }
        }
        outputs
    }

    /// Aborts all tasks. They stay in the set until they are taken out.
    pub fn abort_all(&mut self) {
        for member in self.tasks.in_order() {
            member.join.abort();
        }
    }

    /// Takes all tasks out of the set without aborting them: they run on, and nobody has their
    /// outputs.
    pub fn detach_all(&mut self) {
        drop(self.take_all());
    }

    /// Polls for a task that has ended, takes it out of the set, and returns its output. `None` if
    /// the set is empty.
    ///
    /// `Pending` is also returned, with the task woken, when its [budget](super::coop) is spent.
    /// Only the waker of the last call is woken.
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked or was aborted.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_next(cx)
            .map(|ended| ended.map(|(_, result)| result))
    }

    /// As [`poll_join_next`](Self::poll_join_next), with the task's [id](Id). That of a task that
    /// failed is in the [error](JoinError::id).
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked or was aborted.
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        self.poll_next(cx).map(|ended| ended.map(with_id))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Id, Result<T, JoinError>)>> {
        if self.is_empty() {
            // A waker that is left here and never called would keep its task alive.
            return Poll::Ready(None);
        }
        while let Some(place) = self.ready.pop_or_wait(cx.waker()) {
            let stays = self.tasks.get_mut(place).is_some();
            if let Some(ended) = self.poll_place(place) {
                return Poll::Ready(Some(ended));
            }
            if stays {
                // It woke us and has not ended: the budget is spent, and its place is among those
                // that are ready again. Let others run.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        ready!(trace_leaf(cx));
        Poll::Pending
    }

    /// Takes the member out if it has ended. A place whose member was taken out finds none: its
    /// number is not used again.
    fn poll_place(&mut self, place: slab::Place) -> Option<(Id, Result<T, JoinError>)> {
        let member = self.tasks.get_mut(place)?;
        let mut cx = Context::from_waker(&member.waker);
        match Pin::new(&mut member.join).poll(&mut cx) {
            Poll::Pending => None,
            Poll::Ready(result) => {
                let id = member.join.id();
                drop(self.tasks.remove(place));
                Some((id, result))
            }
        }
    }
}

fn with_id<T>((id, result): (Id, Result<T, JoinError>)) -> Result<(Id, T), JoinError> {
    result.map(|output| (id, output))
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        for member in self.take_all() {
            member.join.abort();
        }
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> JoinSet<T> {
        JoinSet::new()
    }
}

/// Spawns each of the futures on the current runtime.
///
/// # Panics
///
/// Outside a runtime's context, if there is any future.
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> JoinSet<T> {
        let mut set = JoinSet::new();
        set.extend(futures);
        set
    }
}

/// Spawns each of the futures on the current runtime.
///
/// # Panics
///
/// Outside a runtime's context, if there is any future.
impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
