//! How another thread gets the living tasks counted: the thread that drives does it, because their
//! lists are its own.
#![forbid(unsafe_code)]

use crate::runtime::task::Census;
use crate::util::poison::unpoisoned;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

pub(super) struct CensusBoard {
    /// Somebody waits. Relaxed: the driver's token tells the thread that drives of it.
    is_wanted: AtomicBool,
    census: Mutex<Option<Census>>,
    is_there: Condvar,
}

impl CensusBoard {
    pub(super) fn new() -> CensusBoard {
        CensusBoard {
            is_wanted: AtomicBool::new(false),
            census: Mutex::new(None),
            is_there: Condvar::new(),
        }
    }

    /// Asks for one and waits for at most `limit`. `wake` lets the thread that drives look here.
    pub(super) fn ask(&self, limit: Duration, wake: impl FnOnce()) -> Option<Census> {
        let mut census = unpoisoned(self.census.lock());
        // One that came too late.
        *census = None;
        self.is_wanted.store(true, Relaxed);
        wake();
        let waiting = self
            .is_there
            .wait_timeout_while(census, limit, |it| it.is_none());
        let (mut census, _) = unpoisoned(waiting);
        self.is_wanted.store(false, Relaxed);
        census.take()
    }

    /// For the thread that drives, at each of its turns.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Relaxed)
    }

    #[cold]
    pub(super) fn put_up(&self, census: Census) {
        self.is_wanted.store(false, Relaxed);
        *unpoisoned(self.census.lock()) = Some(census);
        self.is_there.notify_all();
    }
}
