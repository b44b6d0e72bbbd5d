//! `recv` into an owned buffer.

use std::os::fd::{AsFd, AsRawFd};

use crate::sys::uring::sqe::Sqe;

use super::transfer::{check, clamp_len, retry_interrupted};
use super::{Cancellable, Completable, CqeResult, Operation};
use crate::buf::{BufResult, IoBufMut};

#[derive(Debug)]
pub(crate) struct Recv<S, B> {
    socket: S,
    buf: B,
    flags: i32,
}

impl<S, B> Recv<S, B> {
    pub(crate) fn new(socket: S, buf: B, flags: i32) -> Self {
        Recv { socket, buf, flags }
    }
}

impl<S, B: IoBufMut> Completable for Recv<S, B> {
    type Output = BufResult<usize, B>;

    fn complete(mut self, cqe: CqeResult) -> Self::Output {
        let result = cqe.result.map(|n| {
            // With MSG_TRUNC the answer is the datagram's length, which may exceed the buffer.
            let filled = (n as usize).min(self.buf.bytes_total());
            // SAFETY: the kernel has written the first `filled` bytes.
            unsafe { self.buf.set_init(filled) };
            if self.flags & libc::MSG_TRUNC != 0 {
                n as usize
            } else {
                filled
            }
        });
        (result, self.buf)
    }
}

impl<S, B: IoBufMut> Cancellable for Recv<S, B> {}

// SAFETY: the SQE points to the buffer, whose address is stable (`IoBufMut`) and which `self` owns;
// `self` keeps the descriptor; any bytes are valid in the buffer.
unsafe impl<S: AsFd + Send + 'static, B: IoBufMut + 'static> Operation for Recv<S, B> {
    fn prepare(&mut self) -> Sqe {
        let fd = self.socket.as_fd().as_raw_fd();
        let len = clamp_len(self.buf.bytes_total());
        Sqe::recv(fd, self.buf.stable_mut_ptr(), len, self.flags)
    }

    fn run_blocking(mut self) -> Self::Output {
        let fd = self.socket.as_fd().as_raw_fd();
        let buf = self.buf.stable_mut_ptr().cast();
        let len = clamp_len(self.buf.bytes_total()) as usize;
        // SAFETY: `len` bytes are writable at `buf` (`IoBufMut`); the descriptor is open.
        let result = retry_interrupted(|| check(unsafe { libc::recv(fd, buf, len, self.flags) }));
        self.complete(CqeResult { result, flags: 0 })
    }
}
