//! `accept4`, again and again from one submission (Linux 5.19).

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::sys::uring::sqe::Sqe;

use super::CqeResult;
use super::multi::Multishot;

/// Accepted sockets are close-on-exec. Their peers' addresses are not told.
#[derive(Debug)]
pub(crate) struct AcceptMulti<S> {
    listener: S,
}

impl<S> AcceptMulti<S> {
    pub(crate) fn new(listener: S) -> Self {
        AcceptMulti { listener }
    }
}

// SAFETY: the SQE has no pointers; `self` keeps the listener.
unsafe impl<S: AsFd + Send + 'static> Multishot for AcceptMulti<S> {
    type Item = io::Result<OwnedFd>;

    fn prepare(&mut self) -> Sqe {
        Sqe::accept_multi(self.listener.as_fd().as_raw_fd(), libc::SOCK_CLOEXEC)
    }

    fn item(cqe: CqeResult) -> Self::Item {
        // SAFETY: a non-negative result is a descriptor the kernel made for this operation; each
        // completion is seen once, so nobody else owns it.
        cqe.result
            .map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
    }
}
