//! What a list says of its tasks to whoever wants to see them all, and the right to look where they
//! wait.

use super::biased::Where;
use super::census::Condition;
use super::core::Header;
use super::owned::condition;
use super::state::Wake;
use super::waits::{Looked, is_seen};
use super::{Id, LocalNotified, LocalTasks, Notified, OwnedTasks, Schedule, biased};
use crate::util::trace::Leaf;
use std::collections::{HashMap, VecDeque};
use std::panic::Location;
use std::ptr::NonNull;
use std::time::Instant;

/// Calls what polls a task, and returns the leaves that this has reached.
pub(crate) type LookFn<'a> = &'a mut dyn FnMut(&mut dyn FnMut()) -> Vec<Leaf>;

/// The tasks of a set, or of a scheduler, that wait.
pub(crate) trait Looks {
    /// Polls the next one inside of `look`.
    fn look_at_next(&mut self, look: LookFn<'_>) -> Option<(Id, Vec<Leaf>)>;

    /// As [`OwnedTasks::mark_waiting`].
    fn mark_waiting(&mut self, looked: &mut Looked);
}

impl<S: Schedule + Owner> Looks for Waiting<S> {
    fn look_at_next(&mut self, look: LookFn<'_>) -> Option<(Id, Vec<Leaf>)> {
        Waiting::look_at_next(self, look)
    }

    fn mark_waiting(&mut self, looked: &mut Looked) {
        Waiting::mark_waiting(self, looked);
    }
}

/// A task as it was at one moment.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) id: Id,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) name: Option<Box<str>>,
    pub(crate) condition: Condition,
    /// Since when it has been seen to wait, if it does.
    pub(crate) waits_since: Option<Instant>,
}

impl View {
    /// `since`: what is remembered of the tasks that wait.
    ///
    /// # Safety
    ///
    /// A biased task is near.
    unsafe fn of(header: &Header, since: &HashMap<Id, Instant>) -> View {
        let condition = condition(header);
        // SAFETY: passed on.
        let is_known = condition == Condition::Waiting && unsafe { is_seen(header) };
        View {
            id: header.meta.id,
            spawned_at: header.meta.spawned_at,
            name: header.meta.label.name_copied(),
            condition,
            waits_since: match is_known {
                true => since.get(&header.meta.id).copied(),
                false => None,
            },
        }
    }
}

/// Tasks that waited, to be polled once each by whoever looks. Those that are not taken, when this
/// is dropped, are polled by their scheduler. Biased ones are dropped near, as the task in which
/// somebody looks is.
pub(crate) struct Waiting<S: Schedule> {
    tasks: VecDeque<Notified<S>>,
    scheduler: S,
}

/// A scheduler whose tasks are in a list of this kind.
pub(crate) trait Owner: Sized + 'static {
    /// Checks that the task is one of its own, so that this thread may run it.
    fn assert_owner(&self, task: Notified<Self>) -> LocalNotified<Self>;

    /// As [`OwnedTasks::mark_waiting`].
    fn mark_waiting(&self, looked: &mut Looked);
}

impl<S: Schedule> OwnedTasks<S> {
    /// All tasks, list by list, the oldest of each first. With other threads at work each is seen
    /// at a moment of its own.
    ///
    /// # Panics
    ///
    /// Far from biased tasks.
    pub(crate) fn view(&self) -> Vec<View> {
        let mut views = Vec::with_capacity(self.num_alive_tasks());
        let since = self.waits.take();
        self.visit(|task| {
            // SAFETY: while it is in the list, a task is alive; biased ones are near.
            views.push(unsafe { View::of(task.as_ref(), &since) });
            true
        });
        views
    }

    /// Makes the tasks that wait runnable, and hands them to the caller instead of their scheduler:
    /// to be [assigned](Self::assert_owner) and run.
    ///
    /// # Panics
    ///
    /// Far from biased tasks.
    pub(crate) fn take_waiting(&self, scheduler: S) -> Waiting<S> {
        self.wake_if(scheduler, |header| condition(header) == Condition::Waiting)
    }

    /// Marks the tasks that were looked at and wait again. What is left in `looked` does not yet.
    ///
    /// # Panics
    ///
    /// Far from biased tasks.
    pub(crate) fn mark_waiting(&self, looked: &mut Looked) {
        let mut left = Looked::new();
        self.visit(|task| {
            // SAFETY: as above.
            unsafe { self.waits.mark(task.as_ref(), looked, &mut left) };
            true
        });
        *looked = left;
    }

    fn wake_if(&self, scheduler: S, wants: impl Fn(&Header) -> bool) -> Waiting<S> {
        let mut tasks = VecDeque::new();
        self.visit(|task| {
            // SAFETY: as above.
            let header = unsafe { task.as_ref() };
            if !wants(header) {
                return true;
            }
            // SAFETY: as above.
            tasks.extend(unsafe { woken(task) });
            true
        });
        Waiting { tasks, scheduler }
    }
}

impl<S: Schedule> LocalTasks<S> {
    /// As [`OwnedTasks::view`].
    pub(crate) fn view(&self) -> Vec<View> {
        let mut views = Vec::new();
        let since = self.waits.take();
        self.visit(|task| {
            // SAFETY: while it is in the list, a task is alive; none is biased.
            views.push(unsafe { View::of(task.as_ref(), &since) });
        });
        views
    }

    /// As [`OwnedTasks::mark_waiting`].
    pub(crate) fn mark_waiting(&self, looked: &mut Looked) {
        let mut left = Looked::new();
        // SAFETY: as above.
        self.visit(|task| unsafe { self.waits.mark(task.as_ref(), looked, &mut left) });
        *looked = left;
    }

    /// As [`OwnedTasks::take_waiting`].
    pub(crate) fn take_waiting(&self, scheduler: S) -> Waiting<S> {
        let mut tasks = VecDeque::new();
        self.visit(|task| {
            // SAFETY: as above.
            if condition(unsafe { task.as_ref() }) == Condition::Waiting {
                // SAFETY: as above.
                tasks.extend(unsafe { woken(task) });
            }
        });
        Waiting { tasks, scheduler }
    }
}

/// Wakes a task for whoever runs it next, unless it is runnable already.
///
/// # Safety
///
/// It is alive, has a scheduler of type `S` and, if it is biased, is near.
unsafe fn woken<S: Schedule>(task: NonNull<Header>) -> Option<Notified<S>> {
    // SAFETY: it is alive.
    let header = unsafe { task.as_ref() };
    let wake = match S::IS_BIASED {
        true => biased::wake_by_ref(header),
        false => Where::Near(header.state.wake_by_ref()),
    };
    let is_ours = matches!(wake, Where::Near(Wake::Schedule));
    // SAFETY: the verb has made the reference, and there is no other `Notified`.
    is_ours.then(|| unsafe { Notified::from_raw(task) })
}

unstable! {
    #[cfg(feature = "taskdump")]
    impl<S: Schedule> OwnedTasks<S> {
        /// Wakes these tasks, so that each is polled once more.
        ///
        /// # Panics
        ///
        /// Far from biased tasks.
        pub(crate) fn wake(&self, scheduler: S, wants: impl Fn(Id) -> bool) {
            drop(self.wake_if(scheduler, |header| wants(header.meta.id)));
        }
    }
}

impl<S: Schedule + Owner> Waiting<S> {
    /// The next one, and what it is known by.
    fn pop(&mut self) -> Option<LocalNotified<S>> {
        let task = self.tasks.pop_front()?;
        Some(self.scheduler.assert_owner(task))
    }

    /// As [`OwnedTasks::mark_waiting`].
    pub(crate) fn mark_waiting(&mut self, looked: &mut Looked) {
        self.scheduler.mark_waiting(looked);
    }

    /// Polls the next one inside of `look`, and returns which it was with what `look` has returned.
    pub(crate) fn look_at_next<R>(
        &mut self,
        look: impl FnOnce(&mut dyn FnMut()) -> R,
    ) -> Option<(Id, R)> {
        let mut task = Some(self.pop()?);
        let id = task.as_ref().map(|task| task.meta().id)?;
        let result = look(&mut || {
            if let Some(task) = task.take() {
                task.run();
            }
        });
        Some((id, result))
    }
}

impl<S: Schedule> Drop for Waiting<S> {
    fn drop(&mut self) {
        while let Some(task) = self.tasks.pop_front() {
            match S::IS_BIASED {
                true => self.scheduler.schedule_near(task),
                false => self.scheduler.schedule(task),
            }
        }
    }
}
