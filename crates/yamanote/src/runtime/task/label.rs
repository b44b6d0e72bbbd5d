//! What few tasks have: a name, and a span that a subscriber of `tracing` knows them by.
#![forbid(unsafe_code)]

use crate::util::spans::{Spawn, TaskSpan};

/// One word, null as a rule.
pub(crate) struct Label(Option<Box<Content>>);

struct Content {
    name: Option<Box<str>>,
    span: TaskSpan,
}

impl Label {
    pub(crate) const NONE: Label = Label(None);

    pub(super) fn of_name(name: &str) -> Label {
        Label(Some(Box::new(Content {
            name: Some(name.into()),
            span: TaskSpan::none(),
        })))
    }

    fn name(&self) -> Option<&str> {
        self.0.as_ref().and_then(|content| content.name.as_deref())
    }

    /// The name, for whoever looks longer than the task lives.
    pub(super) fn name_copied(&self) -> Option<Box<str>> {
        self.name().map(Box::from)
    }

    #[cold]
    pub(super) fn announce(&mut self, spawn: &Spawn<'_>) {
        let Some(span) = TaskSpan::of_task(&Spawn {
            name: self.name(),
            ..*spawn
        }) else {
            return;
        };
        match &mut self.0 {
            Some(content) => content.span = span,
            None => self.0 = Some(Box::new(Content { name: None, span })),
        }
    }

    /// The task's span. Until what this returns is dropped, code of the task runs on this thread.
    #[inline]
    pub(super) fn enter(&self) -> impl Sized + '_ {
        self.0.as_ref().map(|content| content.span.enter())
    }

    /// As [`enter`](Label::enter), for the drop of the future, with which the span ends.
    #[inline]
    pub(super) fn enter_last(&self) -> impl Sized + '_ {
        self.0.as_ref().map(|content| Last {
            _entered: content.span.enter(),
            _closes: Closes(&content.span),
        })
    }

    /// Tells what happens to a waker of the task.
    #[inline]
    pub(super) fn waker_event(&self, op: &'static str) {
        if let Some(content) = &self.0 {
            content.span.waker_event(op);
        }
    }
}

struct Last<'a, E> {
    _entered: E,
    // After it.
    _closes: Closes<'a>,
}

struct Closes<'a>(&'a TaskSpan);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
