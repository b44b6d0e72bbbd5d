//! `pread` into an owned buffer.

use std::os::fd::{AsFd, AsRawFd};

use crate::sys::uring::sqe::Sqe;

use super::transfer::{check, clamp_len, clamp_offset, retry_interrupted};
use crate::buf::{BufResult, IoBufMut};
use crate::runtime::driver::op::{Cancellable, Completable, CqeResult, Operation, Prepare};
use crate::sys::fs::Wait;

#[derive(Debug)]
pub(crate) struct Read<F, B> {
    file: F,
    buf: B,
    offset: u64,
    wait: Wait,
}

impl<F, B> Read<F, B> {
    pub(crate) fn new(file: F, buf: B, offset: u64) -> Self {
        Read {
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

impl<F, B: IoBufMut> Completable for Read<F, B> {
    type Output = BufResult<usize, B>;

    fn complete(mut self, cqe: CqeResult) -> Self::Output {
        let result = cqe.result.map(|n| {
            // A kernel that claims more than there is room for must not be believed.
            let n = (n as usize).min(self.buf.bytes_total());
            // SAFETY: the kernel has written the first `n` bytes.
            unsafe { self.buf.set_init(n) };
            n
        });
        (result, self.buf)
    }
}

impl<F, B: IoBufMut> Cancellable for Read<F, B> {}

// SAFETY: the SQE points to the buffer, whose address is stable (`IoBufMut`) and which `self` owns;
// `self` keeps the descriptor; any bytes are valid in the buffer.
unsafe impl<F: AsFd, B: IoBufMut> Prepare for Read<F, B> {
    fn prepare(&mut self) -> Sqe {
        let fd = self.file.as_fd().as_raw_fd();
        let len = clamp_len(self.buf.bytes_total());
        let offset = clamp_offset(self.offset);
        let sqe = Sqe::read(fd, self.buf.stable_mut_ptr(), len, offset);
        match self.wait {
            Wait::Never => sqe.without_waiting(),
            Wait::Allowed => sqe,
        }
    }
}

impl<F: AsFd + Send + 'static, B: IoBufMut + 'static> Operation for Read<F, B> {
    fn run_blocking(mut self) -> Self::Output {
        let fd = self.file.as_fd().as_raw_fd();
        let buf = self.buf.stable_mut_ptr().cast();
        let len = clamp_len(self.buf.bytes_total()) as usize;
        let offset = clamp_offset(self.offset) as i64;
        let result = retry_interrupted(|| {
            // SAFETY: `len` bytes are writable at `buf` (`IoBufMut`); the descriptor is open.
            check(unsafe { libc::pread64(fd, buf, len, offset) })
        });
        self.complete(CqeResult::of_call(result))
    }
}
