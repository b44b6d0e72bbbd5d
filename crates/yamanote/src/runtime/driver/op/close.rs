//! `close`, for descriptors whose close may block.

use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use io_uring::{opcode, squeue, types};

use super::transfer::check;
use super::{Cancellable, Completable, CqeResult, OnDrop, Operation};

#[derive(Debug)]
pub(crate) struct Close {
    fd: OwnedFd,
}

impl Close {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Close { fd }
    }
}

impl Completable for Close {
    type Output = io::Result<()>;

    fn complete(self, cqe: CqeResult) -> Self::Output {
        let refused = cqe
            .result
            .as_ref()
            .is_err_and(|error| error.raw_os_error() == Some(libc::ECANCELED));
        if !refused {
            // Whatever else close says (EIO, EINTR), the descriptor is gone; its number may be
            // another's by now.
            let _closed = self.fd.into_raw_fd();
        }
        cqe.result.map(drop)
    }
}

impl Cancellable for Close {
    fn on_drop(&self) -> OnDrop {
        OnDrop::LetFinish
    }
}

// SAFETY: the SQE has no pointers; the descriptor is ours until the kernel closes it.
unsafe impl Operation for Close {
    /// An interrupted close has closed.
    const NOT_DONE: &'static [i32] = &[libc::ECANCELED];

    fn prepare(&mut self) -> squeue::Entry {
        opcode::Close::new(types::Fd(self.fd.as_raw_fd())).build()
    }

    fn run_blocking(self) -> Self::Output {
        // SAFETY: the descriptor is ours to close, and nobody uses it afterwards. Never retried:
        // on Linux an interrupted close has closed.
        check(unsafe { libc::close(self.fd.into_raw_fd()) } as isize).map(drop)
    }
}
