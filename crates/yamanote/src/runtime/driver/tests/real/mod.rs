//! Operations against the kernel of this machine: each one beside its plain system call, dropped in
//! every state, by the thousand, and with `io_uring_enter` failing.

mod dropped;
mod each;
mod enter;
mod injected;
mod new_descriptor;
mod waits;

use std::future::Future;
use std::os::fd::{FromRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use yamanote_test::{Capability, CountingWaker, require};

use crate::runtime::driver::op::Operation;
use crate::runtime::driver::{Config, Driver, DriverChoice, Op, PollIo, Role, SlotGuard};

fn config(ring_entries: u32) -> Config {
    Config {
        choice: DriverChoice::Uring,
        enable_io: false,
        enable_time: false,
        start_paused: false,
        turn_by_turn: false,
        timers_end_ready: false,
        ring_entries,
        max_io_events: 64,
        max_io_events_busy: None,
    }
}

/// A driver with one slot, held by this thread. `None` if this machine has no io_uring.
pub(super) struct Rig {
    pub(super) driver: Arc<Driver>,
    _slot: SlotGuard,
}

impl Rig {
    pub(super) fn new(ring_entries: u32) -> Option<Self> {
        if !require(Capability::IoUring) {
            return None;
        }
        let driver = Driver::new(config(ring_entries), 1).unwrap();
        let _slot = driver.enter_slot(0);
        Some(Rig { driver, _slot })
    }

    pub(super) fn op<T: Operation>(&self, operation: T) -> Op<T> {
        Op::new(self.driver.clone(), operation)
    }

    /// Runs one operation to its end, sleeping in the ring.
    pub(super) fn run<T: Operation>(&self, operation: T) -> T::Output {
        self.finish(self.op(operation))
    }

    pub(super) fn finish<F: Future + Unpin>(&self, mut future: F) -> F::Output {
        let deadline = Instant::now() + Duration::from_secs(20);
        let waker = CountingWaker::new();
        let mut seen = usize::MAX;
        loop {
            if seen != waker.wakes() {
                seen = waker.wakes();
                let waker = waker.waker();
                let poll = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
                if let Poll::Ready(output) = poll {
                    return output;
                }
            }
            assert!(Instant::now() < deadline, "no completion in 20 s");
            self.driver
                .park(0, Role::None, Some(Duration::from_millis(100)));
        }
    }

    pub(super) fn turn(&self) {
        self.driver.turn(0, PollIo::Skip);
    }

    /// Turns until the kernel has nothing of ours.
    pub(super) fn drain(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.driver.live_ops() > 0 {
            assert!(Instant::now() < deadline, "operations do not end");
            self.driver
                .park(0, Role::None, Some(Duration::from_millis(10)));
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.driver
            .shutdown(Instant::now() + Duration::from_secs(5));
        if !std::thread::panicking() {
            assert_eq!(self.driver.leaked_ops(), 0);
        }
    }
}

pub(super) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

pub(super) fn pipe() -> (OwnedFd, OwnedFd) {
    let mut fds = [0; 2];
    // SAFETY: two writable descriptors' worth of memory.
    assert_eq!(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: fresh and ours.
    unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) }
}
