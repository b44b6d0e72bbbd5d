//! A ring that cannot be entered any more, and what becomes of its operations.
//!
//! `io_uring_enter` may be denied at any time (a seccomp filter set up late), fail for longer than we
//! have patience for, or tell that the program has closed our descriptor; and a ring whose waiter
//! cannot be woken is of no use either. Then the ring is **given up**, for good, and the program goes
//! on without it:
//!
//! 1. Nobody enters it again, and it takes no new operation; those go to the blocking pool.
//! 2. What the kernel has taken ends as ever. Completions are posted to memory we share, by work of
//!    the kernel that runs whenever the thread that submitted makes a system call or returns from
//!    one, so they are reaped without a call of ours. The owner sleeps elsewhere and looks again in
//!    time.
//! 3. What the kernel has not taken it never will. It is taken back ([`Ring::recall`]), and its future
//!    does it on the pool. Not while the owner is in the ring to wait, the one thing that is done
//!    there without the ring's lock: it submits on the way. By whoever looks, for the owner may be
//!    busy for long, and a slot that nobody drives has none.
#![forbid(unsafe_code)]

use std::io;
use std::time::Duration;

use super::completion::{CqeResult, Key};
use super::{Ring, Verdict};
use crate::runtime::driver::batch::Batch;

/// How soon the owner of a ring that was given up looks for completions: at first, and at most.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(64);

/// Why a ring is given up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retreat {
    /// The system call that failed.
    pub(crate) call: &'static str,
    pub(crate) errno: i32,
    next_look: Duration,
}

impl Retreat {
    /// The descriptor is closed, or its number another's: it must not be closed again.
    fn has_lost_descriptor(self) -> bool {
        matches!(self.errno, libc::EBADF | libc::EOPNOTSUPP)
    }
}

impl std::fmt::Display for Retreat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Retreat { call, errno, .. } = self;
        let cause = match *errno {
            libc::EBADF | libc::EOPNOTSUPP => {
                "the program closed the descriptor of a runtime's io_uring (close_range, \
                 closefrom, dup2?)"
            }
            libc::EPERM | libc::EACCES | libc::ENOSYS => {
                "denied since the runtime has its rings (a seccomp filter set up later?)"
            }
            libc::ENOMEM | libc::EAGAIN | libc::EBUSY => "the kernel is short of memory",
            _ => "unknown",
        };
        let error = io::Error::from_raw_os_error(*errno);
        write!(
            f,
            "io_uring was given up: {call}: {error}; likely cause: {cause}"
        )
    }
}

impl Ring {
    /// Why the ring is given up, if it is.
    pub(crate) fn retreat(&self) -> Option<Retreat> {
        self.retreat
    }

    /// Whether operations can be given to it.
    pub(crate) fn is_usable(&self) -> bool {
        self.retreat.is_none()
    }

    /// The owner is about to let go of the lock and wait in the ring, and will say what came of it.
    pub(crate) fn begin_wait(&mut self) {
        self.has_waiter = true;
    }

    /// What a wait has said, for the owner to tell. A wait that did not wait must not be followed by
    /// the next.
    pub(crate) fn note_wait(&mut self, answer: &io::Result<()>) {
        self.has_waiter = false;
        let Err(error) = answer else {
            return self.setback.is_over();
        };
        // A signal ends a wait, but not a call that does not wait.
        let is_signal = error.kind() == io::ErrorKind::Interrupted
            && self.retreat.is_none()
            && self.kernel.enter(0, true).is_ok();
        match is_signal {
            true => self.setback.is_over(),
            false => self.note_failure(error),
        }
    }

    /// An enter has failed.
    pub(super) fn note_failure(&mut self, error: &io::Error) {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        match errno {
            // EBADR: completions were lost. `reap` reads the counter, which also tells when it was
            // another thread that got this errno.
            libc::EINTR | libc::EAGAIN | libc::EBUSY | libc::ENOMEM | libc::EBADR => {
                if self.setback.note() == Verdict::GiveUp {
                    self.give_up("io_uring_enter", errno);
                }
            }
            _ => self.give_up("io_uring_enter", errno),
        }
    }

    /// From now on nobody enters this ring.
    pub(crate) fn give_up(&mut self, call: &'static str, errno: i32) {
        if self.retreat.is_some() {
            return;
        }
        self.disarm_readiness();
        self.retreat = Some(Retreat {
            call,
            errno,
            next_look: SHORTEST_LOOK,
        });
    }

    /// When the owner, who sleeps elsewhere, must look again: the kernel gets a rest, or posts
    /// completions of which nobody tells.
    pub(crate) fn look_again_in(&mut self) -> Option<Duration> {
        let has_ops = self.live_ops() > 0;
        match &mut self.retreat {
            None => Some(self.setback.rest()).filter(|rest| !rest.is_zero()),
            Some(retreat) => {
                let next_look = retreat.next_look;
                retreat.next_look = (next_look * 2).min(LONGEST_LOOK);
                has_ops.then_some(next_look)
            }
        }
    }

    /// Takes back what the kernel of a ring that was given up has not taken, unless a thread may be
    /// about to submit it still.
    pub(crate) fn recall(&mut self, batch: &mut Batch) {
        if self.retreat.is_none() || self.has_waiter {
            return;
        }
        for user_data in self.queues.withdraw() {
            self.recall_one(Key::from_user_data(user_data), batch);
        }
    }

    pub(super) fn reaped_in_retreat(&mut self, reaped: usize, batch: &mut Batch) {
        if let (Some(retreat), 1..) = (&mut self.retreat, reaped) {
            retreat.next_look = SHORTEST_LOOK;
        }
        while let Some(key) = self.again.pop_front() {
            self.recall_one(key, batch);
        }
        self.cancels.clear();
    }

    fn recall_one(&mut self, key: Key, batch: &mut Batch) {
        if !key.is_internal() {
            let routed = self.table.complete(key, CqeResult::left_undone());
            self.hand_over(routed, key, batch);
        }
    }

    /// Whether what a wait would wait for is nothing the machine's figures should call waiting for a
    /// disk, and the kernel can be told so.
    pub(crate) fn may_wait_idle(&self) -> bool {
        self.has_no_iowait && self.live_ops() == 0
    }

    /// Whether the number of its descriptor may be another's by now: the ring is leaked rather than
    /// closed.
    pub(crate) fn has_lost_descriptor(&self) -> bool {
        self.retreat.is_some_and(Retreat::has_lost_descriptor)
    }

    /// Lets the next flush try at once.
    #[cfg(test)]
    pub(crate) fn skip_rest(&mut self) {
        self.setback.skip_rest();
    }
}
