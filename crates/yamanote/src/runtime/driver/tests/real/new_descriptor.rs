//! Operations whose result is a descriptor. The driver has none at present; the way of a result
//! that must not be lost is tested with these.

use std::ffi::CString;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use crate::runtime::driver::op::{Cancellable, Completable, CqeResult, Operation, Prepare};
use crate::sys::uring::sqe::{Sqe, op};

/// `struct open_how`.
#[repr(C)]
#[derive(Default)]
pub(super) struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// An operation that makes a descriptor of what it keeps.
pub(super) struct NewDescriptor<K> {
    kept: K,
    /// The pointers of the SQE lead to the heap behind `kept`, and its descriptor is `kept`'s.
    fill: fn(&K) -> Sqe,
}

/// `openat2` for reading, in a thread of the kernel: a FIFO without a writer is waited for.
pub(super) fn open(path: CString) -> NewDescriptor<(CString, Box<OpenHow>)> {
    const IOSQE_ASYNC: u8 = 1 << 4;
    let how = Box::new(OpenHow {
        flags: libc::O_CLOEXEC as u64,
        ..OpenHow::default()
    });
    NewDescriptor {
        kept: (path, how),
        fill: |(path, how)| Sqe {
            opcode: op::OPENAT2,
            flags: IOSQE_ASYNC,
            fd: libc::AT_FDCWD,
            addr: path.as_ptr().expose_provenance() as u64,
            len: size_of::<OpenHow>() as u32,
            off: (&raw const **how).expose_provenance() as u64,
            ..Sqe::default()
        },
    }
}

/// `accept4`.
pub(super) fn accept(listener: Arc<TcpListener>) -> NewDescriptor<Arc<TcpListener>> {
    NewDescriptor {
        kept: listener,
        fill: |listener| Sqe {
            opcode: op::ACCEPT,
            fd: listener.as_raw_fd(),
            op_flags: libc::SOCK_CLOEXEC as u32,
            ..Sqe::default()
        },
    }
}

impl<K> Completable for NewDescriptor<K> {
    type Output = io::Result<OwnedFd>;

    fn complete(self, cqe: CqeResult) -> Self::Output {
        // SAFETY: a non-negative result is a descriptor the kernel made for this operation; the
        // completion is seen once, so nobody else owns it.
        cqe.result
            .map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
    }
}

// An orphan's descriptor is closed by dropping the output.
impl<K> Cancellable for NewDescriptor<K> {}

// SAFETY: the two functions above keep the word of `fill`; what its pointers lead to is only read.
unsafe impl<K> Prepare for NewDescriptor<K> {
    fn prepare(&mut self) -> Sqe {
        (self.fill)(&self.kept)
    }
}

impl<K: Send + 'static> Operation for NewDescriptor<K> {
    fn run_blocking(self) -> Self::Output {
        unreachable!("these tests have a ring")
    }
}
