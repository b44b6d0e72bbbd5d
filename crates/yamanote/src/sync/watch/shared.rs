//! What the halves of a `watch` channel share.
//!
//! The value stands behind a lock; one atomic word beside it says which value it is, and whether
//! all senders are gone. So asking whether something is unseen costs one load. The word's version
//! is stepped under the write lock: a holder of the read lock sees value and version of the same
//! moment.
//!
//! Receivers wait for a change in one of several [`Notify`]s, so that many of them do not queue at
//! one lock. Each receiver has its own one, and those that no receiver ever had are left out.
#![forbid(unsafe_code)]

use std::fmt;

use crate::loom::sync::atomic::AtomicUsize;
use crate::loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::loom::sync::{RwLock, RwLockReadGuard};
use crate::sync::Notify;
use crate::util::first_panic::FirstPanic;
use crate::util::poison::{unpoisoned, unpoisoned_if_free};

const CLOSED: usize = 1;
/// The version stands above [`CLOSED`] and wraps.
const STEP: usize = 2;

#[cfg(not(all(test, loom)))]
const SHARDS: usize = 8;
#[cfg(all(test, loom))]
const SHARDS: usize = 2;

/// Which value: compared for equality only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version(usize);

impl Version {
    /// Another one: for a receiver that has not seen this.
    pub(super) fn previous(self) -> Self {
        Version(self.0.wrapping_sub(STEP))
    }
}

/// The word, as it was read.
#[derive(Clone, Copy)]
pub(super) struct State(usize);

impl State {
    pub(super) fn version(self) -> Version {
        Version(self.0 & !CLOSED)
    }

    pub(super) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }
}

/// In a line of its own.
#[repr(align(64))]
struct Apart(Notify);

pub(super) struct Shared<T> {
    value: RwLock<T>,
    state: AtomicUsize,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// A bit for each of `changed` that a receiver has or had.
    shards_used: AtomicUsize,
    changed: [Apart; SHARDS],
    /// The last receiver went.
    abandoned: Notify,
}

impl<T> Shared<T> {
    /// With one sender.
    pub(super) fn new(value: T) -> Self {
        Shared {
            value: RwLock::new(value),
            state: AtomicUsize::new(0),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(0),
            shards_used: AtomicUsize::new(0),
            changed: std::array::from_fn(|_| Apart(Notify::new())),
            abandoned: Notify::new(),
        }
    }

    pub(super) fn state(&self) -> State {
        // Pairs with the Release in `modify` and `sender_gone`.
        State(self.state.load(Acquire))
    }

    /// A closure that panicked under the lock has left a value all the same.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, T> {
        unpoisoned(self.value.read())
    }

    /// Runs `modify` on the value; if it says so, this is a new version, and receivers are notified
    /// when the lock is released.
    pub(super) fn modify(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let mut value = unpoisoned(self.value.write());
        if !modify(&mut value) {
            return false;
        }
        // Pairs with the Acquire in `state`, for those that only ask whether there is a change; the
        // value has its lock.
        self.state.fetch_add(STEP, Release);
        drop(value);
        self.notify_receivers();
        true
    }

    fn notify_receivers(&self) {
        // A step of its own in the order of this word: a receiver that adds its bit after it sees
        // the state as it is now, by the AcqRel there; one that added it before is notified.
        let used = self.shards_used.fetch_or(0, AcqRel);
        let mut panics = FirstPanic::default();
        for (shard, notify) in self.changed.iter().enumerate() {
            if used & (1 << shard) != 0 {
                panics.catch(|| notify.0.notify_waiters());
            }
        }
        panics.resume();
    }

    /// What notifies the receivers of this shard.
    pub(super) fn changed(&self, shard: usize) -> &Notify {
        &self.changed[shard].0
    }

    pub(super) fn abandoned(&self) -> &Notify {
        &self.abandoned
    }

    pub(super) fn senders(&self) -> usize {
        self.senders.load(Relaxed) // a counter, read for its own sake
    }

    pub(super) fn receivers(&self) -> usize {
        // `Sender::closed` is woken through `abandoned`, which orders this too.
        self.receivers.load(Relaxed)
    }

    pub(super) fn add_sender(&self) {
        self.senders.fetch_add(1, Relaxed); // there is one, which the caller holds
    }

    pub(super) fn sender_gone(&self) {
        // AcqRel: what the other senders did is before the close.
        if self.senders.fetch_sub(1, AcqRel) == 1 {
            self.state.fetch_or(CLOSED, Release); // pairs with the Acquire in `state`
            self.notify_receivers();
        }
    }

    /// Returns the new receiver's shard.
    pub(super) fn add_receiver(&self) -> usize {
        let shard = self.receivers.fetch_add(1, Relaxed) % SHARDS;
        self.shards_used.fetch_or(1 << shard, AcqRel); // pairs with `notify_receivers`
        shard
    }

    pub(super) fn receiver_gone(&self) {
        if self.receivers.fetch_sub(1, Relaxed) == 1 {
            self.abandoned.notify_waiters();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let mut shared = f.debug_struct("Shared");
        match unpoisoned_if_free(self.value.try_read()) {
            Some(value) => shared.field("value", &*value),
            None => shared.field("value", &format_args!("<locked>")),
        };
        shared
            .field("version", &state.version())
            .field("is_closed", &state.is_closed())
            .field("ref_count_rx", &self.receivers())
            .finish()
    }
}
