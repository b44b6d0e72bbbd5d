//! A ring's table of operations: where a completion finds the payload and the waker it belongs to.
//!
//! The states are drawn in `op.rs`, where the rules are too.

use std::any::Any;
use std::task::Waker;

use super::completion::{CqeResult, Key, OnDrop};
use super::payload::{Carried, Payload};
use crate::sys::uring::sqe::Sqe;

/// The table's side of an operation's life.
#[derive(Debug)]
pub(crate) enum Lifecycle {
    /// P, S: with the queue or the kernel.
    Waiting(Waker),
    /// C.
    Completed(CqeResult),
    /// X: nobody waits; the payload stays until the last CQE.
    Orphan,
    /// The kernel says it has lost completions, maybe this one. A late CQE still counts.
    Lost,
}

struct Live {
    lifecycle: Lifecycle,
    payload: Payload,
    on_drop: OnDrop,
    /// As it was pushed, to be pushed again (rule 6).
    sqe: Sqe,
    /// Times it may be pushed again. Threads that exit are few; a file that answers like that for
    /// ever must not keep us busy for ever.
    tries: u16,
    /// The kernel was asked to stop it.
    cancelled: bool,
}

struct Entry {
    generation: u32,
    live: Option<Live>,
}

/// What the reaper does after a completion was routed.
#[must_use]
#[derive(Debug)]
pub(crate) enum Routed {
    /// No such operation: count and ignore.
    Unknown,
    Nothing,
    Wake(Waker),
    /// An orphan's payload: drop it outside the lock.
    Garbage(Box<dyn Any + Send>),
    /// It was not done: push its SQE again. It counts as in the kernel.
    Again,
}

/// What a future finds in the table.
#[must_use]
pub(crate) enum Looked {
    Pending,
    /// Another waker is stored: call again with a clone of the present one.
    NeedsWaker,
    Ready(Box<dyn Carried>, CqeResult),
    Lost,
}

/// What a dropped future leaves behind.
#[must_use]
pub(crate) enum Orphaned {
    /// The table does not know it.
    Gone,
    /// The last CQE had come: the payload goes back.
    Finished(Box<dyn Carried>, CqeResult),
    /// An orphan remains. `must_enter`: a cancellation was queued.
    Kept {
        waker: Option<Waker>,
        must_enter: bool,
    },
}

/// The operations of one ring.
///
/// Dropping a table frees the payloads whose last CQE has come and leaks the others.
#[derive(Default)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Operations whose last CQE is still to come.
    in_kernel: usize,
    /// Entries that are used up.
    retired: usize,
}

impl Table {
    /// Gives an operation an entry, and its SQE the entry's name.
    pub(super) fn insert(
        &mut self,
        carried: Box<dyn Carried>,
        waker: Waker,
        on_drop: OnDrop,
        sqe: &mut Sqe,
    ) -> Key {
        const TRIES: u16 = 10_000;
        self.in_kernel += 1;
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.entries.len()).expect("fewer than 2^32 operations");
                assert!(
                    index != Key::INTERNAL_INDEX,
                    "fewer than 2^32 - 1 operations"
                );
                self.entries.push(Entry {
                    generation: 0,
                    live: None,
                });
                index
            }
        };
        let entry = &mut self.entries[index as usize];
        assert!(entry.live.is_none(), "a free entry is empty");
        let key = Key {
            index,
            generation: entry.generation,
        };
        sqe.user_data = key.user_data();
        entry.live = Some(Live {
            lifecycle: Lifecycle::Waiting(waker),
            payload: Payload::new(carried),
            on_drop,
            sqe: *sqe,
            tries: TRIES,
            cancelled: false,
        });
        key
    }

    /// The SQE of an operation that goes to the kernel again.
    pub(super) fn sqe(&mut self, key: Key) -> Option<Sqe> {
        self.live(key).map(|live| live.sqe)
    }

    /// The kernel is asked to stop this operation.
    pub(super) fn note_cancel(&mut self, key: Key) {
        if let Some(live) = self.live(key) {
            live.cancelled = true;
        }
    }

    fn live(&mut self, key: Key) -> Option<&mut Live> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        entry.live.as_mut()
    }

    /// Empties the entry of a completed operation and moves it to its next generation, or retires
    /// it (rule 3).
    fn take(&mut self, index: u32) -> (Box<dyn Carried>, CqeResult) {
        let entry = &mut self.entries[index as usize];
        let live = entry.live.take().expect("only an occupied entry is freed");
        match entry.generation.checked_add(1) {
            Some(next) => {
                entry.generation = next;
                self.free.push(index);
            }
            None => self.retired += 1,
        }
        let Lifecycle::Completed(cqe) = live.lifecycle else {
            unreachable!("only a completed operation leaves the table");
        };
        // SAFETY: rule 4, its last CQE has been seen.
        (unsafe { live.payload.release() }, cqe)
    }

    /// Whether the kernel may still have this operation.
    pub(super) fn is_in_kernel(&mut self, key: Key) -> bool {
        self.live(key).is_some_and(|live| live.is_in_kernel())
    }

    /// A completion arrived.
    pub(crate) fn complete(&mut self, key: Key, cqe: CqeResult) -> Routed {
        let Some(live) = self.live(key) else {
            return Routed::Unknown;
        };
        // Rule 4; and after its last CQE an operation has no more: a duplicate.
        if cqe.has_more() || !live.is_in_kernel() {
            return Routed::Unknown;
        }
        if live.is_to_go_again(&cqe) {
            live.tries -= 1;
            return Routed::Again;
        }
        let before = std::mem::replace(&mut live.lifecycle, Lifecycle::Completed(cqe));
        self.in_kernel -= 1;
        match before {
            Lifecycle::Waiting(waker) => Routed::Wake(waker),
            Lifecycle::Lost => Routed::Nothing,
            Lifecycle::Orphan => {
                let (carried, cqe) = self.take(key.index);
                Routed::Garbage(carried.into_garbage(cqe))
            }
            Lifecycle::Completed(_) => unreachable!("looked at above"),
        }
    }

    /// The future looks. `spare` is a clone of `waker` if the future has made one; it comes back as
    /// the waker it replaced.
    pub(crate) fn poll(&mut self, key: Key, waker: &Waker, spare: &mut Option<Waker>) -> Looked {
        let live = self
            .live(key)
            .expect("the entry of a living future is its own");
        match &mut live.lifecycle {
            Lifecycle::Waiting(stored) if stored.will_wake(waker) => Looked::Pending,
            Lifecycle::Waiting(stored) => {
                let Some(spare) = spare else {
                    return Looked::NeedsWaker;
                };
                std::mem::swap(stored, spare);
                Looked::Pending
            }
            Lifecycle::Completed(_) => {
                let (carried, cqe) = self.take(key.index);
                Looked::Ready(carried, cqe)
            }
            Lifecycle::Lost => Looked::Lost,
            Lifecycle::Orphan => panic!("an orphan has no future"),
        }
    }

    /// The future is dropped. The caller queues a cancellation if `must_enter` says so.
    pub(super) fn orphan(&mut self, key: Key) -> Orphaned {
        let Some(live) = self.live(key) else {
            return Orphaned::Gone;
        };
        if !live.is_in_kernel() {
            let (carried, cqe) = self.take(key.index);
            return Orphaned::Finished(carried, cqe);
        }
        let must_enter = live.on_drop == OnDrop::Cancel;
        let waker = match std::mem::replace(&mut live.lifecycle, Lifecycle::Orphan) {
            Lifecycle::Waiting(waker) => Some(waker),
            Lifecycle::Lost => None,
            Lifecycle::Orphan => panic!("a future is dropped once"),
            Lifecycle::Completed(_) => unreachable!("looked at above"),
        };
        Orphaned::Kept { waker, must_enter }
    }

    /// The operations of one policy that the kernel may have.
    pub(super) fn in_kernel_with(&self, on_drop: OnDrop) -> impl Iterator<Item = Key> + '_ {
        self.entries
            .iter()
            .enumerate()
            .filter_map(move |(index, entry)| {
                let live = entry.live.as_ref()?;
                let key = Key {
                    index: index as u32,
                    generation: entry.generation,
                };
                (live.is_in_kernel() && live.on_drop == on_drop).then_some(key)
            })
    }

    /// The kernel has lost completions: everything it may have had becomes `Lost`.
    pub(super) fn lose_all(&mut self, mut wake: impl FnMut(Waker)) {
        for live in self.entries.iter_mut().filter_map(|it| it.live.as_mut()) {
            if !matches!(live.lifecycle, Lifecycle::Waiting(_)) {
                continue;
            }
            let before = std::mem::replace(&mut live.lifecycle, Lifecycle::Lost);
            if let Lifecycle::Waiting(waker) = before {
                wake(waker);
            }
        }
    }

    /// Operations whose last CQE is still to come.
    pub(super) fn in_kernel(&self) -> usize {
        self.in_kernel
    }

    /// Occupied entries: those, and completed ones nobody has taken.
    pub(super) fn occupied(&self) -> usize {
        self.entries.len() - self.free.len() - self.retired
    }

    /// Ages an empty table's first entry, as 2^32 operations would.
    #[cfg(test)]
    pub(in crate::runtime::driver) fn age_first_entry(&mut self, generation: u32) {
        assert!(self.entries.is_empty());
        self.entries.push(Entry {
            generation,
            live: None,
        });
        self.free.push(0);
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for live in self.entries.drain(..).filter_map(|entry| entry.live) {
            // Rule 1: any other is leaked. The kernel may still use it.
            if let Lifecycle::Completed(cqe) = live.lifecycle {
                // SAFETY: rule 4, its last CQE has been seen.
                drop(unsafe { live.payload.release() }.into_garbage(cqe));
            }
        }
    }
}

impl Live {
    /// Whether its last CQE is still to come.
    fn is_in_kernel(&self) -> bool {
        !matches!(self.lifecycle, Lifecycle::Completed(_))
    }

    /// Rule 6.
    fn is_to_go_again(&self, cqe: &CqeResult) -> bool {
        cqe.is_broken_off()
            && !self.cancelled
            && self.tries > 0
            && !matches!(self.lifecycle, Lifecycle::Lost)
    }
}
