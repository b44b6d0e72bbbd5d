//! `accept4`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::sys::uring::sqe::Sqe;
use socket2::{SockAddr, SockAddrStorage};

use super::transfer::{check, retry_interrupted};
use super::{Cancellable, Completable, CqeResult, Operation};

pub(crate) struct Accept<S> {
    listener: S,
    /// Flags of the new socket; it is close-on-exec in any case.
    flags: i32,
    peer: Box<Peer>,
}

/// Where the kernel writes the peer's address.
struct Peer {
    storage: SockAddrStorage,
    len: libc::socklen_t,
}

impl<S> Accept<S> {
    pub(crate) fn new(listener: S, flags: i32) -> Self {
        let storage = SockAddrStorage::zeroed();
        Accept {
            listener,
            flags: flags | libc::SOCK_CLOEXEC,
            peer: Box::new(Peer {
                len: storage.size_of(),
                storage,
            }),
        }
    }
}

impl<S> Completable for Accept<S> {
    type Output = io::Result<(OwnedFd, SockAddr)>;

    fn complete(self, cqe: CqeResult) -> Self::Output {
        cqe.result.map(|fd| {
            // SAFETY: a non-negative result is a descriptor the kernel made for this operation; the
            // completion is seen once, so nobody else owns it.
            let socket = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
            let Peer { storage, len } = *self.peer;
            let len = len.min(storage.size_of());
            // SAFETY: the kernel has written an address of that length; the rest is zero.
            (socket, unsafe { SockAddr::new(storage, len) })
        })
    }
}

// An orphan's socket is closed by dropping the output. A listener whose callers may drop their
// futures keeps the operation itself instead, and gives its result to the next caller.
impl<S> Cancellable for Accept<S> {}

// SAFETY: the SQE points to the address and its length, on the heap behind `self`; any bits are
// valid in both. `self` keeps the listener.
unsafe impl<S: AsFd + Send + 'static> Operation for Accept<S> {
    fn prepare(&mut self) -> Sqe {
        let fd = self.listener.as_fd().as_raw_fd();
        let len = &raw mut self.peer.len;
        let storage = (&raw mut self.peer.storage).cast();
        Sqe::accept(fd, storage, len, self.flags)
    }

    fn run_blocking(mut self) -> Self::Output {
        let fd = self.listener.as_fd().as_raw_fd();
        let len = &raw mut self.peer.len;
        let storage = (&raw mut self.peer.storage).cast::<libc::sockaddr>();
        let result = retry_interrupted(|| {
            // SAFETY: an address buffer and its length, alive and writable during the call.
            check(unsafe { libc::accept4(fd, storage, len, self.flags) } as isize)
        });
        self.complete(CqeResult { result, flags: 0 })
    }
}
