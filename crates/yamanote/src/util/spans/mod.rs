//! What a subscriber of `tracing` is told: which tasks there are, what they wait for, and who wakes
//! them, in the form that tokio-console reads. Names, targets and fields are Tokio's.
//!
//! A **resource** is what tasks wait for: a lock, a channel, a timer. One wait for it is an **async
//! op**. Both, and tasks, have spans; what becomes of them are events.
//!
//! Everything stands here twice, in the same shape: `told` is compiled with the feature `tracing`,
//! `untold` without, and there all of it is nothing and takes no room.
//!
//! 1. While nobody listens at the level TRACE, telling costs one look at a static. Nothing is made,
//!    and a type that could have a span has one word for it.
//! 2. A subscriber is foreign code: it is called with no lock held and nothing borrowed, and what
//!    its panic leaves behind is whole.
#![forbid(unsafe_code)]

#[cfg(feature = "tracing")]
mod told;
#[cfg(not(feature = "tracing"))]
mod untold;

#[cfg(feature = "tracing")]
pub(crate) use told::*;
#[cfg(not(feature = "tracing"))]
pub(crate) use untold::*;

/// What is known of a task or a call of `block_on` when it begins.
#[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "nobody is told"))]
pub(crate) struct Spawn<'a> {
    /// `task`, `local`, `blocking` or `block_on`.
    pub(crate) kind: &'static str,
    pub(crate) name: Option<&'a str>,
    pub(crate) id: u64,
    /// Of the future or function.
    pub(crate) type_name: &'static str,
    /// Bytes of the future or function, and what they were before it was boxed.
    pub(crate) size: usize,
    pub(crate) original_size: usize,
    pub(crate) at: &'static std::panic::Location<'static>,
}
