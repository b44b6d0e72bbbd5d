//! Stalls as a program is told of them.
#![forbid(unsafe_code)]

use std::fmt;
use std::io::Write;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::id::Id;
use super::stall::{Activity, Finding, Settings, Stack};
use super::task;
use crate::util::nanos::as_ns;
use crate::util::spans;

/// A worker that one poll of one task has held up for longer than the limit, at the beginning or at
/// the end of the stall; see [`Builder::on_stall`](crate::runtime::Builder::on_stall).
///
/// [`Display`](fmt::Display) writes it as one line, and the stack, if there is one, below.
#[derive(Debug, Clone)]
pub struct Stall {
    runtime: Id,
    runtime_name: Option<Arc<str>>,
    finding: Finding,
}

impl Stall {
    /// The runtime.
    pub fn runtime(&self) -> Id {
        self.runtime
    }

    /// The name that [`Builder::name`](crate::runtime::Builder::name) gave it.
    pub fn runtime_name(&self) -> Option<&str> {
        self.runtime_name.as_deref()
    }

    /// Which of the runtime's workers, counted from 0.
    pub fn worker(&self) -> usize {
        self.finding.worker
    }

    /// The kernel's number of the worker's thread.
    pub fn thread_id(&self) -> Option<i32> {
        self.finding.thread
    }

    /// The name of that thread, of which the kernel knows 15 bytes.
    pub fn thread_name(&self) -> Option<&str> {
        self.finding.thread_name.as_deref()
    }

    /// The task that is polled; `None` for the future given to
    /// [`block_on`](crate::runtime::Runtime::block_on) of a current-thread runtime.
    pub fn task(&self) -> Option<task::Id> {
        self.finding.polled.id
    }

    /// The name that the task was given.
    pub fn task_name(&self) -> Option<&str> {
        self.finding.name.as_deref()
    }

    /// Where the task was spawned, or `block_on` called.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.finding.polled.spawned_at
    }

    /// How long the poll has taken so far, or took. At the beginning it is a lower bound, up to a
    /// limit below the truth; at the end the truth lies within a limit of it, on either side.
    pub fn age(&self) -> Duration {
        self.finding.age
    }

    /// What the thread was doing when the stall was noticed.
    pub fn activity(&self) -> &Activity {
        &self.finding.activity
    }

    /// The calls that the thread was in when the stall was noticed, if they were asked for
    /// ([`Builder::stall_backtrace`](crate::runtime::Builder::stall_backtrace)). `None` when it is
    /// over.
    pub fn stack(&self) -> Option<&Stack> {
        self.finding.stack.as_ref()
    }

    /// Whether the poll has ended. Each stall is told of twice: when it is noticed and when it is
    /// over.
    pub fn is_over(&self) -> bool {
        self.finding.is_over
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.worker())?;
        if let Some(name) = self.runtime_name() {
            write!(f, " of {name:?}")?;
        }
        match (self.thread_id(), self.thread_name()) {
            (Some(id), Some(name)) => write!(f, " (thread {id}, {name})")?,
            (Some(id), None) => write!(f, " (thread {id})")?,
            _ => {}
        }
        let had = match self.is_over() {
            false => "has been",
            true => "was",
        };
        let at = self.spawned_at();
        match self.task() {
            Some(task) => {
                write!(f, " {had} in one poll of task {task}")?;
                if let Some(name) = self.task_name() {
                    write!(f, " {name:?}")?;
                }
                write!(f, ", spawned at {at},")?;
            }
            None => write!(f, " {had} in one poll of the future of block_on at {at},")?,
        }
        let about = match self.is_over() {
            false => "for at least",
            true => "for about",
        };
        write!(f, " {about} {:.1?}", self.age())?;
        if !self.is_over() {
            write!(f, "; {}", self.activity())?;
        }
        match self.stack() {
            Some(stack) => write!(f, "\n{stack}"),
            None => Ok(()),
        }
    }
}

/// Whom to tell.
pub(super) type Listener = Arc<dyn Fn(&Stall) + Send + Sync>;

/// What the metrics say.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    count: AtomicU64,
    longest_ns: AtomicU64,
}

// Statistics, hence Relaxed.
impl Stalls {
    pub(super) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    pub(super) fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest_ns.load(Relaxed))
    }

    fn note(&self, finding: &Finding) {
        if !finding.is_over {
            self.count.fetch_add(1, Relaxed);
        }
        let age_ns = as_ns(finding.age);
        self.longest_ns.fetch_max(age_ns, Relaxed);
    }
}

/// Where the stalls of a runtime go.
pub(super) struct Audience {
    pub(super) runtime: Id,
    pub(super) runtime_name: Option<Arc<str>>,
    pub(super) stalls: Arc<Stalls>,
    pub(super) listener: Option<Listener>,
    /// The operator has asked for the watchdog, and nobody listens.
    pub(super) uses_stderr: bool,
}

impl Audience {
    pub(super) fn settings(self, limit: Duration, with_stacks: bool) -> Settings {
        Settings {
            limit,
            with_stacks,
            tell: Arc::new(move |finding| self.tell(finding)),
        }
    }

    fn tell(&self, finding: Finding) {
        self.stalls.note(&finding);
        let stall = Stall {
            runtime: self.runtime,
            runtime_name: self.runtime_name.clone(),
            finding,
        };
        let is_heard = spans::stall(&stall);
        if let Some(listener) = &self.listener {
            listener(&stall);
        } else if self.uses_stderr && !is_heard {
            // Whoever closed it does not want to know.
            let _ = writeln!(std::io::stderr(), "yamanote: {stall}");
        }
    }
}
