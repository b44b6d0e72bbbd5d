//! Bells: what every runtime of the process watches beside its own descriptors.
//!
//! A signal concerns the process, and so does a child that nobody owns any more. Neither belongs to
//! a runtime; whichever runtime is being driven has to notice. Each such matter has one descriptor
//! for the life of the process, its bell, which stands in the readiness set of every runtime, both
//! of those that exist when it is hung and of those that come later. A program that needs no bell
//! pays nothing.
//!
//! Bells are never taken down, so a runtime that ends has nothing to hand over. The next one hears
//! at once what rang in between: a set tells of a descriptor that was ready when it was added.
//!
//! No ring is lost while one thread hangs a bell and another makes a runtime. The first lists its
//! bell and then looks for runtimes, the second lists its driver and then looks for bells, each
//! under the lock of the list; so one of them sees the other.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard};

use super::registry;
use crate::runtime::driver::Driver;
use crate::runtime::driver::readiness::{Answer, Bell};
use crate::simulation::PerProcess;
use crate::sys::fork::Origin;
use crate::util::poison::unpoisoned;

#[derive(Debug, Clone, Copy)]
struct HungBell {
    bell: Bell,
    fd: RawFd,
    answer: Answer,
    /// The process that hung it.
    origin: Origin,
}

impl HungBell {
    /// A forked child inherits the handlers that ring for signals, and the bell with them. But its
    /// parent's children are not its own.
    fn is_ours(self) -> bool {
        self.bell == Bell::Signals || self.origin.is_here()
    }
}

static HUNG: PerProcess<Mutex<Vec<HungBell>>> =
    PerProcess::new(Mutex::new(Vec::new()), || Mutex::new(Vec::new()));

fn lock() -> MutexGuard<'static, Vec<HungBell>> {
    unpoisoned(HUNG.get().lock())
}

/// Puts `fd`, which is never closed, into the set of every runtime, present and future. Whichever
/// runtime hears it calls `answer`. A runtime whose set does not take it is left out;
/// [`Driver::hear`] tells why.
pub(super) fn hang(bell: Bell, fd: RawFd, answer: Answer) {
    {
        let mut hung = lock();
        hung.retain(|other| other.bell != bell);
        hung.push(HungBell {
            bell,
            fd,
            answer,
            origin: Origin::here(),
        });
    }
    for driver in registry::all() {
        if !driver.is_forked() {
            let _ = driver.hear(bell, fd, answer);
        }
    }
}

/// Puts all bells into the set of a new driver, which is listed already.
pub(crate) fn hear_all(driver: &Driver) -> io::Result<()> {
    let hung = lock().clone();
    hung.into_iter()
        .filter(|hung| hung.is_ours())
        .try_for_each(|hung| driver.hear(hung.bell, hung.fd, hung.answer))
}

impl Driver {
    /// Lets this runtime hear a bell. Without a readiness set it hears none.
    pub(super) fn hear(&self, bell: Bell, fd: RawFd, answer: Answer) -> io::Result<()> {
        match self.io() {
            Some(io) => io.hear(bell, fd, answer),
            None => Ok(()),
        }
    }
}
