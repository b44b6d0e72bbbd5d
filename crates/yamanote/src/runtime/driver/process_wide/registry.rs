//! Drivers by number, for those that remember their driver without holding it.
//!
//! A timer that is made and dropped without ever waiting, as most timeouts are, thus leaves the
//! driver's reference count alone, a cache line that all workers would write to.
#![forbid(unsafe_code)]

use crate::runtime::driver::Driver;
use crate::simulation::Process;
use crate::util::poison::unpoisoned;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

/// Each with the process that it is of: a simulation has more than one.
type Drivers = BTreeMap<u64, (Process, Weak<Driver>)>;

static DRIVERS: Mutex<Drivers> = Mutex::new(BTreeMap::new());

fn lock() -> MutexGuard<'static, Drivers> {
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
        lock().get(&self.0)?.1.upgrade()
    }
}

/// All drivers of the process. The caller may be left with the last use of one.
pub(crate) fn all() -> Vec<Arc<Driver>> {
    let here = Process::here();
    let drivers = lock();
    let ours = drivers.values().filter(|(process, _)| *process == here);
    ours.filter_map(|(_, driver)| driver.upgrade()).collect()
}

impl Driver {
    pub(crate) fn register(self: &Arc<Self>) {
        lock().insert(self.id.0, (Process::here(), Arc::downgrade(self)));
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
