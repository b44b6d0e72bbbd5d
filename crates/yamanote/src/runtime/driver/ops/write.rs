//! `pwrite` from an owned buffer.

use std::os::fd::{AsFd, AsRawFd};

use crate::sys::uring::sqe::Sqe;

use super::transfer::{check, clamp_len, clamp_offset, retry_interrupted};
use crate::buf::{BufResult, IoBuf};
use crate::runtime::driver::op::{Cancellable, Completable, CqeResult, OnDrop, Operation, Prepare};
use crate::sys::fs::Wait;

#[derive(Debug)]
pub(crate) struct Write<F, B> {
    file: F,
    buf: B,
    offset: u64,
    wait: Wait,
}

impl<F, B> Write<F, B> {
    /// A write that is carried out even if its future is dropped: what a file has accepted is
    /// written.
    pub(crate) fn new(file: F, buf: B, offset: u64) -> Self {
        Write {
            file,
            buf,
            offset,
            wait: Wait::Allowed,
        }
    }

    /// Whether the ring may wait for more than the device; the plain call always does.
    pub(crate) fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
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
        OnDrop::LetFinish
    }
}

// SAFETY: the SQE points to the buffer, whose address is stable (`IoBuf`) and which `self` owns;
// `self` keeps the descriptor; the kernel writes nothing.
unsafe impl<F: AsFd, B: IoBuf> Prepare for Write<F, B> {
    fn prepare(&mut self) -> Sqe {
        let fd = self.file.as_fd().as_raw_fd();
        let len = clamp_len(self.buf.bytes_init());
        let offset = clamp_offset(self.offset);
        let sqe = Sqe::write(fd, self.buf.stable_ptr(), len, offset);
        match self.wait {
            Wait::Never => sqe.without_waiting(),
            Wait::Allowed => sqe,
        }
    }
}

impl<F: AsFd + Send + 'static, B: IoBuf + 'static> Operation for Write<F, B> {
    fn run_blocking(self) -> Self::Output {
        let fd = self.file.as_fd().as_raw_fd();
        let buf = self.buf.stable_ptr().cast();
        let len = clamp_len(self.buf.bytes_init()) as usize;
        let offset = clamp_offset(self.offset) as i64;
        let result = retry_interrupted(|| {
            // SAFETY: `len` bytes are initialised at `buf` (`IoBuf`); the descriptor is open.
            check(unsafe { libc::pwrite64(fd, buf, len, offset) })
        });
        self.complete(CqeResult::of_call(result))
    }
}
