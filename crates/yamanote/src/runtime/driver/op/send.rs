//! `send` from an owned buffer.

use std::os::fd::{AsFd, AsRawFd};

use crate::sys::uring::sqe::Sqe;

use super::transfer::{check, clamp_len, retry_interrupted};
use super::{Cancellable, Completable, CqeResult, Operation};
use crate::buf::{BufResult, IoBuf};

#[derive(Debug)]
pub(crate) struct Send<S, B> {
    socket: S,
    buf: B,
    flags: i32,
}

impl<S, B> Send<S, B> {
    /// Never raises SIGPIPE.
    pub(crate) fn new(socket: S, buf: B, flags: i32) -> Self {
        Send {
            socket,
            buf,
            flags: flags | libc::MSG_NOSIGNAL,
        }
    }
}

impl<S, B: IoBuf> Completable for Send<S, B> {
    type Output = BufResult<usize, B>;

    fn complete(self, cqe: CqeResult) -> Self::Output {
        let len = self.buf.bytes_init();
        (cqe.result.map(|n| (n as usize).min(len)), self.buf)
    }
}

impl<S, B: IoBuf> Cancellable for Send<S, B> {}

// SAFETY: the SQE points to the buffer, whose address is stable (`IoBuf`) and which `self` owns;
// `self` keeps the descriptor; the kernel writes nothing.
unsafe impl<S: AsFd + std::marker::Send + 'static, B: IoBuf + 'static> Operation for Send<S, B> {
    fn prepare(&mut self) -> Sqe {
        let fd = self.socket.as_fd().as_raw_fd();
        let len = clamp_len(self.buf.bytes_init());
        Sqe::send(fd, self.buf.stable_ptr(), len, self.flags)
    }

    fn run_blocking(self) -> Self::Output {
        let fd = self.socket.as_fd().as_raw_fd();
        let buf = self.buf.stable_ptr().cast();
        let len = clamp_len(self.buf.bytes_init()) as usize;
        // SAFETY: `len` bytes are initialised at `buf` (`IoBuf`); the descriptor is open.
        let result = retry_interrupted(|| check(unsafe { libc::send(fd, buf, len, self.flags) }));
        self.complete(CqeResult { result, flags: 0 })
    }
}
