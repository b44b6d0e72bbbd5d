//! What a task is known by, from its spawn to its end.
#![forbid(unsafe_code)]

use super::id::Id;
use super::label::Label;
use crate::util::spans::{self, Spawn};
use std::any::type_name;
use std::panic::Location;

/// Made where the task is spawned, and kept in its header.
pub(crate) struct Meta {
    pub(crate) id: Id,
    /// The call that spawned it, in the program or, for what the runtime spawns itself, in here.
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) label: Label,
}

/// The part of it that hooks are told.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    pub(super) id: Id,
    pub(super) spawned_at: &'static Location<'static>,
}

impl Meta {
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            id: self.id,
            spawned_at: self.spawned_at,
        }
    }

    /// For a task that the caller spawns. Every function between this and the public one is
    /// `#[track_caller]`, or takes the `Meta`; closures pass no caller on.
    #[track_caller]
    pub(crate) fn here() -> Meta {
        Meta {
            id: Id::next(),
            spawned_at: Location::caller(),
            label: Label::NONE,
        }
    }

    /// As [`here`](Meta::here), of a task with a name.
    #[track_caller]
    pub(crate) fn named(name: Option<&str>) -> Meta {
        let mut meta = Meta::here();
        if let Some(name) = name {
            meta.label = Label::of_name(meta.id, name);
        }
        meta
    }

    /// Tells a subscriber of `tracing` of the task that runs `F`. `kind` and `original_size` as in
    /// [`Spawn`]. Called with nothing locked or borrowed.
    #[inline]
    pub(crate) fn announced<F>(self, kind: &'static str, original_size: usize) -> Meta {
        if !spans::is_on() {
            return self;
        }
        let spawn = Spawn {
            kind,
            name: None,
            id: self.id.number(),
            type_name: type_name::<F>(),
            size: size_of::<F>(),
            original_size,
            at: self.spawned_at,
        };
        // Word by word, so that a `Meta` nobody is told of need not be in memory.
        Meta {
            id: self.id,
            spawned_at: self.spawned_at,
            label: self.label.announced(&spawn),
        }
    }
}

/// The future of a `block_on`, whose caller is where it is said to be.
#[track_caller]
pub(crate) fn block_on_span<F: Future>(
    future: F,
    original_size: usize,
) -> impl Future<Output = F::Output> {
    let at = Location::caller();
    spans::block_on(future, || Spawn {
        kind: "block_on",
        name: None,
        id: Id::next().number(),
        type_name: type_name::<F>(),
        size: size_of::<F>(),
        original_size,
        at,
    })
}
