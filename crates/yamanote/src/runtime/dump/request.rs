//! A request for a dump, and who answers it.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};
use std::thread;
use std::time::Duration;

use super::{Dump, Task, Trace};
use crate::runtime::task::{Id, Open, Tracer, try_id};
use crate::runtime::{Handle, RuntimeFlavor};
use crate::util::contained::contained;
use crate::util::poison::unpoisoned;
use crate::util::trace;

/// A dump ends when for this long no task has been looked at: what is left does not come to it.
const PATIENCE: Duration = Duration::from_secs(1);

impl Handle {
    /// What the tasks of this runtime wait for: for each a tree of the calls that have led to where
    /// it waits.
    ///
    /// Each task is woken, and polled once to find out: the futures of this crate that it reaches
    /// say so and do nothing. Then it is polled once more, as after any wake-up that came for
    /// nothing. A task that has ended meanwhile is not in the dump, nor is the task that asks, nor
    /// are those of a [`LocalSet`](crate::task::LocalSet).
    ///
    /// No worker stops for it; each looks at the tasks that it polls anyway. A task that is in a
    /// poll is looked at afterwards. If that poll does not return, the task is left out, when no
    /// other has been looked at for a second. (In Tokio the workers wait for each other,
    /// and while one is stuck there is no dump.)
    ///
    /// Of a current-thread runtime only the thread that drives it may look at its tasks. Elsewhere
    /// the dump is empty.
    ///
    /// Some microseconds a frame, and no names are looked up: that is when a trace is
    /// [printed](Trace).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: tasks that were woken are polled, and not looked at.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::Handle;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let task = yamanote::spawn(std::future::pending::<()>());
    /// let dump = Handle::current().dump().await;
    /// let found = dump.tasks().iter().find(|found| found.id() == task.id()).unwrap();
    /// println!("{}", found.trace());
    /// # }
    /// ```
    pub async fn dump(&self) -> Dump {
        let scheduler = &self.parts().scheduler;
        let (asker, views) = (try_id(), scheduler.view().unwrap_or_default());
        let tasks: Vec<Id> = (views.iter().map(|view| view.id))
            .filter(|task| Some(*task) != asker)
            .collect();
        drop(views);
        let request = Asked::new(&tasks);
        scheduler.wake_tasks(|task| request.wants(task));
        if self.runtime_flavor() != RuntimeFlavor::CurrentThread {
            request.end_in_time();
        }
        poll_fn(|cx| request.poll_end(cx)).await;
        Dump::new(request.answer(&tasks))
    }

    /// Whether the caller is being polled only to find out where it waits, by [`dump`](Self::dump),
    /// [`Trace::capture`] or their like. What such a poll does should not matter.
    pub fn is_tracing() -> bool {
        trace::is_capturing()
    }
}

/// What workers and the one who asks share.
struct Request {
    progress: Mutex<Progress>,
    ended: Condvar,
}

struct Progress {
    wanted: HashSet<Id>,
    found: HashMap<Id, Trace>,
    asker: Option<Waker>,
    has_ended: bool,
}

impl Request {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        unpoisoned(self.progress.lock())
    }

    fn note(&self, task: Id, trace: Option<Trace>) {
        let mut progress = self.lock();
        match trace {
            Some(trace) => progress.found.insert(task, trace),
            None => progress.found.remove(&task),
        };
        if progress.wanted.remove(&task) && progress.wanted.is_empty() {
            self.end(progress);
        }
    }

    fn end(&self, mut progress: MutexGuard<'_, Progress>) {
        progress.has_ended = true;
        let asker = progress.asker.take();
        drop(progress);
        self.ended.notify_one();
        if let Some(asker) = asker {
            contained(|| asker.wake());
        }
    }

    /// Waits for the end, and brings it about when there is no progress.
    fn wait(&self) {
        let mut progress = self.lock();
        while !progress.has_ended {
            let before = progress.wanted.len();
            let (next, waited) = unpoisoned(self.ended.wait_timeout(progress, PATIENCE));
            progress = next;
            if waited.timed_out() && progress.wanted.len() == before && !progress.has_ended {
                return self.end(progress);
            }
        }
    }
}

impl Tracer for Request {
    fn wants(&self, task: Id) -> bool {
        self.lock().wanted.contains(&task)
    }

    fn look(&self, task: Id, poll: &mut dyn FnMut() -> Poll<()>) {
        let (polled, trace) = Trace::capture(poll);
        self.note(task, polled.is_pending().then_some(trace));
    }

    fn note_end(&self, task: Id) {
        self.note(task, None);
    }
}

/// A request whose answer somebody waits for.
struct Asked {
    request: Arc<Request>,
    _open: Open,
}

impl Asked {
    fn new(tasks: &[Id]) -> Self {
        let request = Arc::new(Request {
            progress: Mutex::new(Progress {
                wanted: tasks.iter().copied().collect(),
                found: HashMap::new(),
                asker: None,
                has_ended: tasks.is_empty(),
            }),
            ended: Condvar::new(),
        });
        Asked {
            _open: Open::new(request.clone()),
            request,
        }
    }

    fn wants(&self, task: Id) -> bool {
        self.request.wants(task)
    }

    /// Not by a timer: the runtime may have none, or its clock may stand still. Without a thread
    /// for it the dump waits for the last task.
    fn end_in_time(&self) {
        if self.request.lock().has_ended {
            return;
        }
        let request = self.request.clone();
        let thread = thread::Builder::new().name("yamanote-dump".to_owned());
        drop(thread.spawn(move || request.wait()));
    }

    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(trace::trace_leaf(cx));
        let waker = cx.waker().clone();
        let mut progress = self.request.lock();
        if progress.has_ended {
            return Poll::Ready(());
        }
        let before = progress.asker.replace(waker);
        drop(progress);
        drop(before);
        Poll::Pending
    }

    fn answer(&self, tasks: &[Id]) -> Vec<Task> {
        let mut progress = self.request.lock();
        let found = |&id: &Id| Some((id, progress.found.remove(&id)?));
        let found = tasks.iter().filter_map(found);
        found.map(|(id, trace)| Task { id, trace }).collect()
    }
}

impl Drop for Asked {
    /// Nobody waits any more.
    fn drop(&mut self) {
        let mut progress = self.request.lock();
        progress.wanted.clear();
        let asker = progress.asker.take();
        progress.has_ended = true;
        drop(progress);
        self.request.ended.notify_one();
        drop(asker);
    }
}
