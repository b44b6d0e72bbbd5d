//! A set of tasks that stay on one thread.
//!
//! A `LocalSet` is a small scheduler inside a future: polling it runs its tasks. `inbox` is the way
//! from other threads, `looks` how a dump sees the tasks, `shared` what the set and its tasks
//! share, `current` how `spawn_local` finds the set, `schedule` how a task becomes runnable.
#![forbid(unsafe_code)]

mod inbox;

mod shared;

mod looks;

mod current;

mod schedule;

pub use current::LocalEnterGuard;
pub(super) use current::get as current;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use self::shared::Shared;
use super::JoinHandle;
use crate::runtime::scheduler;
use crate::runtime::stall::Polling;
use crate::runtime::task::Meta;
use crate::runtime::{self, Runtime, box_if_large};
use crate::simulation;
use crate::util::coop;
use crate::util::entered::NoBlockInPlace;

/// How many tasks one poll of the set runs before the thread's other tasks get their turn: as many
/// as a scheduler runs between two looks at its driver.
const TASKS_PER_POLL: usize = 61;

/// A set of tasks that all run on the same thread, so that their futures need not be `Send`.
///
/// [`spawn_local`](fn@super::spawn_local) spawns into the set it is called in,
/// [`LocalSet::spawn_local`] into this one. The tasks run when the set is polled: by
/// [`run_until`](Self::run_until) and [`block_on`](Self::block_on) for as long as some future
/// takes, or by awaiting the set itself, until all of its tasks are done.
///
/// The set runs inside one task of a runtime, or in its `block_on`, and its tasks share that place:
/// `spawn` from inside goes to the runtime, and a set whose thread is held up by one of its tasks
/// stands still as a whole. [`LocalRuntime`](crate::runtime::LocalRuntime) is a runtime all of
/// whose tasks are local. As the set itself is not `Send`, a future that holds one cannot be
/// spawned on a runtime that would move it.
///
/// The tasks' [`JoinHandle`]s and wakers may go to other threads. Waking a local task on its own
/// thread takes no lock.
///
/// # Dropping
///
/// Dropping the set drops the futures of its tasks, the oldest first. Their handles resolve to
/// cancelled errors.
///
/// # Blocking
///
/// [`block_in_place`](super::block_in_place) panics inside a set: its tasks could not move to
/// another thread.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use yamanote::task;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let shared = Rc::new("not Send");
/// let local = task::LocalSet::new();
/// let text = local
///     .run_until(async move {
///         task::spawn_local(async move { shared.to_string() }).await.unwrap()
///     })
///     .await;
/// assert_eq!(text, "not Send");
/// # }
/// ```
///
/// Awaiting all tasks:
///
/// ```
/// use yamanote::task;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let local = task::LocalSet::new();
/// let handles: Vec<_> = (0..3).map(|n| local.spawn_local(async move { n * 2 })).collect();
/// local.await;
/// for (n, handle) in handles.into_iter().enumerate() {
///     assert_eq!(handle.await.unwrap(), n * 2);
/// }
/// # }
/// ```
pub struct LocalSet {
    shared: Arc<Shared>,
    not_send: PhantomData<*const ()>,
}

impl LocalSet {
    /// An empty set for the calling thread.
    #[track_caller]
    pub fn new() -> LocalSet {
        LocalSet {
            shared: Shared::new(),
            not_send: PhantomData,
        }
    }

    /// Enters the set: until the guard is dropped, [`spawn_local`](fn@super::spawn_local) spawns
    /// into it. The set is not polled by that.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::task;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let local = task::LocalSet::new();
    /// let handle = {
    ///     let _entered = local.enter();
    ///     task::spawn_local(async { 3 })
    /// };
    /// assert_eq!(local.run_until(handle).await.unwrap(), 3);
    /// # }
    /// ```
    pub fn enter(&self) -> LocalEnterGuard {
        current::enter(&self.shared, false)
    }

    /// Spawns a task into the set. It may be called from outside; the task runs when the set is
    /// polled.
    ///
    /// Dropping the handle does not cancel the task: it runs on, and nobody gets its output.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let local = yamanote::task::LocalSet::new();
    /// let handle = local.spawn_local(async { 3 });
    /// assert_eq!(local.run_until(handle).await.unwrap(), 3);
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_as(future, Meta::here())
    }

    pub(super) fn spawn_as<F>(&self, future: F, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        box_if_large!(future => {
            let join = self.shared.spawn(future, meta, size_of::<F>());
            // Also in the middle of a poll, as Tokio's: it is polled once more.
            self.shared.wake();
            join
        })
    }

    /// Runs `future` on the runtime, with the set's tasks beside it, until it is ready; what the
    /// tasks have not finished then waits for the next poll of the set.
    ///
    /// # Panics
    ///
    /// As [`Runtime::block_on`].
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Runtime;
    /// use yamanote::task;
    ///
    /// let rt = Runtime::new().unwrap();
    /// let local = task::LocalSet::new();
    /// let answer = local.block_on(&rt, async {
    ///     task::spawn_local(async { 42 }).await.unwrap()
    /// });
    /// assert_eq!(answer, 42);
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, rt: &Runtime, future: F) -> F::Output {
        rt.block_on(self.run_until(future))
    }

    /// Polls `future` and the set's tasks until the future is ready. Inside,
    /// [`spawn_local`](fn@super::spawn_local) spawns into the set.
    ///
    /// What the tasks have not finished then waits for the next poll of the set.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe as far as the tasks are concerned: they stay in the set. `future` is dropped.
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        RunUntil { set: self, future }.await
    }

    /// The set's number, distinct from that of any other set and any runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::task::LocalSet;
    ///
    /// assert_ne!(LocalSet::new().id(), LocalSet::new().id());
    /// ```
    pub fn id(&self) -> runtime::Id {
        self.shared.standing.id
    }

    /// Calls `f` inside a poll of the set, whose tasks it may spawn and run.
    fn poll_inside<R>(&self, cx: &mut Context<'_>, f: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let _entered = current::enter(&self.shared, true);
        let _no_blocking = NoBlockInPlace::set();
        let _in_poll = self.shared.standing.begin_poll();
        looks::introduce(&self.shared);
        let requests = self.shared.begin_poll(cx.waker());
        if !requests.is_empty() {
            looks::answer(&self.shared, requests);
        }
        f(cx)
    }

    #[cold]
    fn end_after_panic(&self) -> ! {
        self.shared.close();
        panic!(
            "a spawned task panicked and the LocalSet is configured to shutdown on unhandled panic"
        );
    }

    /// True if there may be more to run.
    fn run_tasks(&self) -> bool {
        scheduler::with_polling(|polling| {
            let inside = Polling::inside(polling);
            for _ in 0..TASKS_PER_POLL {
                if self.shared.has_panicked() {
                    self.end_after_panic();
                }
                let Some(task) = self.shared.pop() else {
                    return false;
                };
                let task = self.shared.tasks.assert_owner(task);
                inside.begin(task.meta().into());
                simulation::step_before(task.meta().spawned_at);
                coop::budget(|| task.run());
            }
            true
        })
    }
}

unstable! {
    impl LocalSet {
        /// What happens when a task of the set panics. The default is
        /// [`UnhandledPanic::Ignore`](runtime::UnhandledPanic::Ignore); with
        /// [`ShutdownRuntime`](runtime::UnhandledPanic::ShutdownRuntime) the other tasks of the set
        /// are dropped, and whatever polls it panics.
        ///
        /// # Examples
        ///
        /// ```should_panic
        /// use yamanote::runtime::UnhandledPanic;
        /// use yamanote::task::{self, LocalSet};
        ///
        /// # #[yamanote::main(flavor = "current_thread")]
        /// # async fn main() {
        /// LocalSet::new()
        ///     .unhandled_panic(UnhandledPanic::ShutdownRuntime)
        ///     .run_until(async {
        ///         task::spawn_local(async { panic!("boom") });
        ///         std::future::pending::<()>().await;
        ///     })
        ///     .await;
        /// # }
        /// ```
        pub fn unhandled_panic(&mut self, behavior: runtime::UnhandledPanic) -> &mut Self {
            let shuts_down = matches!(behavior, runtime::UnhandledPanic::ShutdownRuntime);
            self.shared.set_panic_shuts_down(shuts_down);
            self
        }
    }
}

/// Ready when all tasks are done. It may be polled again after more were spawned.
impl Future for LocalSet {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_inside(cx, |cx| {
            if self.run_tasks() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.shared.tasks.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        // Destructors may spawn; they find the set closed, and not another one open.
        let _entered = current::enter(&self.shared, true);
        let _no_blocking = NoBlockInPlace::set();
        self.shared.close();
    }
}

impl Default for LocalSet {
    #[track_caller]
    fn default() -> LocalSet {
        LocalSet::new()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet").finish()
    }
}

pin_project! {
    /// A future with a set around it.
    struct RunUntil<'a, F> {
        set: &'a LocalSet,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for RunUntil<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.set.poll_inside(cx, |cx| {
            if let Poll::Ready(output) = this.future.poll(cx) {
                return Poll::Ready(output);
            }
            if this.set.run_tasks() {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
    }
}
