//! What a ring submits besides new operations, as soon as the submission queue has room.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::os::fd::RawFd;

use super::completion::{CqeResult, Key};
use super::internal::Internal;
use super::table::Table;
use super::watch::Watch;
use crate::sys::uring::queues::{Queues, SubmissionQueueFull};
use crate::sys::uring::sqe::Sqe;
use crate::util::room::Room;

#[derive(Debug)]
pub(super) struct Deferred {
    /// What goes to the kernel again.
    again: VecDeque<Key>,
    /// What is to be cancelled.
    cancels: VecDeque<Key>,
    /// The poll of the readiness set.
    readiness: Watch,
    /// The poll of the wake-up eventfd.
    wake_poll: Watch,
}

impl Deferred {
    pub(super) fn new(wake_fd: Option<RawFd>) -> Self {
        let mut wake_poll = Watch::new(Internal::WakePoll);
        if let Some(fd) = wake_fd {
            wake_poll.set_fd(fd);
        }
        Deferred {
            again: VecDeque::new(),
            cancels: VecDeque::new(),
            readiness: Watch::new(Internal::Readiness),
            wake_poll,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.again.is_empty()
            && self.cancels.is_empty()
            && !self.readiness.is_unarmed()
            && !self.wake_poll.is_unarmed()
    }

    /// Pushes as much as there is room for; the rest stays.
    pub(super) fn push(
        &mut self,
        queues: &mut Queues,
        table: &mut Table,
    ) -> Result<(), SubmissionQueueFull> {
        // Before the cancellations, which may be meant for these.
        while let Some(&key) = self.again.front() {
            if let Some(sqe) = table.sqe(key) {
                queues.push(&sqe)?;
            }
            self.again.pop_front();
        }
        self.again.free_excess();
        while let Some(&target) = self.cancels.front() {
            if target.is_internal() || table.is_in_kernel(target) {
                // Success is told by the target's completion.
                let cancel = Sqe::cancel(target.user_data()).silent();
                queues.push(&Internal::Cancel.named(cancel))?;
                // Only now: an operation that is on its way to the kernel again (`again`) has yet
                // to be found there.
                table.note_cancel(target);
            }
            self.cancels.pop_front();
        }
        self.cancels.free_excess();
        self.readiness.push(queues)?;
        self.wake_poll.push(queues)
    }

    pub(super) fn submit_again(&mut self, key: Key) {
        self.again.push_back(key);
    }

    pub(super) fn cancel(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.cancels.extend(keys);
    }

    /// The ring is given up: nothing will be pushed. Returns what was to go to the kernel again.
    pub(super) fn abandon(&mut self) -> VecDeque<Key> {
        self.cancels.clear();
        std::mem::take(&mut self.again)
    }

    /// Watches this readiness set. False if it is watched already.
    pub(super) fn watch_readiness(&mut self, epoll_fd: RawFd, anew: bool) -> bool {
        if self.readiness.fd() == Some(epoll_fd) && !anew {
            return false;
        }
        self.stop_readiness();
        self.readiness.set_fd(epoll_fd);
        true
    }

    /// False if there is nothing to cancel.
    pub(super) fn stop_readiness(&mut self) -> bool {
        let watch = self.readiness.stop();
        self.cancels.extend(watch);
        watch.is_some()
    }

    pub(super) fn take_readiness_event(&mut self) -> bool {
        self.readiness.take_event()
    }

    /// The ends of the polls may have been lost.
    pub(super) fn renew_watches(&mut self) {
        self.cancels.extend(self.readiness.renew());
        self.cancels.extend(self.wake_poll.renew());
    }

    pub(super) fn complete_readiness(&mut self, count: u32, cqe: &CqeResult) {
        self.readiness.complete(count, cqe);
    }

    pub(super) fn complete_wake_poll(&mut self, count: u32, cqe: &CqeResult) {
        self.wake_poll.complete(count, cqe);
    }
}
