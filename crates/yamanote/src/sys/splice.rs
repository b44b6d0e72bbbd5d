//! Moving bytes from descriptor to descriptor within the kernel, and what must be known before.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// splice(2), without waiting for a pipe. One of the two must be a pipe; the other waits or not as
/// its own flags say. Returns 0 at the end of `from`, or if `most` is 0.
pub(crate) fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    // SAFETY: no offsets are given, so no memory of ours is touched.
    let moved = unsafe {
        libc::splice(
            from.as_raw_fd(),
            ptr::null_mut(),
            to.as_raw_fd(),
            ptr::null_mut(),
            most,
            libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK,
        )
    };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

/// Both ends of a non-blocking pipe that no other program gets to see.
#[derive(Debug)]
pub(crate) struct Pipe {
    output: OwnedFd,
    input: OwnedFd,
    capacity: usize,
}

impl Pipe {
    /// Makes a pipe with room for `wanted` bytes, or for fewer if the user's pipes have too much
    /// memory already (`pipe-user-pages-soft`).
    pub(crate) fn new(wanted: usize) -> io::Result<Pipe> {
        let mut ends: [c_int; 2] = [-1; 2];
        // SAFETY: the array has room for the two descriptors that the call writes.
        if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: both are new, open and nobody else's.
        let [output, input] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        let wanted = c_int::try_from(wanted).unwrap_or(c_int::MAX);
        // SAFETY: the argument is an integer. A refusal leaves the size as it was.
        unsafe { libc::fcntl(input.as_raw_fd(), libc::F_SETPIPE_SZ, wanted) };
        // SAFETY: there is no argument.
        let capacity = unsafe { libc::fcntl(input.as_raw_fd(), libc::F_GETPIPE_SZ) };
        Ok(Pipe {
            output,
            input,
            capacity: usize::try_from(capacity).map_err(|_| io::Error::last_os_error())?,
        })
    }

    /// In bytes, if every page is full.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The end that gives what is in the pipe.
    pub(crate) fn output(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// The end that takes.
    pub(crate) fn input(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }

    /// read(2) from the output.
    pub(crate) fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the pointer and length are those of a live buffer that may be written to.
        let read =
            unsafe { libc::read(self.output.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) };
        usize::try_from(read).map_err(|_| io::Error::last_os_error())
    }
}

/// How many bytes the send buffer of `socket` has room for (`SO_MEMINFO`).
pub(crate) fn send_room(socket: BorrowedFd<'_>) -> io::Result<usize> {
    // `SK_MEMINFO_WMEM_ALLOC`, `_SNDBUF` and `_WMEM_QUEUED` of linux/sock_diag.h.
    const ALLOCATED: usize = 2;
    const LIMIT: usize = 3;
    const QUEUED: usize = 5;
    let mut numbers = [0u32; 16];
    let mut length = size_of_val(&numbers) as libc::socklen_t;
    // SAFETY: the array is valid for writes of the length that is passed beside it.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // A TCP socket counts what is queued, others what is allocated.
    let used = numbers[ALLOCATED].max(numbers[QUEUED]);
    Ok(numbers[LIMIT].saturating_sub(used) as usize)
}

/// Whether this process ignores SIGPIPE, which a splice to a socket raises as any write does that
/// cannot say `MSG_NOSIGNAL`.
pub(crate) fn is_sigpipe_ignored() -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: nothing is changed, and `action` has room for what is there.
    if unsafe { libc::sigaction(libc::SIGPIPE, ptr::null(), action.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call succeeded, so the struct was filled.
    unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}
