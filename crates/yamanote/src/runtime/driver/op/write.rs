//! `write` and `pwrite` from an owned buffer.

use std::os::fd::{AsFd, AsRawFd};

use crate::sys::uring::sqe::Sqe;

use super::transfer::{Offset, check, clamp_len, retry_interrupted};
use super::{Cancellable, Completable, CqeResult, OnDrop, Operation};
use crate::buf::{BufResult, IoBuf};
use crate::sys::fs::Wait;

#[derive(Debug)]
pub(crate) struct Write<F, B> {
    file: F,
    buf: B,
    offset: Offset,
    wait: Wait,
    on_drop: OnDrop,
}

impl<F, B> Write<F, B> {
    /// A write that is carried out even if its future is dropped: what a file has accepted is
    /// written.
    pub(crate) fn new(file: F, buf: B, offset: Offset) -> Self {
        Write {
            file,
            buf,
            offset,
            wait: Wait::Allowed,
            on_drop: OnDrop::LetFinish,
        }
    }

    /// Whether the ring may wait for more than the device; the plain call always does.
    pub(crate) fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// Dropping the future cancels the write if the kernel can: for pipes, where it may never end.
    pub(crate) fn cancel_on_drop(mut self) -> Self {
        self.on_drop = OnDrop::Cancel;
        self
    }
}

impl<F, B: IoBuf> Completable for Write<F, B> {
    type Output = BufResult<usize, B>;

    fn complete(self, cqe: CqeResult) -> Self::Output {
        let len = self.buf.bytes_init();
        (cqe.result.map(|n| (n as usize).min(len)), self.buf)
    }
}

impl<F, B: IoBuf> Cancellable for Write<F, B> {
    fn on_drop(&self) -> OnDrop {
        self.on_drop
    }
}

// SAFETY: the SQE points to the buffer, whose address is stable (`IoBuf`) and which `self` owns;
// `self` keeps the descriptor; the kernel writes nothing.
unsafe impl<F: AsFd + Send + 'static, B: IoBuf + 'static> Operation for Write<F, B> {
    fn prepare(&mut self) -> Sqe {
        let fd = self.file.as_fd().as_raw_fd();
        let len = clamp_len(self.buf.bytes_init());
        let sqe = Sqe::write(fd, self.buf.stable_ptr(), len, self.offset.to_sqe());
        match self.wait {
            Wait::Never => sqe.without_waiting(),
            Wait::Allowed => sqe,
        }
    }

    fn run_blocking(self) -> Self::Output {
        let fd = self.file.as_fd().as_raw_fd();
        let buf = self.buf.stable_ptr().cast();
        let len = clamp_len(self.buf.bytes_init()) as usize;
        let offset = self.offset.to_sqe() as i64;
        let result = retry_interrupted(|| {
            check(match self.offset {
                // SAFETY: `len` bytes are initialised at `buf` (`IoBuf`); the descriptor is open.
                Offset::At(_) => unsafe { libc::pwrite64(fd, buf, len, offset) },
                // SAFETY: as above.
                Offset::Cursor => unsafe { libc::write(fd, buf, len) },
            })
        });
        self.complete(CqeResult { result, flags: 0 })
    }
}
