//! The end of a pipe to read from: [`Receiver`].
#![forbid(unsafe_code)]

use std::io;

use crate::io::Interest;
use crate::io::evented::Evented;
use crate::net::bytes::{impl_async_read, try_read_methods};
use crate::net::conversions::descriptor_traits;
use crate::net::readiness::{read_readiness, ready_method};

/// The end of a pipe to read from.
///
/// It is made by [`pipe`](super::pipe), by [`OpenOptions::open_receiver`](super::OpenOptions), or of a
/// descriptor.
///
/// When all senders are gone it reads the end of the stream. A FIFO may get another sender later:
/// before the first one comes a read waits, and between two senders it returns `Ok(0)` at once. To
/// wait instead, open it with [`read_write`](super::OpenOptions::read_write).
///
/// # Examples
///
/// Commands from whoever writes to a FIFO, made by `mkfifo /run/commands`:
///
/// ```no_run
/// use yamanote::io::{AsyncBufReadExt, BufReader};
/// use yamanote::net::unix::pipe;
///
/// # async fn example() -> std::io::Result<()> {
/// // Also a sender itself, so that it does not end between two others.
/// let receiver = pipe::OpenOptions::new().read_write(true).open_receiver("/run/commands")?;
/// let mut commands = BufReader::new(receiver).lines();
/// while let Some(command) = commands.next_line().await? {
///     println!("{command}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Receiver {
    io: Evented<mio::unix::pipe::Receiver>,
}

impl Receiver {
    #[track_caller]
    pub(super) fn new(pipe: mio::unix::pipe::Receiver) -> io::Result<Receiver> {
        Ok(Receiver {
            io: Evented::that_may_reopen(pipe, Interest::READABLE)?,
        })
    }

    super::pipe_end_methods!(
        [libc::O_RDONLY, libc::O_RDWR],
        "not in O_RDONLY or O_RDWR access mode"
    );
    ready_method!();
    read_readiness!(poll_read_ready);
    try_read_methods!();

    /// Calls `f`, an operation that reads from this descriptor, once if there is believed to be
    /// something, and ends that belief if it answers `WouldBlock`.
    ///
    /// `f` must answer `WouldBlock` only if the pipe does, and must not use the other methods of this
    /// receiver.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, without calling `f`, if the pipe is not known to be ready; what `f` answers
    /// otherwise.
    pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.io.registration().try_io(Interest::READABLE, f)
    }
}

impl_async_read!(Receiver, this => this.io);
descriptor_traits!(Receiver, io);
