//! Cancels everything the ring has in flight on one descriptor, so that closing it means something.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use crate::sys::uring::sqe::Sqe;

use super::{Cancellable, Completable, CqeResult, OnDrop, Operation};

/// Only the ring it is submitted to is searched.
#[derive(Debug)]
pub(crate) struct CancelFd<F> {
    file: F,
}

impl<F> CancelFd<F> {
    pub(crate) fn new(file: F) -> Self {
        CancelFd { file }
    }
}

impl<F> Completable for CancelFd<F> {
    /// How many operations were found.
    type Output = io::Result<u32>;

    fn complete(self, cqe: CqeResult) -> Self::Output {
        match cqe.result {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(0),
            other => other,
        }
    }
}

impl<F> Cancellable for CancelFd<F> {
    fn on_drop(&self) -> OnDrop {
        OnDrop::LetFinish
    }
}

// SAFETY: the SQE has no pointers; `self` keeps the descriptor, so its number is not another's.
unsafe impl<F: AsFd + Send + 'static> Operation for CancelFd<F> {
    fn prepare(&mut self) -> Sqe {
        Sqe::cancel_all_on(self.file.as_fd().as_raw_fd())
    }

    /// Without a ring nothing is in flight.
    fn run_blocking(self) -> Self::Output {
        Ok(0)
    }
}
