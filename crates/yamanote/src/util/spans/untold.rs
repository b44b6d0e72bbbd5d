//! Without the feature `tracing`.
#![forbid(unsafe_code)]

use std::future::Future;

use super::Spawn;

/// Whether the following does anything.
pub(crate) const TELLS: bool = false;

#[derive(Clone)]
pub(crate) struct Resource;

impl Resource {
    pub(crate) const NONE: Resource = Resource;

    #[inline(always)]
    pub(crate) fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }
}

#[derive(Clone)]
pub(crate) struct AsyncOp;

/// A guard that guards nothing, with a destructor's place in the code.
pub(crate) struct Entered;

impl AsyncOp {
    pub(crate) const NONE: AsyncOp = AsyncOp;

    #[inline(always)]
    pub(crate) fn enter(&self, _resource: &Resource) -> Entered {
        Entered
    }
}

pub(crate) struct Assigned;

impl Assigned {
    #[inline(always)]
    pub(crate) fn new() -> Assigned {
        Assigned
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, _to: &AsyncOp, _permits: usize) {}

    #[inline(always)]
    pub(crate) fn tell(self) {}
}

/// Nobody listens.
pub(crate) fn stall(_stall: &dyn std::fmt::Display) -> bool {
    false
}

#[cfg(feature = "sim")]
#[derive(Clone)]
pub(crate) struct HostSpan;

#[cfg(feature = "sim")]
impl HostSpan {
    pub(crate) fn new(_name: &str) -> HostSpan {
        HostSpan
    }

    pub(crate) fn enter_for_good(&self) {}
}

#[inline(always)]
pub(crate) fn is_on() -> bool {
    false
}

#[inline(always)]
pub(crate) fn poll_op(_name: &'static str, _is_ready: bool) {}

#[inline(always)]
pub(crate) fn async_op<F: Future>(
    _resource: &Resource,
    _source: &'static str,
    _poll_op: &'static str,
    _inherits_child_attrs: bool,
    inner: impl FnOnce() -> F,
) -> F {
    inner()
}

#[derive(Default)]
pub(crate) struct TaskSpan;

impl TaskSpan {
    pub(crate) fn of_task(_spawn: &Spawn<'_>) -> Option<TaskSpan> {
        None
    }

    #[inline(always)]
    pub(crate) fn enter(&self) {}

    #[inline(always)]
    pub(crate) fn exit(&self) {}

    #[inline(always)]
    pub(crate) fn exit_last(&self) {}

    #[inline(always)]
    pub(crate) fn waker_event(&self, _op: &'static str) {}
}

#[inline(always)]
pub(crate) fn block_on<'a, F>(future: F, _spawn: impl FnOnce() -> Spawn<'a>) -> F {
    future
}

macro_rules! resource {
    ($target:literal, $at:expr, $($($key:ident).+ = $value:expr),* $(,)?) => {{
        let _ = $at;
        $(let _ = &$value;)*
        $crate::util::spans::Resource
    }};
}

macro_rules! internal_resource {
    ($target:literal, $($($key:ident).+ = $value:expr),* $(,)?) => {{
        $(let _ = &$value;)*
        $crate::util::spans::Resource
    }};
}

macro_rules! begin_async_op {
    ($target:literal, $resource:expr, $source:literal $(, $update:expr)* $(,)?) => {{
        let _ = $resource;
        $($update;)*
        $crate::util::spans::AsyncOp
    }};
}

macro_rules! child_async_op {
    ($target:literal, $resource:expr, $source:literal) => {{
        let _ = &$resource;
        $crate::util::spans::AsyncOp
    }};
}

macro_rules! state_update {
    ($resource:expr, $($($key:ident).+ = $value:expr),* $(,)?) => {{
        let _ = || {
            let _ = &$resource;
            $(let _ = &$value;)*
        };
    }};
}

macro_rules! op_update {
    ($($($key:ident).+ = $value:expr),* $(,)?) => {{
        let _ = || {
            $(let _ = &$value;)*
        };
    }};
}

pub(crate) use {
    begin_async_op, child_async_op, internal_resource, op_update, resource, state_update,
};
