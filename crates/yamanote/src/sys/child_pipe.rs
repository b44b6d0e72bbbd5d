//! Our end of a pipe to a child process.

use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token, event::Source};

use super::net::ReadUninit;

/// A non-blocking end of a pipe.
#[derive(Debug)]
pub(crate) struct ChildPipe(OwnedFd);

impl ChildPipe {
    /// Makes `end` non-blocking. The other end is not affected: each has its own flags.
    pub(crate) fn new(end: OwnedFd) -> io::Result<ChildPipe> {
        set_nonblocking(&end, true)?;
        Ok(ChildPipe(end))
    }

    /// The descriptor in blocking mode, as any program expects its standard streams to be.
    pub(crate) fn into_blocking(self) -> io::Result<OwnedFd> {
        set_nonblocking(&self.0, false)?;
        Ok(self.0)
    }
}

fn set_nonblocking(fd: &OwnedFd, nonblocking: bool) -> io::Result<()> {
    // SAFETY: F_GETFL takes no argument and returns the flags.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    let wanted = match nonblocking {
        true => flags | libc::O_NONBLOCK,
        false => flags & !libc::O_NONBLOCK,
    };
    // SAFETY: F_SETFL takes the flags as an integer.
    if wanted != flags && unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, wanted) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The number of bytes that a read or write returned.
fn count(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

// SAFETY: read(2) writes what it counts to the start of the buffer, and never more than its length.
unsafe impl ReadUninit for ChildPipe {
    fn read_uninit(&self, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        // SAFETY: the pointer and length are those of a live buffer that may be written to.
        count(unsafe { libc::read(self.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) })
    }
}

impl Write for &ChildPipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        // SAFETY: the pointer and length are those of a live buffer.
        count(unsafe { libc::write(self.as_raw_fd(), buf.as_ptr().cast(), buf.len()) })
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = bufs.len().min(libc::UIO_MAXIOV as usize) as libc::c_int;
        // SAFETY: an `IoSlice` has the layout of an iovec; the slices live through the call, and
        // there are at least `len` of them.
        count(unsafe { libc::writev(self.as_raw_fd(), bufs.as_ptr().cast(), len) })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsRawFd for ChildPipe {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for ChildPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Source for ChildPipe {
    fn register(&mut self, set: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).register(set, token, interest)
    }

    fn reregister(&mut self, set: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).reregister(set, token, interest)
    }

    fn deregister(&mut self, set: &Registry) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).deregister(set)
    }
}
