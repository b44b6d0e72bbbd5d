//! What a ring does when the kernel fails it, and what becomes of its operations.
//!
//! `io_uring_enter` may be denied at any time (a seccomp filter set up late), fail for longer than
//! we put up with, or show that the program has closed our descriptor; and a ring whose waiter
//! cannot be woken is of no use either. Then the ring is **given up**, for good, and the program
//! goes on without it:
//!
//! 1. Nobody enters it again, and it takes no new operation; those go to the blocking pool.
//! 2. What the kernel has taken ends as usual. Completions are posted to memory we share, by work
//!    of the kernel that runs whenever the thread that submitted makes a system call or returns
//!    from one, so they are reaped without a call of ours. The owner sleeps elsewhere and looks
//!    again from time to time.
//! 3. What the kernel has not taken, it never will. It is taken back ([`Ring::recall`]), and its
//!    future does it on the pool. This is not done while the owner waits in the ring, because
//!    waiting needs no lock and submits on the way. Any thread may do it: the owner may be busy for
//!    a long time, and a slot that nobody drives has no owner.
#![forbid(unsafe_code)]

use std::io;
use std::time::Duration;

use super::Ring;
use super::completion::{CqeResult, Key};
use super::given_up::GivenUp;
use crate::runtime::driver::batch::Batch;
use crate::runtime::driver::setback::Verdict;

impl Ring {
    /// Why the ring is given up, if it is.
    pub(crate) fn given_up(&self) -> Option<GivenUp> {
        self.given_up
    }

    /// Whether operations can be given to it.
    pub(crate) fn is_usable(&self) -> bool {
        self.given_up.is_none()
    }

    /// The owner is about to let go of the lock and wait in the ring;
    /// [`note_wait`](Ring::note_wait) follows.
    pub(crate) fn begin_wait(&mut self) {
        self.has_waiter = true;
        self.counters.enters += 1;
    }

    /// Takes what the owner's wait has returned: one that failed without waiting must not be
    /// followed by the next at once.
    pub(crate) fn note_wait(&mut self, answer: &io::Result<()>) {
        self.has_waiter = false;
        let Err(error) = answer else {
            return self.setback.is_over();
        };
        // A signal ends a wait, but not a call that does not wait.
        let is_signal = error.kind() == io::ErrorKind::Interrupted
            && self.given_up.is_none()
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
            // EBADR: completions were lost. `reap` reads the counter, so that it does not matter
            // which thread gets this errno.
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
        if self.given_up.is_some() {
            return;
        }
        self.disarm_readiness();
        self.given_up = Some(GivenUp::new(call, errno));
    }

    /// In how long the owner, which sleeps elsewhere, must look again: when the kernel has had its
    /// rest, or because it posts completions that wake nobody.
    pub(crate) fn look_again_in(&mut self) -> Option<Duration> {
        let has_ops = self.live_ops() > 0;
        match &mut self.given_up {
            None => Some(self.setback.rest()).filter(|rest| !rest.is_zero()),
            Some(given_up) => {
                let next_look = given_up.next_look();
                has_ops.then_some(next_look)
            }
        }
    }

    /// Takes back what the kernel has not taken of a ring that was given up, unless a thread may
    /// still be about to submit it.
    pub(crate) fn recall(&mut self, batch: &mut Batch) {
        if self.given_up.is_none() || self.has_waiter {
            return;
        }
        for user_data in self.queues.withdraw() {
            self.recall_one(Key::from_user_data(user_data), batch);
        }
    }

    /// After each reap.
    pub(super) fn reaped_given_up(&mut self, reaped: usize, batch: &mut Batch) {
        if let (Some(given_up), 1..) = (&mut self.given_up, reaped) {
            given_up.look_soon();
        }
        for key in self.deferred.abandon() {
            self.recall_one(key, batch);
        }
    }

    fn recall_one(&mut self, key: Key, batch: &mut Batch) {
        if !key.is_internal() {
            let routed = self.table.complete(key, CqeResult::left_undone());
            self.hand_over(routed, key, batch);
        }
    }

    /// The kernel counts the completions for which it had no memory. It does not say which they
    /// are, so every operation it had may be one of them.
    pub(super) fn notice_losses(&mut self, batch: &mut Batch) {
        let lost = self.queues.completions_lost();
        let fresh = lost.wrapping_sub(self.lost_seen);
        if fresh == 0 {
            return;
        }
        self.lost_seen = lost;
        self.counters.lost_completions += u64::from(fresh);
        self.table.lose_all(|waker| batch.wakers.push(waker));
        self.deferred.renew_watches();
    }

    /// Whether a wait would not be for a disk, and the kernel can be told so: the machine's figures
    /// then do not count it as one.
    pub(crate) fn may_wait_idle(&self) -> bool {
        self.has_no_iowait && self.live_ops() == 0
    }

    /// Whether the number of its descriptor may be another's by now: the ring is leaked rather than
    /// closed.
    pub(crate) fn has_lost_descriptor(&self) -> bool {
        self.given_up.is_some_and(GivenUp::has_lost_descriptor)
    }

    /// Lets the next flush try at once.
    #[cfg(test)]
    pub(crate) fn skip_rest(&mut self) {
        self.setback.skip_rest();
    }
}
