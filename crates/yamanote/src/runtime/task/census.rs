//! Living tasks, counted by where they were spawned.
#![forbid(unsafe_code)]

use super::id::Id;
use super::meta::Meta;
use std::collections::HashMap;
use std::panic::Location;
use std::time::Instant;

/// A count under way. It stops at its limit, because lists are locked, or a runtime waits, while
/// they are gone through.
pub(crate) struct Census {
    /// By the location's address, which is quick to compare, and by name. One line of a program may
    /// have several addresses.
    counts: HashMap<(usize, Option<Box<str>>), Count>,
    left: usize,
    is_complete: bool,
}

/// The tasks of one name that one place in a program has spawned.
#[derive(Debug)]
pub(crate) struct Count {
    pub(crate) spawned_at: &'static Location<'static>,
    /// Few tasks have one.
    pub(crate) name: Option<Box<str>>,
    /// Somebody polls them.
    pub(crate) running: usize,
    /// They are to be polled.
    pub(crate) runnable: usize,
    /// They wait to be woken.
    pub(crate) waiting: usize,
    /// The smallest id.
    pub(crate) oldest: Id,
    /// Since when the one has been seen to wait that waits for longest.
    pub(crate) waits_since: Option<Instant>,
}

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Running,
    Runnable,
    Waiting,
}

impl Census {
    pub(crate) fn of_at_most(limit: usize) -> Census {
        Census {
            counts: HashMap::new(),
            left: limit,
            is_complete: true,
        }
    }

    /// Counts a task, seen to wait `since` then; `false` if it is one too many.
    pub(super) fn count(
        &mut self,
        meta: &Meta,
        condition: Condition,
        since: Option<Instant>,
    ) -> bool {
        if self.left == 0 {
            self.is_complete = false;
            return false;
        }
        self.left -= 1;
        let count = self
            .counts
            .entry((
                std::ptr::from_ref(meta.spawned_at).addr(),
                meta.label.name_copied(),
            ))
            .or_insert_with(|| Count::none(meta));
        let one = match condition {
            Condition::Running => &mut count.running,
            Condition::Runnable => &mut count.runnable,
            Condition::Waiting => &mut count.waiting,
        };
        *one += 1;
        count.waits_since = earlier(count.waits_since, since);
        count.oldest = count.oldest.min(meta.id);
        true
    }

    /// Whether all tasks were counted.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// One for each line and name, in their order.
    pub(crate) fn into_counts(self) -> Vec<Count> {
        let mut counts: Vec<_> = self.counts.into_values().collect();
        counts.sort_by(|a, b| a.key().cmp(&b.key()));
        counts.dedup_by(|later, kept| {
            let is_same = later.key() == kept.key();
            if is_same {
                kept.running += later.running;
                kept.runnable += later.runnable;
                kept.waiting += later.waiting;
                kept.oldest = kept.oldest.min(later.oldest);
                kept.waits_since = earlier(kept.waits_since, later.waits_since);
            }
            is_same
        });
        counts
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

impl Count {
    fn key(&self) -> (&'static Location<'static>, Option<&str>) {
        (self.spawned_at, self.name.as_deref())
    }

    fn none(meta: &Meta) -> Count {
        Count {
            spawned_at: meta.spawned_at,
            name: meta.label.name_copied(),
            running: 0,
            runnable: 0,
            waiting: 0,
            oldest: meta.id,
            waits_since: None,
        }
    }
}
