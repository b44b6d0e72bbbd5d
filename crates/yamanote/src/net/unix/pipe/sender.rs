//! The end of a pipe to write to: [`Sender`].
#![forbid(unsafe_code)]

use std::io;

use crate::io::Interest;
use crate::io::evented::Evented;
use crate::net::bytes::{impl_async_write, try_write_methods};
use crate::net::conversions::descriptor_traits;
use crate::net::readiness::{ready_method, write_readiness};

/// The end of a pipe to write to.
///
/// It is made by [`pipe`](super::pipe), by [`OpenOptions::open_sender`](super::OpenOptions), or of a
/// descriptor. Writing is not buffered: what a write has accepted is in the pipe, and up to 4,096
/// bytes (`PIPE_BUF`) are accepted all or not at all. Readers see the end of the stream when all
/// senders are dropped; `shutdown` does nothing.
///
/// Without a reader a write fails with `BrokenPipe` (and the signal SIGPIPE, which Rust programs
/// ignore). A FIFO may get another reader later, and then writes go on.
///
/// # Examples
///
/// A FIFO has no reader until somebody opens its other end, and cannot be opened before:
///
/// ```no_run
/// use yamanote::io::AsyncWriteExt;
/// use yamanote::net::unix::pipe;
///
/// # async fn example() -> std::io::Result<()> {
/// match pipe::OpenOptions::new().open_sender("/run/commands") {
///     Ok(mut sender) => sender.write_all(b"reload\n").await?,
///     Err(error) => println!("nobody listens: {error}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Sender {
    io: Evented<mio::unix::pipe::Sender>,
}

impl Sender {
    #[track_caller]
    pub(super) fn new(pipe: mio::unix::pipe::Sender) -> io::Result<Sender> {
        Ok(Sender {
            io: Evented::that_may_reopen(pipe, Interest::WRITABLE)?,
        })
    }

    super::pipe_end_methods!(
        [libc::O_WRONLY, libc::O_RDWR],
        "not in O_WRONLY or O_RDWR access mode"
    );
    ready_method!();
    write_readiness!(poll_write_ready);
    try_write_methods!();

    /// Calls `f`, an operation that writes to this descriptor, once if there is believed to be room,
    /// and ends that belief if it answers `WouldBlock`.
    ///
    /// `f` must answer `WouldBlock` only if the pipe does, and must not use the other methods of this
    /// sender.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, without calling `f`, if the pipe is not known to be ready; what `f` answers
    /// otherwise.
    pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.io.registration().try_io(Interest::WRITABLE, f)
    }

    /// A pipe has no half to close: it ends with the descriptor.
    fn shut_down(&self) -> io::Result<()> {
        Ok(())
    }
}

impl_async_write!(Sender, this => this.io, this.shut_down());
descriptor_traits!(Sender, io);
