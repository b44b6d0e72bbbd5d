//! What a runtime's workers and tasks do at one moment.
#![forbid(unsafe_code)]

mod collect;

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::id::Id;
use super::stall::{Activity, Polled};
use super::task::{self, View};
use crate::util::trace::Leaf;

/// How much a dump says of the tasks that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Detail {
    /// What each waits for. Some microseconds a task.
    #[default]
    Leaves,
    /// The stack at each thing that it waits for, too: the chain of its `.await`s, if the program
    /// has its symbols. Some hundred microseconds a task, and some milliseconds when it is printed.
    Stacks,
}

/// The workers and tasks of a runtime, as [`dump`](crate::insight::dump) found them.
///
/// [`Display`](fmt::Display) writes a line for each.
#[derive(Debug)]
pub struct Dump {
    runtime: Id,
    name: Option<String>,
    workers: Vec<WorkerDump>,
    tasks: Option<Vec<TaskDump>>,
    local_sets: Vec<LocalSetDump>,
}

impl Dump {
    /// The runtime.
    pub fn runtime(&self) -> Id {
        self.runtime
    }

    /// Its workers, by number.
    pub fn workers(&self) -> &[WorkerDump] {
        &self.workers
    }

    /// Its tasks, in no particular order, with those of each [set](Self::local_sets) that has
    /// answered. `None`: the thread of a current-thread runtime, which alone may look at them, did
    /// not come to it within the limit.
    pub fn tasks(&self) -> Option<&[TaskDump]> {
        self.tasks.as_deref()
    }

    /// Each [`LocalSet`](crate::task::LocalSet) that was polled last in this runtime.
    pub fn local_sets(&self) -> &[LocalSetDump] {
        &self.local_sets
    }
}

/// A [`LocalSet`](crate::task::LocalSet) in a [`Dump`].
#[derive(Debug)]
pub struct LocalSetDump {
    id: Id,
    made_at: &'static Location<'static>,
    thread: i32,
    has_answered: bool,
    activity: Option<Activity>,
}

impl LocalSetDump {
    /// The set.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Where it was made.
    pub fn made_at(&self) -> &'static Location<'static> {
        self.made_at
    }

    /// The kernel's number of the thread that it belongs to.
    pub fn thread_id(&self) -> i32 {
        self.thread
    }

    /// Whether its tasks are in the dump. Only its own thread may look at them, and only in a poll
    /// of the set; so they are not if nobody polls the set now, and not if a poll of it is stuck.
    pub fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// What its thread does, if a poll of it is stuck.
    pub fn activity(&self) -> Option<&Activity> {
        self.activity.as_ref()
    }
}

/// A worker in a [`Dump`].
#[derive(Debug)]
pub struct WorkerDump {
    thread: Option<i32>,
    polled: Option<Polled>,
    activity: Option<Activity>,
}

impl WorkerDump {
    /// The kernel's number of its thread; `None` before there was one.
    pub fn thread_id(&self) -> Option<i32> {
        self.thread
    }

    /// Whether it is in a poll.
    pub fn is_polling(&self) -> bool {
        self.polled.is_some()
    }

    /// The task that it polls; `None` also for the future of
    /// [`block_on`](crate::runtime::Runtime::block_on).
    pub fn task(&self) -> Option<task::Id> {
        self.polled.and_then(|polled| polled.id)
    }

    /// Where that was spawned, or `block_on` called.
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.polled.map(|polled| polled.spawned_at)
    }

    /// What its thread does, if it is in a poll.
    pub fn activity(&self) -> Option<&Activity> {
        self.activity.as_ref()
    }
}

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// A worker polls it.
    Polled,
    /// It waits for a worker.
    Runnable,
    /// It waits for something to happen.
    Waiting,
}

/// A task in a [`Dump`].
#[derive(Debug)]
pub struct TaskDump {
    view: View,
    local_set: Option<Id>,
    waits_at_least: Option<Duration>,
    state: TaskState,
    leaves: Vec<Leaf>,
}

impl TaskDump {
    /// The task.
    pub fn id(&self) -> task::Id {
        self.view.id
    }

    /// Where it was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.view.spawned_at
    }

    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.view.name.as_deref()
    }

    /// The [`LocalSet`](crate::task::LocalSet) that it belongs to, if it is of one.
    pub fn local_set(&self) -> Option<Id> {
        self.local_set
    }

    /// What it does.
    pub fn state(&self) -> TaskState {
        self.state
    }

    /// For how long it has waited, at least: since it was first seen to wait so, by an earlier dump
    /// or, while somebody asks it, by the console. `None` if this dump is the first to see it.
    ///
    /// So one dump tells what tasks wait for, and the next one which of them still do: nothing is
    /// noted when a task is polled. Polls while a dump is taken do not count. At most 65,536 tasks
    /// are remembered.
    pub fn waits_at_least(&self) -> Option<Duration> {
        self.waits_at_least
    }

    /// What it waits for, by the module of this crate that it waits in, such as `time::timer` or
    /// `sync::notify::notified`. Empty unless it [waits](TaskState::Waiting), and where it waits
    /// for a future of another crate.
    pub fn waits_for(&self) -> impl Iterator<Item = String> + '_ {
        self.leaves.iter().map(Leaf::module)
    }

    /// The stacks of these, with [`Detail::Stacks`]: the innermost call first.
    pub fn stacks(&self) -> impl Iterator<Item = String> + '_ {
        self.leaves.iter().filter_map(Leaf::stack)
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "runtime {}", self.runtime)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        for (number, worker) in self.workers.iter().enumerate() {
            write!(f, "\nworker {number}{worker}")?;
        }
        for set in &self.local_sets {
            write!(f, "\n{set}")?;
        }
        let Some(tasks) = &self.tasks else {
            return f.write_str("\nits tasks are not known: its thread did not come to it");
        };
        for task in tasks {
            write!(f, "\n{task}")?;
        }
        Ok(())
    }
}

impl fmt::Display for WorkerDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(thread) = self.thread {
            write!(f, " (thread {thread})")?;
        }
        match (self.task(), self.spawned_at()) {
            (_, None) => f.write_str(" polls nothing")?,
            (Some(task), Some(at)) => write!(f, " polls task {task}, spawned at {at}")?,
            (None, Some(at)) => write!(f, " polls the future of block_on at {at}")?,
        }
        if let Some(activity) = &self.activity {
            write!(f, "; {activity}")?;
        }
        Ok(())
    }
}

impl fmt::Display for LocalSetDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, made_at, thread) = (self.id, self.made_at, self.thread);
        write!(f, "local set {id}, made at {made_at} (thread {thread})")?;
        match (&self.activity, self.has_answered) {
            (_, true) => Ok(()),
            (Some(activity), false) => write!(f, " is stuck in a poll; {activity}"),
            (None, false) => f.write_str(" is not polled"),
        }
    }
}

impl fmt::Display for TaskDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}, ", self.id())?;
        if let Some(name) = self.name() {
            write!(f, "{name:?}, ")?;
        }
        write!(f, "spawned at {}, ", self.spawned_at())?;
        if let Some(set) = self.local_set {
            write!(f, "of local set {set}, ")?;
        }
        match self.state {
            TaskState::Polled => f.write_str("is polled")?,
            TaskState::Runnable => f.write_str("is runnable")?,
            TaskState::Waiting => f.write_str("waits")?,
        }
        if let Some(least) = self.waits_at_least {
            write!(f, " for at least {least:.1?}")?;
        }
        for (n, leaf) in self.leaves.iter().enumerate() {
            let before = if n == 0 { " in " } else { ", " };
            write!(f, "{before}{}", leaf.module())?;
        }
        for stack in self.stacks() {
            write!(f, "\n{stack}")?;
        }
        Ok(())
    }
}
