//! Aborting a task without waiting for it.

use super::core::{Header, drop_reference};
use super::id::Id;
use super::waker;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

/// The right to abort a task from elsewhere.
///
/// Unlike the [`JoinHandle`](crate::task::JoinHandle) it cannot wait for the task, and there may be
/// any number of them. Dropping one does nothing to the task.
///
/// # Examples
///
/// ```
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let task = yamanote::spawn(std::future::pending::<()>());
/// let abort = task.abort_handle();
/// abort.abort();
/// assert!(task.await.unwrap_err().is_cancelled());
/// assert!(abort.is_finished());
/// # }
/// ```
pub struct AbortHandle {
    /// One reference.
    task: NonNull<Header>,
}

// SAFETY: what can be done with a reference may be done from any thread: the future and its output
// are not touched, and the scheduler is Send and Sync.
unsafe impl Send for AbortHandle {}
// SAFETY: as above.
unsafe impl Sync for AbortHandle {}

impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl AbortHandle {
    /// # Safety
    ///
    /// A reference is handed over.
    pub(super) unsafe fn from_raw(task: NonNull<Header>) -> AbortHandle {
        AbortHandle { task }
    }

    fn header(&self) -> &Header {
        // SAFETY: the handle's reference.
        unsafe { self.task.as_ref() }
    }

    /// Asks for the task to be cancelled, as
    /// [`JoinHandle::abort`](crate::task::JoinHandle::abort) does.
    pub fn abort(&self) {
        // SAFETY: alive, as above.
        unsafe { waker::abort(self.task) }
    }

    /// True once the task has ended. After [`abort`](AbortHandle::abort) that may take a moment.
    pub fn is_finished(&self) -> bool {
        self.header().state.load().is_complete()
    }

    /// The task's [id](crate::task::Id).
    pub fn id(&self) -> Id {
        self.header().meta.id
    }
}

impl Clone for AbortHandle {
    /// Another handle to the same task.
    fn clone(&self) -> AbortHandle {
        self.header().state.add_reference();
        AbortHandle { task: self.task }
    }
}

impl Drop for AbortHandle {
    fn drop(&mut self) {
        // SAFETY: the handle's reference.
        unsafe { drop_reference(self.task) }
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("id", &self.id())
            .finish()
    }
}
