//! `fsync` and `fdatasync`.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use crate::sys::uring::sqe::Sqe;

use super::transfer::{check, retry_interrupted};
use super::{Cancellable, Completable, CqeResult, Operation};

#[derive(Debug)]
pub(crate) struct Fsync<F> {
    file: F,
    data_only: bool,
}

impl<F> Fsync<F> {
    pub(crate) fn all(file: F) -> Self {
        Fsync {
            file,
            data_only: false,
        }
    }

    pub(crate) fn data(file: F) -> Self {
        Fsync {
            file,
            data_only: true,
        }
    }
}

impl<F> Completable for Fsync<F> {
    type Output = io::Result<()>;

    fn complete(self, cqe: CqeResult) -> Self::Output {
        cqe.result.map(drop)
    }
}

impl<F> Cancellable for Fsync<F> {}

// SAFETY: the SQE has no pointers; `self` keeps the descriptor.
unsafe impl<F: AsFd + Send + 'static> Operation for Fsync<F> {
    fn prepare(&mut self) -> Sqe {
        Sqe::fsync(self.file.as_fd().as_raw_fd(), self.data_only)
    }

    fn run_blocking(self) -> Self::Output {
        let fd = self.file.as_fd().as_raw_fd();
        retry_interrupted(|| {
            // SAFETY: no pointers; the descriptor is open.
            check(unsafe {
                if self.data_only {
                    libc::fdatasync(fd)
                } else {
                    libc::fsync(fd)
                }
            } as isize)
        })
        .map(drop)
    }
}
