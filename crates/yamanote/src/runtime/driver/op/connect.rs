//! `connect`.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use crate::sys::uring::sqe::Sqe;
use socket2::SockAddr;

use super::transfer::check;
use super::{Cancellable, Completable, CqeResult, Operation};

#[derive(Debug)]
pub(crate) struct Connect<S> {
    socket: S,
    address: Box<SockAddr>,
}

impl<S> Connect<S> {
    pub(crate) fn new(socket: S, address: SockAddr) -> Self {
        Connect {
            socket,
            address: Box::new(address),
        }
    }
}

impl<S> Completable for Connect<S> {
    /// The socket comes back in any case.
    type Output = (io::Result<()>, S);

    fn complete(self, cqe: CqeResult) -> Self::Output {
        (cqe.result.map(drop), self.socket)
    }
}

impl<S> Cancellable for Connect<S> {}

// SAFETY: the SQE points to the address, on the heap behind `self` and only read; `self` keeps the
// descriptor.
unsafe impl<S: AsFd + Send + 'static> Operation for Connect<S> {
    /// A connection once begun goes on being made; a second call would say EALREADY.
    const NOT_DONE: &'static [i32] = &[];

    fn prepare(&mut self) -> Sqe {
        let fd = self.socket.as_fd().as_raw_fd();
        Sqe::connect(fd, self.address.as_ptr().cast(), self.address.len())
    }

    fn run_blocking(self) -> Self::Output {
        let fd = self.socket.as_fd().as_raw_fd();
        // SAFETY: an address of that length, alive during the call. Not retried after EINTR: the
        // connection goes on being made, and a second call would say EALREADY.
        let result =
            check(
                unsafe { libc::connect(fd, self.address.as_ptr().cast(), self.address.len()) }
                    as isize,
            );
        self.complete(CqeResult { result, flags: 0 })
    }
}
