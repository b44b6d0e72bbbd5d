//! What was seen before, and what follows from the difference.
#![forbid(unsafe_code)]

use super::super::snapshot::{Runtime, Snapshot};
use std::collections::BTreeMap;
use std::time::Duration;

/// What was seen before. Without it there are no rates and no ages.
#[derive(Default)]
pub struct History {
    pub(super) before: Option<Snapshot>,
    /// When a task was first seen as the oldest of its place.
    first_seen: BTreeMap<u64, u64>,
}

impl History {
    /// Another snapshot is going to be shown.
    pub fn add(&mut self, snapshot: Snapshot) {
        let runtimes = snapshot.runtimes.iter();
        let places = runtimes.flat_map(|runtime| runtime.locations.iter().flatten());
        let oldest = places.filter_map(|place| place.oldest_task);
        let seen = |task: u64| {
            let first = self.first_seen.get(&task).copied();
            (task, first.unwrap_or(snapshot.time_ns))
        };
        self.first_seen = oldest.map(seen).collect();
        self.before = Some(snapshot);
    }

    pub fn earlier<'a>(&'a self, now: &Snapshot, runtime: &Runtime) -> Option<Earlier<'a>> {
        let before = self.before.as_ref()?;
        // Another process may have taken the place of the first.
        if before.pid != now.pid || before.time_ns >= now.time_ns {
            return None;
        }
        Some(Earlier {
            runtime: before.runtimes.iter().find(|then| then.id == runtime.id)?,
            seconds: (now.time_ns - before.time_ns) as f64 / 1e9,
            first_seen: &self.first_seen,
            now_ns: now.time_ns,
        })
    }
}

/// The same runtime in the snapshot before.
#[derive(Clone, Copy)]
pub struct Earlier<'a> {
    pub runtime: &'a Runtime,
    pub seconds: f64,
    first_seen: &'a BTreeMap<u64, u64>,
    now_ns: u64,
}

impl Earlier<'_> {
    /// By how much a count has grown each second.
    pub fn rate(&self, before: u64, now: u64) -> f64 {
        now.saturating_sub(before) as f64 / self.seconds
    }

    /// For how long a task has been seen.
    pub fn age(&self, task: u64) -> Option<Duration> {
        let seen_ns = self.now_ns.saturating_sub(*self.first_seen.get(&task)?);
        Some(Duration::from_nanos(seen_ns))
    }
}
