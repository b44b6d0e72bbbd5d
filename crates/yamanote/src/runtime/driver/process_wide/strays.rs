//! Children whose handle was dropped before they exited. Somebody has to wait for them, or they
//! stay in the process table as zombies.
//!
//! The pidfds of strays stand in a set whose own descriptor is a bell that every runtime hears. So
//! whichever runtime is driven when a stray exits reaps it, and only it. Where there is no pidfd
//! (before Linux 5.3, under a seccomp filter, out of descriptors) SIGCHLD says that one of the
//! unwatched strays may have exited, and all of them are asked.
//!
//! While no runtime is driven nothing is reaped. The next one to be driven hears at once what it
//! missed, and whoever spawns the next child looks too.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use mio::unix::SourceFd;

use super::{bells, signals};
use crate::runtime::driver::readiness::Bell;
use crate::sys::fork::Origin;
use crate::util::poison::unpoisoned;

static NURSERY: Mutex<Nursery> = Mutex::new(Nursery::new(None));

/// Strays that nobody has waited for yet. Relaxed: a reader whose number is out of date leaves the
/// work to the bell.
static STRAYS: AtomicUsize = AtomicUsize::new(0);

struct Nursery {
    /// The process whose children these are.
    origin: Option<Origin>,
    /// Made for the first stray with a pidfd.
    set: Option<Set>,
    unwatched: Vec<Child>,
}

struct Set {
    poll: mio::Poll,
    events: mio::Events,
    watched: BTreeMap<usize, Watched>,
    next_token: usize,
}

struct Watched {
    child: Child,
    pidfd: OwnedFd,
}

/// Waits for `child` in the background, in place of whoever dropped it.
pub(crate) fn adopt(mut child: Child, pidfd: Option<OwnedFd>) {
    if is_gone(&mut child) {
        return;
    }
    let left = match pidfd {
        Some(pidfd) => watch(Watched { child, pidfd }),
        None => Some(child),
    };
    let Some(child) = left else { return };
    let mut nursery = lock();
    nursery.unwatched.push(child);
    // Counted before SIGCHLD is listened to: whoever hears of the exit must not find the count at
    // zero.
    nursery.count();
    drop(nursery);
    listen_for_unwatched();
}

/// Has SIGCHLD tell of strays without a pidfd. To be called when there is a new one.
fn listen_for_unwatched() {
    // Without a handler the next spawn looks.
    let _ = signals::react_to_child_signal(reap_unwatched);
    // A stray may have exited before the handler was there.
    lock().reap_unwatched();
}

/// Gives the child back if it cannot be watched.
fn watch(stray: Watched) -> Option<Child> {
    let mut nursery = lock();
    let mut new_bell = None;
    let set = match &mut nursery.set {
        Some(set) => set,
        none => match Set::new() {
            Ok(set) => {
                new_bell = Some(set.poll.as_raw_fd());
                none.insert(set)
            }
            Err(_) => return Some(stray.child),
        },
    };
    let left = set.watch(stray).err();
    nursery.count();
    drop(nursery);
    // Not under the lock: this may end the last use of a driver, and so run any destructor.
    if let Some(fd) = new_bell {
        bells::hang(Bell::Strays, fd, |_| {
            reap_exited();
            false
        });
    }
    left
}

/// Reaps the strays that have exited according to their pidfds.
fn reap_exited() {
    let mut nursery = lock();
    let Nursery { set, unwatched, .. } = &mut *nursery;
    let known = unwatched.len();
    if let Some(set) = set {
        set.reap(unwatched);
    }
    let has_more_unwatched = unwatched.len() > known;
    nursery.count();
    drop(nursery);
    if has_more_unwatched {
        listen_for_unwatched();
    }
}

/// Reaps the strays without a pidfd that have exited.
fn reap_unwatched() {
    if STRAYS.load(Relaxed) > 0 {
        lock().reap_unwatched();
    }
}

/// Reaps what there is, for a caller that is about to make another child.
pub(crate) fn reap() {
    if STRAYS.load(Relaxed) > 0 {
        reap_exited();
        reap_unwatched();
    }
}

/// The nursery of this process. A forked child leaves its parent's nursery as it is.
fn lock() -> MutexGuard<'static, Nursery> {
    let mut nursery = unpoisoned(NURSERY.lock());
    let here = Some(Origin::here());
    if nursery.origin != here {
        let inherited = std::mem::replace(&mut *nursery, Nursery::new(here));
        // The set is the parent's too, and must not lose anything.
        std::mem::forget(inherited);
        nursery.count();
    }
    nursery
}

/// Whether the child was reaped, now or by somebody else, so that there is nothing to wait for.
fn is_gone(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}

impl Nursery {
    const fn new(origin: Option<Origin>) -> Nursery {
        Nursery {
            origin,
            set: None,
            unwatched: Vec::new(),
        }
    }

    fn reap_unwatched(&mut self) {
        self.unwatched.retain_mut(|child| !is_gone(child));
        self.count();
    }

    fn count(&self) {
        let watched = self.set.as_ref().map_or(0, |set| set.watched.len());
        STRAYS.store(watched + self.unwatched.len(), Relaxed);
    }
}

impl Set {
    fn new() -> io::Result<Set> {
        Ok(Set {
            poll: mio::Poll::new()?,
            events: mio::Events::with_capacity(64),
            watched: BTreeMap::new(),
            next_token: 0,
        })
    }

    /// Gives the child back if the kernel refuses.
    fn watch(&mut self, stray: Watched) -> Result<(), Child> {
        let fd: RawFd = stray.pidfd.as_raw_fd();
        let token = mio::Token(self.next_token);
        let registry = self.poll.registry();
        match registry.register(&mut SourceFd(&fd), token, mio::Interest::READABLE) {
            Ok(()) => {
                self.next_token += 1;
                self.watched.insert(token.0, stray);
                Ok(())
            }
            Err(_) => Err(stray.child),
        }
    }

    fn reap(&mut self, unwatched: &mut Vec<Child>) {
        loop {
            match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
                Ok(()) => {}
                // It does not wait, so no signal interrupts it. If the kernel does not tell, the
                // children are asked.
                Err(_) => return self.watched.retain(|_, stray| !is_gone(&mut stray.child)),
            }
            let mut taken = 0;
            for event in &self.events {
                taken += 1;
                let Some(mut stray) = self.watched.remove(&event.token().0) else {
                    continue;
                };
                let _ = self
                    .poll
                    .registry()
                    .deregister(&mut SourceFd(&stray.pidfd.as_raw_fd()));
                if !is_gone(&mut stray.child) {
                    // A tracer has the first word on it; SIGCHLD comes when it lets go.
                    unwatched.push(stray.child);
                }
            }
            if taken < self.events.capacity() {
                return;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::Instant;

    fn assert_reaped(pid: u32) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::path::Path::new(&format!("/proc/{pid}")).exists() {
            assert!(Instant::now() < deadline, "{pid} is still there");
            reap();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn with_and_without_a_pidfd() {
        for watched in [true, false] {
            let child = Command::new("sleep").arg("0.05").spawn().unwrap();
            let pid = child.id();
            let pidfd = watched.then(|| crate::sys::pidfd::open(pid).unwrap());
            adopt(child, pidfd);
            assert_reaped(pid);
        }
    }
}
