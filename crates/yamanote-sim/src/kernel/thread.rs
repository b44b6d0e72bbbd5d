//! The threads of a simulation. One runs at a time.
#![forbid(unsafe_code)]

use super::host::{HostId, Life};
use super::timers::TimerId;
use crate::baton::Baton;
use std::sync::Arc;

/// Numbers a thread of a world, in the order in which they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// In the line of those that can run.
    Ready,
    Running,
    Blocked,
    /// It is over.
    Done,
}

#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) life: Life,
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) baton: Arc<Baton>,
    /// What it waits for; any of these wakes it.
    pub(crate) waits: Vec<Key>,
    /// What ends its wait.
    pub(crate) timeout: Option<TimerId>,
    /// The last wait was ended by its deadline.
    pub(crate) has_timed_out: bool,
    /// The handle by which `pthread_join` names it, once it is known.
    pub(crate) handle: usize,
}

/// What a thread can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// A futex, by its address.
    Futex(usize),
    /// A change of an open file, by the number of its description.
    File(u32),
    /// An event of an epoll, by the number of its description.
    Events(u32),
    /// The locks of a host's file.
    Lock(HostId, u64),
    /// The end of a thread.
    Thread(ThreadId),
    /// Time alone.
    Time,
    /// Nothing: its process has ended.
    Never,
}
