//! What a task is known by, from its spawn to its end.
#![forbid(unsafe_code)]

use super::id::Id;
use std::panic::Location;

/// Made where the task is spawned, and kept in its header. The task's name, if it was given one, is
/// kept beside, because few tasks have one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) id: Id,
    #[cfg_attr(
        not(all(test, not(loom))),
        expect(dead_code, reason = "hooks and dumps will ask")
    )]
    /// The call that spawned it, in the program or, for what the runtime spawns itself, in here.
    pub(crate) spawned_at: &'static Location<'static>,
}

impl Meta {
    /// For a task that the caller spawns. Every function between this and the public one is
    /// `#[track_caller]`, or takes the `Meta`; closures pass no caller on.
    #[track_caller]
    pub(crate) fn here() -> Meta {
        Meta {
            id: Id::next(),
            spawned_at: Location::caller(),
        }
    }
}
