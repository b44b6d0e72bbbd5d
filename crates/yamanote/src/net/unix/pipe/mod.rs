//! Pipes: streams of bytes in one direction, between tasks or processes.
//!
//! [`pipe`] makes a pipe without a name, whose ends can be given to child processes. A FIFO is a
//! pipe with a path, opened by [`OpenOptions`]. The end to write to is a [`Sender`], the end to
//! read from a [`Receiver`].
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
