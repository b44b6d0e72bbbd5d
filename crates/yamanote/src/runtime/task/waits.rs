//! For how long tasks wait, as far as somebody looks now and then.
//!
//! A poll takes no time for it: who looks marks the tasks that wait, and remembers when. The next
//! poll takes the mark away with the same store that begins it. So a task that still has its mark
//! has waited since.

use super::Id;
use super::biased::with_near;
use super::core::Header;
use super::near_word::{Near, Run};
use super::state::SEEN;
use crate::util::poison::unpoisoned;
use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// Tasks that are remembered. More would take more memory than it is worth.
const MOST: usize = 1 << 16;

/// Since when each of an owner's tasks has been seen to wait.
#[derive(Default)]
pub(super) struct Waits(Mutex<HashMap<Id, Instant>>);

/// The tasks that somebody is about to look at, and since when they are known to wait. `None`:
/// since they wait again, after the look.
pub(crate) type Looked = HashMap<Id, Option<Instant>>;

impl Waits {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Instant>> {
        unpoisoned(self.0.lock())
    }

    /// All that are remembered, which are forgotten.
    pub(super) fn take(&self) -> HashMap<Id, Instant> {
        mem::take(&mut *self.lock())
    }

    pub(super) fn put_back(&self, since: HashMap<Id, Instant>) {
        let old = mem::replace(&mut *self.lock(), since);
        drop(old);
    }

    /// Marks the task if it was looked at and waits again. One that does not yet, `left` takes.
    ///
    /// # Safety
    ///
    /// A biased task is near.
    pub(super) unsafe fn mark(&self, header: &Header, looked: &Looked, left: &mut Looked) {
        let id = header.meta.id;
        let Some(&since) = looked.get(&id) else {
            return;
        };
        let mut all = self.lock();
        if all.len() >= MOST {
            return;
        }
        // SAFETY: passed on.
        if unsafe { set_seen(header) } {
            all.insert(id, since.unwrap_or_else(Instant::now));
        } else {
            left.insert(id, since);
        }
    }
}

/// Of a task that waits: since when, if it is known by `old`. Marks it, and remembers it in `new`.
///
/// # Safety
///
/// A biased task is near.
pub(super) unsafe fn note(
    header: &Header,
    now: Instant,
    old: &HashMap<Id, Instant>,
    new: &mut HashMap<Id, Instant>,
) -> Option<Instant> {
    let id = header.meta.id;
    // SAFETY: passed on.
    let was_seen = unsafe { is_seen(header) };
    // SAFETY: passed on.
    if new.len() >= MOST || !unsafe { set_seen(header) } {
        return None;
    }
    let known = old.get(&id).filter(|_| was_seen);
    let since = known.copied().unwrap_or(now);
    new.insert(id, since);
    Some(since)
}

/// Whether the task has been marked, and not been polled since.
///
/// # Safety
///
/// A biased task is near.
pub(super) unsafe fn is_seen(header: &Header) -> bool {
    match header.vtable.is_biased {
        // SAFETY: passed on, and nothing is called that comes here.
        true => unsafe { with_near(header, |near| near.run == Run::Seen) },
        false => header.state.load().has(SEEN),
    }
}

/// Marks the task if it waits, and returns whether it does. A wake from far may come meanwhile: the
/// poll that it asks for takes the mark away.
///
/// # Safety
///
/// A biased task is near.
unsafe fn set_seen(header: &Header) -> bool {
    if !header.vtable.is_biased {
        return header.state.set_seen();
    }
    let set = |near: &mut Near| {
        let waits = !near.merged && !near.queued && near.run != Run::Polled;
        if waits {
            near.run = Run::Seen;
        }
        waits
    };
    // SAFETY: passed on, and nothing is called that comes here.
    unsafe { with_near(header, set) }
}
