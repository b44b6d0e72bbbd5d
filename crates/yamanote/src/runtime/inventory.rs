//! What a runtime's workers and tasks do at one moment.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::sync::mpsc;
use std::time::Duration;

use super::Handle;
use super::id::Id;
use super::stall::{Activity, Polled, activity_of};
use super::task::{self, Condition, Meta, View};
use crate::util::trace::{self, Leaf};
use crate::util::{coop, defer};

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

    /// Its tasks, without those of a [`LocalSet`](crate::task::LocalSet), in no particular order.
    /// `None`: the thread of a current-thread runtime, which alone may look at them, did not come
    /// to it within the limit.
    pub fn tasks(&self) -> Option<&[TaskDump]> {
        self.tasks.as_deref()
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

    /// What it does.
    pub fn state(&self) -> TaskState {
        self.state
    }

    /// What it waits for, by the module of this crate that it waits in, such as `time::timer` or
    /// `sync::notify`. Empty unless it [waits](TaskState::Waiting), and where it waits for a future
    /// of another crate.
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
            write!(f, "\nworker {number}")?;
            if let Some(thread) = worker.thread {
                write!(f, " (thread {thread})")?;
            }
            match (worker.task(), worker.spawned_at()) {
                (_, None) => f.write_str(" polls nothing")?,
                (Some(task), Some(at)) => write!(f, " polls task {task}, spawned at {at}")?,
                (None, Some(at)) => write!(f, " polls the future of block_on at {at}")?,
            }
            if let Some(activity) = &worker.activity {
                write!(f, "; {activity}")?;
            }
        }
        let Some(tasks) = &self.tasks else {
            return f.write_str("\nits tasks are not known: its thread did not come to it");
        };
        for task in tasks {
            write!(f, "\ntask {}, ", task.id())?;
            if let Some(name) = task.name() {
                write!(f, "{name:?}, ")?;
            }
            write!(f, "spawned at {}, ", task.spawned_at())?;
            match task.state {
                TaskState::Polled => f.write_str("is polled")?,
                TaskState::Runnable => f.write_str("is runnable")?,
                TaskState::Waiting => f.write_str("waits")?,
            }
            for (n, leaf) in task.leaves.iter().enumerate() {
                let before = if n == 0 { " in " } else { ", " };
                write!(f, "{before}{}", leaf.module())?;
            }
            for stack in task.stacks() {
                write!(f, "\n{stack}")?;
            }
        }
        Ok(())
    }
}

impl Handle {
    /// As [`dump`](crate::insight::dump).
    pub(crate) async fn dump_at_leisure(self, detail: Detail) -> Dump {
        // A task, because a worker has to poll what is looked at.
        let collector = self.spawn_as(collect(self.clone(), detail), Meta::here());
        let id = collector.id();
        let tasks = collector.await.ok();
        self.assemble_dump(tasks, id)
    }

    /// As [`dump_of`](crate::insight::dump_of).
    #[track_caller]
    pub(crate) fn dump_within(&self, detail: Detail, limit: Duration) -> Dump {
        let (done, tasks) = mpsc::channel();
        let handle = self.clone();
        let collector = async move {
            let _ = done.send(collect(handle, detail).await);
        };
        let collector = self.spawn_as(collector, Meta::here());
        let tasks = tasks.recv_timeout(limit).ok();
        collector.abort();
        // Where no worker came to it, the list can be read from here, or it cannot.
        let seen_from_here = || self.parts().scheduler.view().map(without_leaves);
        self.assemble_dump(tasks.or_else(seen_from_here), collector.id())
    }

    /// The task `collector` has looked at the others.
    fn assemble_dump(&self, tasks: Option<Vec<TaskDump>>, collector: task::Id) -> Dump {
        let parts = self.parts();
        let tasks = tasks.map(|mut tasks| {
            tasks.retain(|task| task.id() != collector);
            tasks
        });
        let workers = parts.scheduler.pollings(|polling| {
            let (thread, polled) = (polling.thread(), polling.look().polled);
            let polled = polled.filter(|polled| polled.id != Some(collector));
            let activity = polled.and(thread).map(activity_of);
            WorkerDump {
                thread,
                polled,
                activity,
            }
        });
        Dump {
            runtime: parts.id,
            name: parts.name.clone(),
            workers,
            tasks,
        }
    }
}

fn without_leaves(views: Vec<View>) -> Vec<TaskDump> {
    let task = |view: View| TaskDump {
        state: match view.condition {
            Condition::Running => TaskState::Polled,
            Condition::Runnable => TaskState::Runnable,
            Condition::Waiting => TaskState::Waiting,
        },
        view,
        leaves: Vec::new(),
    };
    views.into_iter().map(task).collect()
}

/// Looks at all tasks, on a thread that may look at them.
async fn collect(handle: Handle, detail: Detail) -> Vec<TaskDump> {
    let scheduler = &handle.parts().scheduler;
    let views = scheduler.view().unwrap_or_default();
    let mut tasks = without_leaves(views);
    let places: HashMap<_, _> = (tasks.iter().enumerate())
        .map(|(place, task)| (task.view.id, place))
        .collect();
    let Some(mut waiting) = scheduler.take_waiting() else {
        return tasks;
    };
    // Each is polled once, and wakes itself, so that its leaves have its waker again.
    let with_stacks = detail == Detail::Stacks;
    loop {
        let look = |poll: &mut dyn FnMut()| trace::capture(with_stacks, || coop::with_none(poll)).1;
        let Some((id, leaves)) = waiting.look_at_next(look) else {
            return tasks;
        };
        // What was spawned since is in the next dump.
        if let Some(&place) = places.get(&id) {
            let task = &mut tasks[place];
            (task.state, task.leaves) = (TaskState::Waiting, leaves);
        }
        defer::yield_once().await;
    }
}
