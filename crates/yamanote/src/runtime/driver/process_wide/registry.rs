//! Drivers by number, for those that remember their driver without holding it.
//!
//! A timer that is made and dropped without ever waiting, as most timeouts are, thus leaves the
//! driver's reference count alone, a cache line that all workers would write to.
#![forbid(unsafe_code)]

use crate::runtime::driver::Driver;
use crate::util::poison::unpoisoned;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

static DRIVERS: Mutex<BTreeMap<u64, Weak<Driver>>> = Mutex::new(BTreeMap::new());

fn lock() -> MutexGuard<'static, BTreeMap<u64, Weak<Driver>>> {
    unpoisoned(DRIVERS.lock())
}

/// A number that is never given out twice in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DriverId(u64);

impl DriverId {
    pub(crate) fn next() -> DriverId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: only the number matters.
        DriverId(NEXT.fetch_add(1, Relaxed))
    }

    /// The driver, if its runtime, or something else that holds it, still exists.
    pub(crate) fn find(self) -> Option<Arc<Driver>> {
        lock().get(&self.0)?.upgrade()
    }
}

/// All drivers. The caller may be left with the last use of one.
pub(crate) fn all() -> Vec<Arc<Driver>> {
    lock().values().filter_map(Weak::upgrade).collect()
}

impl Driver {
    pub(crate) fn register(self: &Arc<Self>) {
        lock().insert(self.id.0, Arc::downgrade(self));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // In a forked child the lock may be held for ever, by a thread that is not there.
        if !self.is_forked() {
            lock().remove(&self.id.0);
        }
    }
}
