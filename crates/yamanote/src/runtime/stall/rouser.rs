//! How a worker that wakes up gets the watchdog up.
#![forbid(unsafe_code)]

use crate::loom::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
    fence,
};

/// The watchdog's bed, as workers see it.
pub(crate) struct Rouser {
    /// The watchdog sleeps without limit, or there is no thread yet.
    lies: AtomicBool,
    get_up: fn(),
}

impl Rouser {
    /// It lies, and `get_up` is called when somebody wants it up.
    pub(super) fn new(get_up: fn()) -> Rouser {
        Rouser {
            lies: AtomicBool::new(true),
            get_up,
        }
    }

    /// Called by a worker that has said that it is awake.
    #[inline]
    pub(super) fn rouse(&self) {
        // Pairs with the fence in `lie_down`: it sees who is awake, or this sees it lying.
        fence(SeqCst);
        if self.lies.load(Relaxed) {
            self.try_get_up();
        }
    }

    #[cold]
    fn try_get_up(&self) {
        // Relaxed: one caller is enough, and `get_up` locks.
        if self.lies.swap(false, Relaxed) {
            (self.get_up)();
        }
    }

    /// The watchdog lies from now on. It is to look who is awake, after this.
    pub(super) fn lie_down(&self) {
        self.lies.store(true, Relaxed); // the fence
        // Pairs with the fence in `rouse`.
        fence(SeqCst);
    }

    #[cfg(all(test, loom))]
    pub(super) fn lies(&self) -> bool {
        self.lies.load(Relaxed) // when all is over
    }

    /// It does not lie, or not any more.
    pub(super) fn stay_up(&self) {
        self.lies.store(false, Relaxed); // nobody need see it soon
    }
}
