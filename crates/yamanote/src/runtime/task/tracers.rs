//! Who wants to know where tasks wait, at their next poll: the open requests for a dump.
//!
//! Nobody stops a worker for that. A request says which tasks it wants and wakes them; whoever
//! polls one of them then lets the request look, on its own thread, in place of that poll. The look
//! leaves the task woken, so the poll that it has taken the place of comes after.
#![forbid(unsafe_code)]

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use super::Id;
use crate::util::poison::unpoisoned;
use crate::util::trace::poll_root;

/// What a request does. Called on any thread, many at a time.
pub(crate) trait Tracer: Send + Sync {
    /// Whether it has yet to look at this task.
    fn wants(&self, task: Id) -> bool;

    /// Calls `poll` once, and notes which leaves the task reached.
    fn look(&self, task: Id, poll: &mut dyn FnMut() -> Poll<()>);

    /// The task is over.
    fn note_end(&self, task: Id);
}

/// The length of `TRACERS`.
///
/// Relaxed: a request first writes it, then wakes its tasks; that wake, or the hand that near tasks
/// go through, makes it visible to the poll that comes after.
static OPEN: AtomicUsize = AtomicUsize::new(0);
static TRACERS: Mutex<Vec<Arc<dyn Tracer>>> = Mutex::new(Vec::new());

unstable! {
    /// A request is asked as long as this is there.
    #[cfg(feature = "taskdump")]
    pub(crate) struct Open(Arc<dyn Tracer>);

    #[cfg(feature = "taskdump")]
    impl Open {
        pub(crate) fn new(tracer: Arc<dyn Tracer>) -> Open {
            let mut tracers = unpoisoned(TRACERS.lock());
            tracers.push(tracer.clone());
            OPEN.store(tracers.len(), Relaxed);
            Open(tracer)
        }
    }

    #[cfg(feature = "taskdump")]
    impl Drop for Open {
        fn drop(&mut self) {
            let mut tracers = unpoisoned(TRACERS.lock());
            tracers.retain(|tracer| !Arc::ptr_eq(tracer, &self.0));
            OPEN.store(tracers.len(), Relaxed);
        }
    }
}

#[inline]
fn all() -> Vec<Arc<dyn Tracer>> {
    match OPEN.load(Relaxed) {
        0 => Vec::new(),
        _ => open(),
    }
}

#[cold]
fn open() -> Vec<Arc<dyn Tracer>> {
    unpoisoned(TRACERS.lock()).clone()
}

/// Polls the task's future, or lets a request do so that wants to look at it.
#[inline]
pub(super) fn poll<F: Future>(
    task: Id,
    mut future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let Some(tracer) = all().into_iter().find(|tracer| tracer.wants(task)) else {
        return future.poll(cx);
    };
    let mut output = Poll::Pending;
    tracer.look(task, &mut || {
        output = poll_root(future.as_mut(), cx);
        match output {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    });
    output
}

/// The task is over.
#[inline]
pub(super) fn note_end(task: Id) {
    for tracer in all() {
        tracer.note_end(task);
    }
}
