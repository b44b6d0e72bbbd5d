//! Waiting for a task.

use super::core::Header;
use super::error::JoinError;
use super::id::Id;
use super::meta::Identity;
use super::state::{AlreadyComplete, Detach};
use super::{AbortHandle, waker};
use crate::util::contained::contained;
use crate::util::coop;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker, ready};

/// The right to wait for a task's end and to take its output.
///
/// It is to a task what [`std::thread::JoinHandle`] is to a thread. The task runs whether or not
/// the handle is awaited; dropping the handle *detaches* the task, which then runs on, and nobody
/// gets its output.
///
/// Awaiting it gives `Ok` with the output, or a [`JoinError`] if the task panicked or was
/// cancelled. When the end of a task is visible, through the handle or
/// [`is_finished`](JoinHandle::is_finished), the task's future has been dropped.
///
/// [`spawn`](crate::task::spawn) and [`spawn_blocking`](crate::task::spawn_blocking) create it.
///
/// # Cancel safety
///
/// Awaiting a `&mut JoinHandle` is cancel safe: the output stays with the task until the handle
/// returns it. Dropping the handle loses the output.
///
/// # Panics
///
/// If it is polled again after it returned the output.
///
/// # Examples
///
/// ```
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let task = async { std::io::Result::Ok(5 + 3) };
/// let handle: yamanote::task::JoinHandle<_> = yamanote::spawn(task);
/// // The first `?` is for a panic of the task, the second one for the task's own error.
/// assert_eq!(handle.await??, 8);
/// # Ok(())
/// # }
/// ```
pub struct JoinHandle<T> {
    task: NonNull<Header>,
    output: PhantomData<T>,
}

// SAFETY: the handle moves a `T` out of the task, and is the only one to do so; all else about a
// task may be done from any thread (the future is left to those who may touch it).
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through a shared handle there is no way to the `T`.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    ///
    /// `task` has `JOIN_HANDLE` set, there is no other handle, and its output is a `T`.
    pub(super) unsafe fn new(task: NonNull<Header>) -> JoinHandle<T> {
        JoinHandle {
            task,
            output: PhantomData,
        }
    }

    fn header(&self) -> &Header {
        // SAFETY: rule 5: JOIN_HANDLE keeps the task alive.
        unsafe { self.task.as_ref() }
    }

    /// Asks for the task to be cancelled.
    ///
    /// The task's future is dropped the next time the task would have run, and the handle resolves
    /// to a [cancelled](JoinError::is_cancelled) error. A task that finishes first resolves as
    /// usual. Work given to [`spawn_blocking`](crate::task::spawn_blocking) cannot be cancelled
    /// once it has started.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let handle = yamanote::spawn(std::future::pending::<()>());
    /// handle.abort();
    /// assert!(handle.await.unwrap_err().is_cancelled());
    /// # }
    /// ```
    pub fn abort(&self) {
        // SAFETY: alive, as above.
        unsafe { waker::abort(self.task) }
    }

    /// True once the task has ended. After [`abort`](JoinHandle::abort) that may take a moment.
    pub fn is_finished(&self) -> bool {
        self.header().state.load().is_complete()
    }

    /// A handle that can abort the task but not wait for it.
    #[must_use = "an abort handle does nothing unless `.abort` is called"]
    pub fn abort_handle(&self) -> AbortHandle {
        self.header().state.add_reference();
        // SAFETY: the reference just added becomes the handle's.
        unsafe { AbortHandle::from_raw(self.task) }
    }

    /// The task's [id](crate::task::Id).
    pub fn id(&self) -> Id {
        self.header().meta.id
    }

    pub(super) fn identity(&self) -> Identity {
        self.header().meta.identity()
    }

    /// True if the task is complete; if not, `waker` will be woken when it is. Spends no budget.
    pub(crate) fn poll_complete(&mut self, waker: &Waker) -> bool {
        let header = self.header();
        let now = header.state.load();
        if now.is_complete() {
            return true;
        }
        // Cloned before anything changes, because a clone may panic. What is replaced is dropped
        // after everything is in order again, for the same reason.
        let mut stale = None;
        if now.has_join_waker() {
            // SAFETY: rule 4: the flag is set, so the cell is initialised, and nobody writes it.
            let same = header
                .join_waker
                .with(|cell| unsafe { (*cell).assume_init_ref().will_wake(waker) });
            if same {
                return false;
            }
            let replacement = waker.clone();
            match header.state.join_waker_cleared() {
                Ok(()) => stale = Some(self.take_join_waker()),
                Err(AlreadyComplete) => return true,
            }
            self.set_join_waker(replacement, stale)
        } else {
            self.set_join_waker(waker.clone(), stale)
        }
    }

    /// Moves the waker out of the cell. `JOIN_WAKER` was cleared by this handle a moment ago.
    fn take_join_waker(&self) -> Waker {
        // SAFETY: rule 4: the cell is the handle's and was initialised; it is read once.
        self.header()
            .join_waker
            .with(|cell| unsafe { (*cell).assume_init_read() })
    }

    /// Stores a waker while the flag is clear; true if the task completed first.
    fn set_join_waker(&self, waker: Waker, stale: Option<Waker>) -> bool {
        let header = self.header();
        // SAFETY: rule 4: the flag is clear, so the handle may write.
        header.join_waker.with_mut(|cell| unsafe {
            (*cell).write(waker);
        });
        let complete = match header.state.join_waker_set() {
            Ok(()) => false,
            Err(AlreadyComplete) => {
                // The flag stayed clear: the cell counts as uninitialised, so take out what is in
                // it.
                drop(self.take_join_waker());
                true
            }
        };
        drop(stale);
        complete
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        if !self.poll_complete(cx.waker()) {
            return Poll::Pending;
        }
        unit.made_progress();
        let mut output = Poll::Pending;
        // SAFETY: the task is complete, so the stage is the handle's (rule 3); the address is that
        // of the right type, and holds `Pending`, which needs no drop.
        unsafe { (self.header().vtable.take_output)(self.task, (&raw mut output).cast()) };
        output
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let drop_output = || {
            // SAFETY: complete, so the stage is the handle's. A panic of the output's drop ends
            // here: nobody joins the task any more.
            contained(|| unsafe { (self.header().vtable.drop_stage)(self.task) });
        };
        // As a rule it was awaited, and `detach` need not be asked first.
        let mut output_dropped = self.is_finished();
        if output_dropped {
            drop_output();
        }
        let mut stale = None;
        loop {
            let header = self.header();
            match header.state.detach(output_dropped) {
                Detach::DropOutput => {
                    drop_output();
                    output_dropped = true;
                }
                Detach::TakeWaker => stale = Some(self.take_join_waker()),
                Detach::Done => break,
                Detach::Free => {
                    // SAFETY: the verb says so.
                    unsafe { (header.vtable.free)(self.task) };
                    break;
                }
            }
        }
        drop(stale);
    }
}

impl<T: fmt::Debug> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .finish()
    }
}
