//! With the feature `tracing`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tracing::Level;
use tracing::instrument::{Instrument, Instrumented};
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::span;

use super::Spawn;
use crate::util::poison::unpoisoned;

/// Whether the following does anything.
pub(crate) const TELLS: bool = true;

/// Tells of a worker that is held up, or was. Returns whether anybody listens.
pub(crate) fn stall(stall: &dyn std::fmt::Display) -> bool {
    let is_heard = tracing::enabled!(target: "yamanote::stall", Level::WARN);
    tracing::warn!(target: "yamanote::stall", "{stall}");
    is_heard
}

/// The span of a simulated host. All that its threads tell is in it.
#[cfg(feature = "sim")]
#[derive(Clone)]
pub(crate) struct HostSpan(tracing::Span);

#[cfg(feature = "sim")]
impl HostSpan {
    /// Of the highest level: whoever hears an event is to hear of its host.
    pub(crate) fn new(name: &str) -> HostSpan {
        HostSpan(tracing::error_span!(target: "yamanote::sim", "host", name))
    }

    /// Puts the calling thread into it, for the rest of its life.
    pub(crate) fn enter_for_good(&self) {
        std::mem::forget(self.0.clone().entered());
    }
}

/// Whether anybody listens.
#[inline]
pub(crate) fn is_on() -> bool {
    Level::TRACE <= STATIC_MAX_LEVEL && Level::TRACE <= LevelFilter::current()
}

/// The span of a resource, unless nobody listened when it was made.
#[derive(Clone)]
pub(crate) struct Resource(Option<Box<tracing::Span>>);

// A subscriber's state is its own affair.
impl UnwindSafe for Resource {}
impl RefUnwindSafe for Resource {}

impl Resource {
    pub(crate) const NONE: Resource = Resource(None);

    /// Calls `span` if somebody listens.
    #[inline]
    pub(crate) fn new(span: impl FnOnce() -> tracing::Span) -> Resource {
        match is_on() {
            true => Resource::made(span()),
            false => Resource::NONE,
        }
    }

    #[cold]
    fn made(span: tracing::Span) -> Resource {
        Resource((!span.is_disabled()).then(|| Box::new(span)))
    }

    #[inline]
    pub(crate) fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        f()
    }

    #[inline]
    pub(crate) fn enter(&self) -> Option<span::Entered<'_>> {
        self.0.as_deref().map(tracing::Span::enter)
    }

    pub(crate) fn id(&self) -> Option<span::Id> {
        self.0.as_deref().and_then(tracing::Span::id)
    }
}

/// The spans of an async op, unless nobody listened when it began. A clone is the same one.
#[derive(Clone)]
pub(crate) struct AsyncOp(Option<Arc<Op>>);

struct Op {
    op: tracing::Span,
    poll: tracing::Span,
}

impl UnwindSafe for AsyncOp {}
impl RefUnwindSafe for AsyncOp {}

impl AsyncOp {
    pub(crate) const NONE: AsyncOp = AsyncOp(None);

    /// If somebody listens: the op in the resource's scope, and its polls in the op's.
    #[inline]
    pub(crate) fn new(
        resource: &Resource,
        op: impl FnOnce() -> tracing::Span,
        poll: impl FnOnce() -> tracing::Span,
    ) -> AsyncOp {
        match is_on() {
            true => {
                let op = resource.in_scope(op);
                let poll = op.in_scope(poll);
                AsyncOp::made(op, poll)
            }
            false => AsyncOp::NONE,
        }
    }

    #[cold]
    pub(crate) fn made(op: tracing::Span, poll: tracing::Span) -> AsyncOp {
        AsyncOp(Some(Arc::new(Op { op, poll })))
    }

    fn enter_op(&self) -> Option<span::Entered<'_>> {
        self.0.as_deref().map(|it| it.op.enter())
    }

    /// For a poll.
    #[inline]
    pub(crate) fn enter<'a>(&'a self, resource: &'a Resource) -> Entered<'a> {
        let outer = resource.enter();
        Entered {
            _inner: self.0.as_deref().map(Inner::enter),
            _resource: outer,
        }
    }
}

/// Until it is dropped, this thread is in a poll of an async op.
pub(crate) struct Entered<'a> {
    _inner: Option<Inner<'a>>,
    _resource: Option<span::Entered<'a>>,
}

struct Inner<'a> {
    _poll: span::Entered<'a>,
    _op: span::Entered<'a>,
}

impl<'a> Inner<'a> {
    fn enter(it: &'a Op) -> Inner<'a> {
        let op = it.op.enter();
        Inner {
            _poll: it.poll.enter(),
            _op: op,
        }
    }
}

/// Permits went to waiters; to be told when the lock is released.
pub(crate) struct Assigned(Vec<(AsyncOp, usize)>);

impl Assigned {
    #[inline]
    pub(crate) fn new() -> Assigned {
        Assigned(Vec::new())
    }

    #[inline]
    pub(crate) fn push(&mut self, to: &AsyncOp, permits: usize) {
        if is_on() {
            self.0.push((to.clone(), permits));
        }
    }

    #[inline]
    pub(crate) fn tell(self) {
        for (to, permits) in self.0 {
            let _entered = to.enter_op();
            op_update!(permits_obtained = permits, permits.op = "add");
        }
    }
}

/// An async op was polled.
#[inline]
pub(crate) fn poll_op(name: &'static str, is_ready: bool) {
    tracing::trace!(
        target: "runtime::resource::poll_op",
        op_name = name,
        is_ready = is_ready
    );
}

/// Makes of `inner` an async op on `resource`, in whose scope it is called.
pub(crate) fn async_op<'a, F: Future>(
    resource: &'a Resource,
    source: &'static str,
    poll_op: &'static str,
    inherits_child_attrs: bool,
    inner: impl FnOnce() -> F,
) -> InAsyncOp<'a, F> {
    let op = || {
        tracing::trace_span!(
            target: "tokio::util::trace",
            "runtime.resource.async_op",
            source = source,
            inherits_child_attrs = inherits_child_attrs
        )
    };
    let poll =
        || tracing::trace_span!(target: "tokio::util::trace", "runtime.resource.async_op.poll");
    let op = AsyncOp::new(resource, op, poll);
    let inner = resource.in_scope(|| {
        let _op = op.enter_op();
        inner()
    });
    InAsyncOp {
        inner,
        op,
        resource,
        poll_op,
    }
}

pin_project! {
    /// See [`async_op`].
    pub(crate) struct InAsyncOp<'a, F> {
        #[pin]
        inner: F,
        op: AsyncOp,
        resource: &'a Resource,
        poll_op: &'static str,
    }
}

impl<F: Future> Future for InAsyncOp<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.op.enter(this.resource);
        let polled = this.inner.poll(cx);
        poll_op(this.poll_op, polled.is_ready());
        polled
    }
}

/// The span of a task, from its spawn to the drop of its future; by default none.
#[derive(Default)]
pub(crate) struct TaskSpan {
    /// By which wakers are known, also when the span is closed.
    id: u64,
    /// Locked by whoever runs the task, of whom there is one.
    span: Mutex<Option<tracing::Span>>,
}

impl TaskSpan {
    /// Tells that a task begins; `None` if nobody listens to that.
    #[cold]
    pub(crate) fn of_task(spawn: &Spawn<'_>) -> Option<TaskSpan> {
        let span = match spawn.kind {
            "blocking" => blocking_span(spawn),
            _ => task_span(spawn),
        };
        let id = span.id()?.into_u64();
        Some(TaskSpan {
            id,
            span: Mutex::new(Some(span)),
        })
    }

    /// Until [`exit`](Self::exit), code of the task runs on this thread.
    pub(crate) fn enter(&self) {
        if let Some((subscriber, id)) = self.known() {
            subscriber.enter(&id);
        }
    }

    pub(crate) fn exit(&self) {
        if let Some((subscriber, id)) = self.known() {
            subscriber.exit(&id);
        }
    }

    /// As [`exit`](Self::exit); and the task's future is gone.
    pub(crate) fn exit_last(&self) {
        // Out of the lock, because this is the end of the span, also if `exit` panics.
        let span = unpoisoned(self.span.lock()).take();
        if let Some((subscriber, id)) = known(&span) {
            subscriber.exit(&id);
        }
    }

    /// Copied out of the lock.
    fn known(&self) -> Option<(tracing::Dispatch, span::Id)> {
        let span = unpoisoned(self.span.lock());
        known(&span)
    }

    pub(crate) fn waker_event(&self, op: &'static str) {
        if self.id != 0 {
            tracing::trace!(target: "tokio::task::waker", op = op, task.id = self.id);
        }
    }
}

fn known(span: &Option<tracing::Span>) -> Option<(tracing::Dispatch, span::Id)> {
    let span = span.as_ref()?;
    span.with_subscriber(|(id, subscriber)| (subscriber.clone(), id.clone()))
}

fn task_span(spawn: &Spawn<'_>) -> tracing::Span {
    tracing::trace_span!(
        target: "tokio::task",
        parent: None,
        "runtime.spawn",
        kind = %spawn.kind,
        task.name = %spawn.name.unwrap_or_default(),
        task.id = spawn.id,
        original_size.bytes = original_size(spawn),
        size.bytes = spawn.size,
        loc.file = spawn.at.file(),
        loc.line = spawn.at.line(),
        loc.col = spawn.at.column(),
    )
}

fn blocking_span(spawn: &Spawn<'_>) -> tracing::Span {
    tracing::trace_span!(
        target: "tokio::task::blocking",
        "runtime.spawn",
        kind = %spawn.kind,
        task.name = %spawn.name.unwrap_or_default(),
        task.id = spawn.id,
        "fn" = %spawn.type_name,
        original_size.bytes = original_size(spawn),
        size.bytes = spawn.size,
        loc.file = spawn.at.file(),
        loc.line = spawn.at.line(),
        loc.col = spawn.at.column(),
    )
}

fn original_size(spawn: &Spawn<'_>) -> Option<usize> {
    (spawn.original_size != spawn.size).then_some(spawn.original_size)
}

/// The future of a `block_on`, in a span of its own. Calls `spawn` if somebody listens.
pub(crate) fn block_on<'a, F>(future: F, spawn: impl FnOnce() -> Spawn<'a>) -> Instrumented<F> {
    let span = match is_on() {
        true => task_span(&spawn()),
        false => tracing::Span::none(),
    };
    future.instrument(span)
}

/// A resource of `target`, made at a location in the program.
macro_rules! resource {
    ($target:literal, $at:expr, $($($key:ident).+ = $value:expr),* $(,)?) => {{
        let at: &'static std::panic::Location<'static> = $at;
        $crate::util::spans::Resource::new(|| {
            tracing::trace_span!(
                target: $target,
                parent: None,
                "runtime.resource",
                $($($key).+ = $value,)*
                loc.file = at.file(),
                loc.line = at.line(),
                loc.col = at.column(),
            )
        })
    }};
}

/// A resource that is a part of another one.
macro_rules! internal_resource {
    ($target:literal, $($($key:ident).+ = $value:expr),* $(,)?) => {
        $crate::util::spans::Resource::new(|| {
            tracing::trace_span!(
                target: $target,
                parent: None,
                "runtime.resource",
                $($($key).+ = $value,)*
                is_internal = true,
            )
        })
    };
}

/// An async op of `target` on a resource. The updates, if there are any, are told before its first
/// poll.
macro_rules! begin_async_op {
    ($target:literal, $resource:expr, $source:literal $(, $update:expr)* $(,)?) => {
        $crate::util::spans::AsyncOp::new(
            $resource,
            || tracing::trace_span!(
                target: $target,
                "runtime.resource.async_op",
                source = $source
            ),
            || {
                $($update;)*
                tracing::trace_span!(target: $target, "runtime.resource.async_op.poll")
            },
        )
    };
}

/// As [`begin_async_op`], entering no span.
macro_rules! child_async_op {
    ($target:literal, $resource:expr, $source:literal) => {
        match $crate::util::spans::is_on() {
            true => {
                let op = tracing::trace_span!(
                    target: $target,
                    parent: $resource.id(),
                    "runtime.resource.async_op",
                    source = $source
                );
                let poll = tracing::trace_span!(
                    target: $target,
                    parent: &op,
                    "runtime.resource.async_op.poll"
                );
                $crate::util::spans::AsyncOp::made(op, poll)
            }
            false => $crate::util::spans::AsyncOp::NONE,
        }
    };
}

/// Something became of a resource.
macro_rules! state_update {
    ($resource:expr, $($($key:ident).+ = $value:expr),* $(,)?) => {
        if $crate::util::spans::is_on() {
            $resource.in_scope(|| {
                tracing::trace!(
                    target: "runtime::resource::state_update",
                    $($($key).+ = $value),*
                )
            });
        }
    };
}

/// Something became of the async op that this thread is in.
macro_rules! op_update {
    ($($($key:ident).+ = $value:expr),* $(,)?) => {
        tracing::trace!(
            target: "runtime::resource::async_op::state_update",
            $($($key).+ = $value),*
        )
    };
}

pub(crate) use {
    begin_async_op, child_async_op, internal_resource, op_update, resource, state_update,
};
