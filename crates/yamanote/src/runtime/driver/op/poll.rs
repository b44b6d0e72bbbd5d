//! `poll` of one descriptor, once.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use crate::sys::uring::sqe::Sqe;

use super::transfer::{check, retry_interrupted};
use super::{Cancellable, Completable, CqeResult, Operation};

#[derive(Debug)]
pub(crate) struct PollOnce<F> {
    file: F,
    /// `POLLIN` and so on.
    events: i16,
}

impl<F> PollOnce<F> {
    pub(crate) fn new(file: F, events: i16) -> Self {
        PollOnce { file, events }
    }
}

impl<F> Completable for PollOnce<F> {
    /// The events that are there.
    type Output = io::Result<u32>;

    fn complete(self, cqe: CqeResult) -> Self::Output {
        cqe.result
    }
}

impl<F> Cancellable for PollOnce<F> {}

// SAFETY: the SQE has no pointers; `self` keeps the descriptor.
unsafe impl<F: AsFd + Send + 'static> Operation for PollOnce<F> {
    fn prepare(&mut self) -> Sqe {
        let fd = self.file.as_fd().as_raw_fd();
        Sqe::poll(fd, u32::from(self.events as u16))
    }

    fn run_blocking(self) -> Self::Output {
        let mut entry = libc::pollfd {
            fd: self.file.as_fd().as_raw_fd(),
            events: self.events,
            revents: 0,
        };
        // SAFETY: one writable `pollfd`, alive during the call.
        retry_interrupted(|| check(unsafe { libc::poll(&raw mut entry, 1, -1) } as isize))?;
        Ok(u32::from(entry.revents as u16))
    }
}
