//! What few tasks have: a name, and a span that a subscriber of `tracing` knows them by.
#![forbid(unsafe_code)]

use super::id::{self, Id};
use super::names::Name;
use crate::util::spans::{Spawn, TELLS, TaskSpan};

/// One word, null as a rule.
pub(crate) struct Label(Option<Box<Content>>);

#[derive(Default)]
struct Content {
    name: Option<Name>,
    span: TaskSpan,
}

impl Label {
    pub(crate) const NONE: Label = Label(None);

    /// Of the task `id`.
    pub(super) fn of_name(id: Id, name: &str) -> Label {
        Label(Some(Box::new(Content {
            name: Some(Name::new(id, name)),
            ..Content::default()
        })))
    }

    fn name(&self) -> Option<&str> {
        let name = self.0.as_ref().and_then(|content| content.name.as_ref());
        name.map(Name::as_str)
    }

    /// The name, for whoever looks longer than the task lives.
    pub(super) fn name_copied(&self) -> Option<Box<str>> {
        self.name().map(Box::from)
    }

    /// The label of a task that a subscriber is told of.
    #[cold]
    pub(super) fn announced(mut self, spawn: &Spawn<'_>) -> Label {
        let span = TaskSpan::of_task(&Spawn {
            name: self.name(),
            ..*spawn
        });
        if let Some(span) = span {
            self.0.get_or_insert_default().span = span;
        }
        self
    }

    /// Whether there may be a span: a name alone counts. Nearly always this look at the word is all
    /// that is done, and it stands apart so that the rest is out of its way.
    #[inline(always)]
    pub(super) fn may_be_told(&self) -> bool {
        TELLS && self.0.is_some()
    }

    /// The task's span. Until what this returns is dropped, code of the task runs on this thread.
    #[inline(always)]
    pub(super) fn enter(&self) -> Entered<'_> {
        if self.may_be_told() {
            self.enter_span();
        }
        Entered(self)
    }

    #[cold]
    fn enter_span(&self) {
        if let Some(content) = &self.0 {
            content.span.enter();
        }
    }

    #[cold]
    fn exit_span(&self) {
        if let Some(content) = &self.0 {
            content.span.exit();
        }
    }

    /// Calls `f`, which drops the future of the task `id`, in the span, and closes that.
    #[cold]
    pub(super) fn in_last_span(&self, id: Id, f: impl FnOnce()) {
        let _current = id::enter(id);
        self.enter_span();
        let _last = Last(self);
        f();
    }

    /// Tells what happens to a waker of the task.
    #[inline(always)]
    pub(super) fn waker_event(&self, op: &'static str) {
        if self.may_be_told() {
            self.tell_waker_event(op);
        }
    }

    #[cold]
    fn tell_waker_event(&self, op: &'static str) {
        if let Some(content) = &self.0 {
            content.span.waker_event(op);
        }
    }
}

/// What there is as a rule is nothing, and then that is all the drop of a task has to find out.
impl Drop for Label {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(content) = self.0.take() {
            free(content);
        }
    }
}

#[cold]
fn free(content: Box<Content>) {
    drop(content);
}

pub(super) struct Entered<'a>(&'a Label);

impl Drop for Entered<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.may_be_told() {
            self.0.exit_span();
        }
    }
}

struct Last<'a>(&'a Label);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        if let Some(content) = &self.0.0 {
            content.span.exit_last();
        }
    }
}
