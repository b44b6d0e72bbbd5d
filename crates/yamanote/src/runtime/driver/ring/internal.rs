//! What a ring submits for itself: names in the completion stream, and polls it keeps armed.
#![forbid(unsafe_code)]

use std::os::fd::RawFd;

use super::completion::{CqeResult, Key};
use crate::sys::uring::sqe::Sqe;

/// The ring's own submissions: in place of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Internal {
    Wake,
    Cancel,
    /// With the count of armings, so that the end of an old poll is not taken for the present one's.
    Readiness(u32),
    WakePoll(u32),
}

impl Internal {
    const COUNT_BITS: u32 = 24;
    pub(super) const COUNT_MASK: u32 = (1 << Self::COUNT_BITS) - 1;

    pub(super) fn key(self) -> Key {
        let (kind, count) = match self {
            Internal::Wake => (1, 0),
            Internal::Cancel => (2, 0),
            Internal::Readiness(count) => (3, count),
            Internal::WakePoll(count) => (4, count),
        };
        Key {
            index: Key::INTERNAL_INDEX,
            generation: kind << Self::COUNT_BITS | (count & Self::COUNT_MASK),
        }
    }

    pub(super) fn decode(key: Key) -> Option<Self> {
        let count = key.generation & Self::COUNT_MASK;
        match key.generation >> Self::COUNT_BITS {
            1 => Some(Internal::Wake),
            2 => Some(Internal::Cancel),
            3 => Some(Internal::Readiness(count)),
            4 => Some(Internal::WakePoll(count)),
            _ => None,
        }
    }
}

/// A multishot poll the ring keeps armed on one descriptor.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The descriptor to watch; `None` when disarmed.
    pub(super) fd: Option<RawFd>,
    /// Which arming is current.
    pub(super) count: u32,
    /// The current arming's SQE has been pushed and has not ended.
    pub(super) armed: bool,
    /// Something happened since the last look.
    pub(super) event: bool,
}

impl Watch {
    /// The descriptor that a poll has yet to be pushed for.
    pub(super) fn unarmed_fd(&self) -> Option<RawFd> {
        self.fd.filter(|_| !self.armed)
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
}

/// A multishot, edge-triggered poll for input.
pub(super) fn watch(fd: RawFd) -> Sqe {
    Sqe::poll_multi(fd, libc::EPOLLIN as u32)
}
