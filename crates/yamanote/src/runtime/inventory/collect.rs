//! How a dump is taken: a task of the runtime looks at the others, and one of each `LocalSet` at
//! those of the set.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::time::{Duration, Instant};

use super::{Detail, Dump, LocalSetDump, TaskDump, TaskState, WorkerDump};
use crate::runtime::Handle;
use crate::runtime::id::Id;
use crate::runtime::local_sets::Known;
use crate::runtime::stall::activity_of;
use crate::runtime::task::{self, Condition, LookFn, Looked, Looks, Meta, View};
use crate::util::trace::{self, Leaf};
use crate::util::{coop, defer};

/// For so long a dump waits for sets, of which some may not be polled at all.
const PATIENCE: Duration = Duration::from_millis(100);

/// The same in yields: on a simulated machine no time passes meanwhile.
const MOST_YIELDS: usize = 100_000;

/// How often a dump sees whether the tasks that it has looked at wait again. Some may be busy.
const MOST_ROUNDS: usize = 16;

/// The tasks of a runtime.
struct Collected {
    tasks: Vec<TaskDump>,
    /// The sets whose tasks are among them.
    answered: Vec<Id>,
}

impl Handle {
    /// As [`dump`](crate::insight::dump).
    pub(crate) async fn dump_at_leisure(self, detail: Detail) -> Dump {
        // A task, because a worker has to poll what is looked at.
        let collector = collect(self.clone(), detail, PATIENCE);
        let collector = self.spawn_as(collector, Meta::here());
        let id = collector.id();
        let collected = collector.await.ok();
        self.assemble_dump(collected, id)
    }

    /// As [`dump_of`](crate::insight::dump_of).
    #[track_caller]
    pub(crate) fn dump_within(&self, detail: Detail, limit: Duration) -> Dump {
        let (done, collected) = mpsc::channel();
        let handle = self.clone();
        let collector = async move {
            let patience = PATIENCE.min(limit / 2);
            let _ = done.send(collect(handle, detail, patience).await);
        };
        let collector = self.spawn_as(collector, Meta::here());
        let collected = collected.recv_timeout(limit).ok();
        collector.abort();
        // Where no worker came to it, the list can be read from here, or it cannot.
        let seen_from_here = || {
            let views = self.parts().scheduler.view()?;
            Some(Collected {
                tasks: without_leaves(views),
                answered: Vec::new(),
            })
        };
        self.assemble_dump(collected.or_else(seen_from_here), collector.id())
    }

    /// The task `collector` has looked at the others.
    fn assemble_dump(&self, collected: Option<Collected>, collector: task::Id) -> Dump {
        let parts = self.parts();
        let (tasks, answered) = match collected {
            Some(collected) => (Some(collected.tasks), collected.answered),
            None => (None, Vec::new()),
        };
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
        let sets = parts.local_sets.present(parts.id());
        let local_sets = sets.iter().map(|set| {
            let has_answered = answered.contains(&set.standing().id);
            dump_of_set(&**set, has_answered)
        });
        Dump {
            runtime: parts.id(),
            name: parts.name.clone(),
            workers,
            local_sets: local_sets.collect(),
            tasks,
        }
    }
}

fn dump_of_set(set: &dyn Known, has_answered: bool) -> LocalSetDump {
    let standing = set.standing();
    let is_stuck = !has_answered && standing.is_polled();
    LocalSetDump {
        id: standing.id,
        made_at: standing.made_at,
        thread: standing.thread,
        has_answered,
        activity: is_stuck.then(|| activity_of(standing.thread)),
    }
}

fn without_leaves(views: Vec<View>) -> Vec<TaskDump> {
    let task = |view: View| TaskDump {
        state: match view.condition {
            Condition::Running => TaskState::Polled,
            Condition::Runnable => TaskState::Runnable,
            Condition::Waiting => TaskState::Waiting,
        },
        waits_at_least: view.waits_since.map(|since| since.elapsed()),
        view,
        local_set: None,
        leaves: Vec::new(),
    };
    views.into_iter().map(task).collect()
}

/// Looks at all tasks, on a thread that may look at them, and has the sets look at theirs.
async fn collect(handle: Handle, detail: Detail, patience: Duration) -> Collected {
    let scheduler = &handle.parts().scheduler;
    let views = scheduler.view().unwrap_or_default();
    let tasks = match scheduler.take_waiting() {
        Some(mut waiting) => look_and_mark(detail, views, &mut waiting).await,
        None => without_leaves(views),
    };
    let mut collected = Collected {
        tasks,
        answered: Vec::new(),
    };
    collect_local(&mut collected, &handle, detail, patience).await;
    collected
}

/// Adds the tasks of the sets that answer within `patience`.
async fn collect_local(
    collected: &mut Collected,
    handle: &Handle,
    detail: Detail,
    patience: Duration,
) {
    let parts = handle.parts();
    let (to, answers) = mpsc::channel();
    let sets: Vec<Arc<dyn Known>> = parts.local_sets.present(parts.id());
    for set in sets {
        let (id, to) = (set.standing().id, to.clone());
        set.ask(Box::new(move |views, mut waiting| {
            Box::pin(async move {
                let mut tasks = look_and_mark(detail, views, &mut *waiting).await;
                for task in &mut tasks {
                    task.local_set = Some(id);
                }
                // Whoever has asked may have lost patience.
                let _ = to.send((id, tasks));
            })
        }));
    }
    drop(to);
    let begin = Instant::now();
    for _ in 0..MOST_YIELDS {
        match answers.try_recv() {
            Ok((id, mut tasks)) => {
                collected.tasks.append(&mut tasks);
                collected.answered.push(id);
            }
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) if begin.elapsed() > patience => break,
            Err(TryRecvError::Empty) => defer::yield_once().await,
        }
    }
}

/// Looks at the tasks that wait, and marks them as soon as they wait again.
async fn look_and_mark(
    detail: Detail,
    views: Vec<View>,
    waiting: &mut (impl Looks + ?Sized),
) -> Vec<TaskDump> {
    let is_waiting = |view: &&View| view.condition == Condition::Waiting;
    let since = |view: &View| (view.id, view.waits_since);
    let mut looked: Looked = views.iter().filter(is_waiting).map(since).collect();
    let next = |look: LookFn<'_>| waiting.look_at_next(look);
    let tasks = look_at_all(detail, views, next).await;
    for _ in 0..MOST_ROUNDS {
        if looked.is_empty() {
            break;
        }
        defer::yield_once().await;
        waiting.mark_waiting(&mut looked);
    }
    tasks
}

/// Polls the tasks that wait once each; `next` does so inside of what it is given. Each wakes
/// itself, so that its leaves have its waker again.
async fn look_at_all(
    detail: Detail,
    views: Vec<View>,
    mut next: impl FnMut(LookFn<'_>) -> Option<(task::Id, Vec<Leaf>)>,
) -> Vec<TaskDump> {
    let mut tasks = without_leaves(views);
    let places: HashMap<_, _> = (tasks.iter().enumerate())
        .map(|(place, task)| (task.view.id, place))
        .collect();
    let with_stacks = detail == Detail::Stacks;
    let look =
        &mut |poll: &mut dyn FnMut()| trace::capture(with_stacks, || coop::with_none(poll)).1;
    while let Some((id, leaves)) = next(look) {
        // What was spawned since is in the next dump.
        if let Some(&place) = places.get(&id) {
            let task = &mut tasks[place];
            (task.state, task.leaves) = (TaskState::Waiting, leaves);
        }
        defer::yield_once().await;
    }
    tasks
}
