//! What the tasks of a runtime wait for, as stacks: Tokio's task dumps, and their parts for whoever
//! wants to look at one future.
//!
//! [`Handle::dump`](super::Handle::dump) looks at all tasks of a runtime, [`Trace::capture`] and
//! [`trace_with`] at what one poll reaches. On stable, without symbols, and with the workers, there
//! is [`insight::dump`](crate::insight::dump()).
#![forbid(unsafe_code)]

mod frames;

mod root;

mod trace;

mod tree;

mod request;

pub use frames::{Backtrace, BacktraceFrame, BacktraceSymbol};
pub use root::Root;
pub use trace::{Trace, TraceMeta, trace_with};

use super::task::Id;

/// What the tasks of a runtime waited for; see [`Handle::dump`](super::Handle::dump).
#[derive(Debug)]
pub struct Dump {
    tasks: Tasks,
}

/// The tasks in a [`Dump`].
#[derive(Debug)]
pub struct Tasks {
    tasks: Vec<Task>,
}

/// A task in a [`Dump`].
#[derive(Debug)]
pub struct Task {
    id: Id,
    trace: Trace,
}

impl Dump {
    fn new(tasks: Vec<Task>) -> Self {
        Dump {
            tasks: Tasks { tasks },
        }
    }

    /// The tasks, in no particular order.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }
}

impl Tasks {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter()
    }
}

impl Task {
    /// The task.
    pub fn id(&self) -> Id {
        self.id
    }

    /// What it waited for.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }
}
