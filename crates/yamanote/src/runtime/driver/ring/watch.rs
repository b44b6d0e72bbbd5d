//! A poll that a ring keeps armed.
#![forbid(unsafe_code)]

use std::os::fd::RawFd;

use super::completion::{CqeResult, Key};
use super::internal::Internal;
use crate::sys::uring::queues::{Queues, SubmissionQueueFull};
use crate::sys::uring::sqe::Sqe;

/// A multishot, edge-triggered poll for input on one descriptor.
#[derive(Debug)]
pub(super) struct Watch {
    /// What its armings are called, by their count.
    name: fn(u32) -> Internal,
    /// `None` when nothing is watched.
    fd: Option<RawFd>,
    /// Which arming is current.
    count: u32,
    /// The current arming's SQE has been pushed and has not ended.
    armed: bool,
    /// Something happened since the last look.
    event: bool,
}

impl Watch {
    pub(super) fn new(name: fn(u32) -> Internal) -> Self {
        Watch {
            name,
            fd: None,
            count: 0,
            armed: false,
            event: false,
        }
    }

    pub(super) fn fd(&self) -> Option<RawFd> {
        self.fd
    }

    /// To be armed at the next push.
    pub(super) fn set_fd(&mut self, fd: RawFd) {
        assert!(!self.armed, "one descriptor at a time");
        self.fd = Some(fd);
    }

    /// Watches nothing any more. Returns what is to be cancelled.
    #[must_use]
    pub(super) fn stop(&mut self) -> Option<Key> {
        self.fd = None;
        self.event = false;
        self.disarm()
    }

    /// The current arming may have ended unheard: the next push makes another. Should the old one
    /// live on, its events are ignored by their count. Returns what is to be cancelled.
    #[must_use]
    pub(super) fn renew(&mut self) -> Option<Key> {
        self.event |= self.armed;
        self.disarm()
    }

    fn disarm(&mut self) -> Option<Key> {
        let was_armed = std::mem::take(&mut self.armed);
        was_armed.then(|| (self.name)(self.count).key())
    }

    pub(super) fn is_unarmed(&self) -> bool {
        self.fd.is_some() && !self.armed
    }

    /// Arms it if it is not.
    pub(super) fn push(&mut self, queues: &mut Queues) -> Result<(), SubmissionQueueFull> {
        let Some(fd) = self.fd.filter(|_| !self.armed) else {
            return Ok(());
        };
        let count = self.count.wrapping_add(1);
        let poll = Sqe::poll_multi(fd, libc::EPOLLIN as u32);
        queues.push(&(self.name)(count).named(poll))?;
        self.count = count;
        self.armed = true;
        Ok(())
    }

    /// A completion of arming `count`.
    pub(super) fn complete(&mut self, count: u32, cqe: &CqeResult) {
        let current = count == self.count & Internal::COUNT_MASK;
        if current && self.fd.is_some() {
            // An end by error is an event too: what happened in between is not known.
            self.event = true;
        }
        if current && !cqe.has_more() {
            self.armed = false;
        }
    }

    pub(super) fn take_event(&mut self) -> bool {
        std::mem::take(&mut self.event)
    }
}
