//! `openat2`.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::sys::uring::sqe::{OpenHow, Sqe};

use super::transfer::{check, retry_interrupted};
use super::{Cancellable, Completable, CqeResult, Operation};

/// Opens `path` as `open(2)` would, blocking included (in a kernel thread, cancellable).
#[derive(Debug)]
pub(crate) struct Open {
    /// Relative paths start here; `None` is the working directory.
    dir: Option<OwnedFd>,
    path: CString,
    how: OpenHow,
}

impl Open {
    /// `flags` and `mode` as for `open(2)`; the descriptor is close-on-exec in any case.
    pub(crate) fn new(path: CString, flags: i32, mode: u32) -> Self {
        // openat2 refuses what open ignores: a mode without O_CREAT/O_TMPFILE, unknown bits.
        let creates = flags & libc::O_CREAT != 0 || flags & libc::O_TMPFILE == libc::O_TMPFILE;
        Open {
            dir: None,
            path,
            how: OpenHow {
                flags: u64::from((flags | libc::O_CLOEXEC | libc::O_LARGEFILE) as u32),
                mode: if creates { u64::from(mode & 0o7777) } else { 0 },
                resolve: 0,
            },
        }
    }

    pub(crate) fn relative_to(mut self, dir: OwnedFd) -> Self {
        self.dir = Some(dir);
        self
    }

    fn dir_fd(&self) -> RawFd {
        self.dir
            .as_ref()
            .map_or(libc::AT_FDCWD, |dir| dir.as_fd().as_raw_fd())
    }
}

impl Completable for Open {
    type Output = io::Result<OwnedFd>;

    fn complete(self, cqe: CqeResult) -> Self::Output {
        // SAFETY: a non-negative result is a descriptor the kernel made for this operation; the
        // completion is seen once, so nobody else owns it.
        cqe.result
            .map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
    }
}

// An orphan's descriptor is closed by dropping the output.
impl Cancellable for Open {}

// SAFETY: the SQE points to the path, on the heap behind `self`, and to `how` inside it; both are
// only read. `self` keeps the directory.
unsafe impl Operation for Open {
    fn prepare(&mut self) -> Sqe {
        Sqe::open(self.dir_fd(), self.path.as_ptr(), &raw const self.how)
            // The ring's inline attempt opens with O_NONBLOCK, which for a FIFO is another
            // operation than the one asked for.
            .in_kernel_thread()
    }

    fn run_blocking(self) -> Self::Output {
        let result = retry_interrupted(|| {
            // SAFETY: a NUL-terminated path and an `open_how` of the size given, alive during the
            // call.
            check(unsafe {
                libc::syscall(
                    libc::SYS_openat2,
                    self.dir_fd(),
                    self.path.as_ptr(),
                    &raw const self.how,
                    size_of::<OpenHow>(),
                ) as isize
            })
        });
        self.complete(CqeResult { result, flags: 0 })
    }
}
