//! Bells: what every runtime of the process watches, beside descriptors of its own.
//!
//! A signal concerns the process, and so does a child that nobody owns any more. Neither belongs to
//! a runtime, and whichever is being driven has to notice. Each such matter has one descriptor for
//! the life of the process, its bell, which stands in the readiness set of every runtime: of those
//! that exist when it is hung, and of those that come later. A program that needs no bell pays
//! nothing.
//!
//! Bells are never taken down, so a runtime that ends has nothing to hand over, and the next one
//! hears at once what rang in between: a set that is given a descriptor which is ready already
//! tells of it.
//!
//! No ring is lost between a bell being hung and a runtime being made. The one lists its bell and
//! then looks for runtimes, the other lists its driver and then looks for bells, each under the
//! lock of the list; so one of them sees the other.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard};

use super::{registry, signals, strays};
use crate::runtime::driver::Driver;
use crate::sys::fork::process_image;
use crate::util::poison::unpoisoned;
use crate::util::wake_list::WakeList;

/// Which bell; and the number under which the readiness sets know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bell {
    /// A signal arrived. An eventfd that nobody reads: each ring is an event in every set.
    Signals,
    /// Stray children exited. The set that holds their pidfds.
    Strays,
}

impl Bell {
    pub(crate) const ALL: [Bell; 2] = [Bell::Signals, Bell::Strays];

    /// No source of a readiness set has this number.
    pub(crate) fn token(self) -> mio::Token {
        match self {
            Bell::Signals => mio::Token(usize::MAX - 1),
            Bell::Strays => mio::Token(usize::MAX - 2),
        }
    }

    /// Its bit among those of a set.
    pub(crate) fn bit(self) -> u8 {
        match self {
            Bell::Signals => 1,
            Bell::Strays => 2,
        }
    }

    pub(crate) fn of(token: mio::Token) -> Option<Bell> {
        Bell::ALL.into_iter().find(|bell| bell.token() == token)
    }

    /// Does what the bell rang for. True if somebody was waiting for it.
    pub(crate) fn answer(self, wakers: &mut WakeList) -> bool {
        match self {
            Bell::Signals => signals::deliver(wakers),
            Bell::Strays => {
                strays::reap_exited();
                false
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Hung {
    bell: Bell,
    fd: RawFd,
    /// The process that hung it.
    image: u64,
}

impl Hung {
    /// A forked child inherits the handlers that ring for signals, and the bell with them. Its
    /// parent's children are not its own.
    fn is_ours(self) -> bool {
        self.bell == Bell::Signals || self.image == process_image()
    }
}

static HUNG: Mutex<Vec<Hung>> = Mutex::new(Vec::new());

fn lock() -> MutexGuard<'static, Vec<Hung>> {
    unpoisoned(HUNG.lock())
}

/// Puts `fd`, which is never closed, into the set of every runtime, and of those to come. A runtime
/// whose set does not take it is left out; [`Driver::hear`] tells why.
pub(crate) fn hang(bell: Bell, fd: RawFd) {
    {
        let mut hung = lock();
        hung.retain(|other| other.bell != bell);
        let image = process_image();
        hung.push(Hung { bell, fd, image });
    }
    for driver in registry::all() {
        if !driver.is_forked() {
            let _ = driver.hear(bell, fd);
        }
    }
}

/// Puts the bells there are into the set of a new driver, which is listed already.
pub(crate) fn hear_all(driver: &Driver) -> io::Result<()> {
    let hung = lock().clone();
    hung.into_iter()
        .filter(|hung| hung.is_ours())
        .try_for_each(|hung| driver.hear(hung.bell, hung.fd))
}

impl Driver {
    /// Lets this runtime hear a bell. Without a readiness set it hears none.
    pub(crate) fn hear(&self, bell: Bell, fd: RawFd) -> io::Result<()> {
        match self.io() {
            Some(io) => io.hear(bell, fd),
            None => Ok(()),
        }
    }
}
