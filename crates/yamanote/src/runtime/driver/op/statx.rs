//! `statx`, by path or by descriptor.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use crate::sys::uring::sqe::Sqe;

use super::transfer::{check, retry_interrupted};
use super::{Cancellable, Completable, CqeResult, Operation};

#[derive(Debug)]
pub(crate) struct Statx<F> {
    /// The file itself if the path is empty, else where the path starts; `None` is the working
    /// directory.
    file: Option<F>,
    path: CString,
    flags: i32,
    out: Box<MaybeUninit<libc::statx>>,
}

impl<F> Statx<F> {
    /// Of the file at `path`; `flags` such as `AT_SYMLINK_NOFOLLOW`.
    pub(crate) fn path(path: CString, flags: i32) -> Self {
        Statx {
            file: None,
            path,
            flags,
            out: Box::new(MaybeUninit::zeroed()),
        }
    }

    /// Of an open file.
    pub(crate) fn descriptor(file: F) -> Self {
        Statx {
            file: Some(file),
            path: CString::default(),
            flags: libc::AT_EMPTY_PATH,
            out: Box::new(MaybeUninit::zeroed()),
        }
    }
}

impl<F: AsFd> Statx<F> {
    fn fd(&self) -> RawFd {
        self.file
            .as_ref()
            .map_or(libc::AT_FDCWD, |file| file.as_fd().as_raw_fd())
    }
}

/// All std's `Metadata` knows.
const MASK: u32 = libc::STATX_BASIC_STATS | libc::STATX_BTIME;

impl<F> Completable for Statx<F> {
    type Output = io::Result<Box<libc::statx>>;

    fn complete(self, cqe: CqeResult) -> Self::Output {
        // SAFETY: zeroed when made, and any bits are a `statx`.
        cqe.result.map(|_| unsafe { self.out.assume_init() })
    }
}

impl<F> Cancellable for Statx<F> {}

// SAFETY: the SQE points to the path and the out-parameter, both on the heap behind `self`; any bits
// are a `statx`. `self` keeps the descriptor.
unsafe impl<F: AsFd + Send + 'static> Operation for Statx<F> {
    fn prepare(&mut self) -> Sqe {
        let out = self.out.as_mut_ptr();
        Sqe::statx(self.fd(), self.path.as_ptr(), self.flags, MASK, out)
    }

    fn run_blocking(mut self) -> Self::Output {
        let result = retry_interrupted(|| {
            // SAFETY: a NUL-terminated path and a writable `statx`, alive during the call.
            check(unsafe {
                libc::statx(
                    self.fd(),
                    self.path.as_ptr(),
                    self.flags,
                    MASK,
                    self.out.as_mut_ptr(),
                )
            } as isize)
        });
        self.complete(CqeResult { result, flags: 0 })
    }
}
