//! The near word of a biased task: see [`super::biased`].
#![forbid(unsafe_code)]

use super::state::{NOTIFIED, REFERENCE, Snapshot, State, Wake};
use crate::loom::cell::UnsafeCell;
use crate::loom::sync::atomic::Ordering::Relaxed;

/// What the state's count starts with, so that it stays above zero whatever is given up far.
pub(super) const BIAS: usize = 4 * LIMIT as usize * REFERENCE;

/// The near count is brought back to zero when it gets here, up or down.
const LIMIT: i32 = match cfg!(all(test, loom)) {
    false => 1 << 20,
    true => 2,
};

/// Rule 7 says who may touch what is in it.
pub(super) struct NearWord(pub(super) UnsafeCell<Near>);

/// What is done to the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Run {
    Idle,
    /// The thread that drives polls or cancels it.
    Polled,
    /// Idle, and somebody has seen it wait since its last poll.
    Seen,
}

pub(super) struct Near {
    pub(super) references: i32,
    pub(super) queued: bool,
    pub(super) run: Run,
    pub(super) merged: bool,
}

impl NearWord {
    /// For a task that its scheduler has, made near if `queued`, with the references of list and
    /// `Notified`.
    pub(super) fn new(queued: bool) -> NearWord {
        NearWord(UnsafeCell::new(Near {
            references: 2,
            queued,
            run: Run::Idle,
            merged: false,
        }))
    }

    /// For a task without a near.
    pub(super) fn unused() -> NearWord {
        NearWord(UnsafeCell::new(Near {
            references: 0,
            queued: false,
            run: Run::Idle,
            merged: true,
        }))
    }

    /// To loom the end of the memory is no access.
    #[cfg(all(test, loom))]
    pub(super) fn end(&self) {
        self.0.with_mut(|_| ());
    }
}

impl Near {
    /// Counts references made, or given up if negative.
    pub(super) fn count(&mut self, state: &State, change: i32) {
        self.references += change;
        if self.references.abs() >= LIMIT {
            self.move_count(state);
        }
    }

    /// Moves the near count to the state's.
    #[cold]
    fn move_count(&mut self, state: &State) {
        let count = std::mem::take(&mut self.references);
        state.count(count);
    }

    /// A wake; the caller counts the reference for [`Wake::Schedule`].
    pub(super) fn wake(&mut self, state: &State) -> Wake {
        // Relaxed: whoever set NOTIFIED sees to the entry in the injection queue, and only this
        // thread takes it out of there.
        if self.queued || Snapshot(state.word(Relaxed)).has(NOTIFIED) {
            return Wake::Noted;
        }
        self.queued = true;
        match self.run {
            // Rule 2: the runner makes the `Notified`.
            Run::Polled => Wake::Noted,
            Run::Idle | Run::Seen => Wake::Schedule,
        }
    }
}
