//! Pipes: streams of bytes in one direction, between tasks or processes.
//!
//! [`pipe`] makes a pipe without a name, whose ends can be given to child processes. A FIFO is a pipe
//! with a path, opened by [`OpenOptions`]. The end to write to is a [`Sender`], the end to read from
//! a [`Receiver`].
#![forbid(unsafe_code)]

mod open_options;
mod receiver;
mod sender;
pub use open_options::OpenOptions;
pub use receiver::Receiver;
pub use sender::Sender;

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

use crate::sys::fs::{set_status_flags, status_flags};

/// Makes a pipe.
///
/// # Errors
///
/// Those of pipe2(2): EMFILE or ENFILE without two free descriptors.
///
/// # Panics
///
/// Outside a runtime, and in one that was built without `enable_io`.
///
/// # Examples
///
/// ```
/// use yamanote::io::{AsyncReadExt, AsyncWriteExt};
/// use yamanote::net::unix::pipe;
///
/// # yamanote::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let (mut sender, mut receiver) = pipe::pipe()?;
/// sender.write_all(b"hello").await?;
/// drop(sender);
///
/// let mut text = String::new();
/// receiver.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (sender, receiver) = mio::unix::pipe::new()?;
    Ok((Sender::new(sender)?, Receiver::new(receiver)?))
}

fn not_a_pipe() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a pipe")
}

fn is_pipe(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.file_type().is_fifo())
}

/// Checks that `fd` is a pipe open in one of two ways and makes it non-blocking.
fn checked(fd: OwnedFd, modes: [c_int; 2], otherwise: &str) -> io::Result<OwnedFd> {
    let file = File::from(fd);
    if !is_pipe(&file)? {
        return Err(not_a_pipe());
    }
    let flags = status_flags(file.as_fd())?;
    if !modes.contains(&(flags & libc::O_ACCMODE)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, otherwise));
    }
    if flags & libc::O_NONBLOCK == 0 {
        set_status_flags(file.as_fd(), flags | libc::O_NONBLOCK)?;
    }
    Ok(file.into())
}

fn set_blocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_status_flags(fd, status_flags(fd)? & !libc::O_NONBLOCK)
}

/// Ways in and out of an end of a pipe, in an `impl` block of a type with a field `io: Evented<_>` and
/// a constructor `new`. `$modes` are the ways it may be open in.
macro_rules! pipe_end_methods {
    ($modes:expr, $otherwise:literal) => {
        /// Takes a file that is this end of a pipe, and makes it non-blocking.
        ///
        /// # Errors
        ///
        /// `InvalidInput` if it is no pipe, or not open for this direction.
        ///
        /// # Panics
        ///
        /// Outside a runtime, and in one that was built without `enable_io`.
        #[track_caller]
        pub fn from_file(file: std::fs::File) -> std::io::Result<Self> {
            Self::from_owned_fd(file.into())
        }

        /// Takes a descriptor that is this end of a pipe, and makes it non-blocking.
        ///
        /// # Errors
        ///
        /// `InvalidInput` if it is no pipe, or not open for this direction.
        ///
        /// # Panics
        ///
        /// Outside a runtime, and in one that was built without `enable_io`.
        #[track_caller]
        pub fn from_owned_fd(owned_fd: std::os::fd::OwnedFd) -> std::io::Result<Self> {
            Self::from_owned_fd_unchecked(super::checked(owned_fd, $modes, $otherwise)?)
        }

        /// Takes a file without looking at it. It should be this end of a pipe, open for this
        /// direction and non-blocking: a blocking one stops the thread, and with it every other
        /// task on it.
        ///
        /// # Errors
        ///
        /// If the kernel cannot watch it, as a regular file (EPERM).
        ///
        /// # Panics
        ///
        /// Outside a runtime, and in one that was built without `enable_io`.
        #[track_caller]
        pub fn from_file_unchecked(file: std::fs::File) -> std::io::Result<Self> {
            Self::from_owned_fd_unchecked(file.into())
        }

        /// Takes a descriptor without looking at it; as
        /// [`from_file_unchecked`](Self::from_file_unchecked).
        ///
        /// # Errors
        ///
        /// If the kernel cannot watch it, as a regular file (EPERM).
        ///
        /// # Panics
        ///
        /// Outside a runtime, and in one that was built without `enable_io`.
        #[track_caller]
        pub fn from_owned_fd_unchecked(owned_fd: std::os::fd::OwnedFd) -> std::io::Result<Self> {
            Self::new(owned_fd.into())
        }

        /// Takes this out of the runtime and makes it blocking, as a child process wants it. All
        /// descriptors of this open file change with it.
        ///
        /// # Errors
        ///
        /// Those of the system calls; the descriptor is closed then.
        pub fn into_blocking_fd(self) -> std::io::Result<std::os::fd::OwnedFd> {
            let fd = self.into_nonblocking_fd()?;
            super::set_blocking(std::os::fd::AsFd::as_fd(&fd))?;
            Ok(fd)
        }

        /// Takes this out of the runtime as it is, non-blocking.
        ///
        /// # Errors
        ///
        /// Those of epoll_ctl(2); the descriptor is closed then.
        pub fn into_nonblocking_fd(self) -> std::io::Result<std::os::fd::OwnedFd> {
            self.io.into_inner().map(std::os::fd::OwnedFd::from)
        }
    };
}
use pipe_end_methods;
