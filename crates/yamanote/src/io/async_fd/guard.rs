//! The guards of [`AsyncFd`]: readiness that was seen and that only its observer may clear.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;

use super::AsyncFd;
use crate::io::Ready;
use crate::runtime::driver::readiness::ReadyEvent;

/// Readiness of an [`AsyncFd`], seen through a shared reference.
///
/// Dropping the guard keeps the readiness. To take it back, use [`try_io`], or [`clear_ready`]
/// right after an operation answered `WouldBlock`. If another event came after the guard was made,
/// both leave the readiness as it is.
///
/// [`try_io`]: AsyncFdReadyGuard::try_io
/// [`clear_ready`]: AsyncFdReadyGuard::clear_ready
#[must_use = "say whether the descriptor is still ready, with try_io, clear_ready or retain_ready"]
pub struct AsyncFdReadyGuard<'a, T: AsRawFd> {
    async_fd: &'a AsyncFd<T>,
    event: Option<ReadyEvent>,
}

/// Readiness of an [`AsyncFd`], seen through a mutable reference; else like [`AsyncFdReadyGuard`].
#[must_use = "say whether the descriptor is still ready, with try_io, clear_ready or retain_ready"]
pub struct AsyncFdReadyMutGuard<'a, T: AsRawFd> {
    async_fd: &'a mut AsyncFd<T>,
    event: Option<ReadyEvent>,
}

impl<'a, T: AsRawFd> AsyncFdReadyGuard<'a, T> {
    pub(super) fn new(async_fd: &'a AsyncFd<T>, event: ReadyEvent) -> Self {
        AsyncFdReadyGuard {
            async_fd,
            event: Some(event),
        }
    }

    /// Says that the descriptor is not ready any more for what this guard was returned for. Call
    /// this only after an operation has answered `WouldBlock`.
    pub fn clear_ready(&mut self) {
        clear(self.async_fd, &mut self.event);
    }

    /// Like [`clear_ready`](AsyncFdReadyGuard::clear_ready), for the kinds in `ready` only.
    pub fn clear_ready_matching(&mut self, ready: Ready) {
        clear_matching(self.async_fd, &mut self.event, ready);
    }

    /// Keeps the readiness, as dropping the guard does; says so in the code.
    pub fn retain_ready(&mut self) {}

    /// What is ready, as far as this guard has not cleared it.
    pub fn ready(&self) -> Ready {
        self.event.map_or(Ready::EMPTY, |event| event.ready)
    }

    /// Calls `f` and clears the readiness if it answers `WouldBlock`.
    ///
    /// # Errors
    ///
    /// [`TryIoError`] if the readiness was cleared: time to wait for the next event.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::io::{self, Read};
    /// use yamanote::io::unix::AsyncFd;
    ///
    /// async fn read_some(pipe: &AsyncFd<std::fs::File>, buf: &mut [u8]) -> io::Result<usize> {
    ///     loop {
    ///         let mut guard = pipe.readable().await?;
    ///         match guard.try_io(|pipe| pipe.get_ref().read(buf)) {
    ///             Ok(result) => return result,
    ///             Err(_not_ready) => continue,
    ///         }
    ///     }
    /// }
    /// ```
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&'a AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        let result = f(self.async_fd);
        clear_if_blocked(self.async_fd, &mut self.event, result)
    }

    /// The descriptor's [`AsyncFd`].
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        self.async_fd
    }

    /// The object that owns the descriptor.
    pub fn get_inner(&self) -> &'a T {
        self.async_fd.get_ref()
    }
}

impl<'a, T: AsRawFd> AsyncFdReadyMutGuard<'a, T> {
    pub(super) fn new(async_fd: &'a mut AsyncFd<T>, event: ReadyEvent) -> Self {
        AsyncFdReadyMutGuard {
            async_fd,
            event: Some(event),
        }
    }

    /// Says that the descriptor is not ready any more for what this guard was returned for. Call
    /// this only after an operation has answered `WouldBlock`.
    pub fn clear_ready(&mut self) {
        clear(self.async_fd, &mut self.event);
    }

    /// Like [`clear_ready`](AsyncFdReadyMutGuard::clear_ready), for the kinds in `ready` only.
    pub fn clear_ready_matching(&mut self, ready: Ready) {
        clear_matching(self.async_fd, &mut self.event, ready);
    }

    /// Keeps the readiness, as dropping the guard does; says so in the code.
    pub fn retain_ready(&mut self) {}

    /// What is ready, as far as this guard has not cleared it.
    pub fn ready(&self) -> Ready {
        self.event.map_or(Ready::EMPTY, |event| event.ready)
    }

    /// Calls `f` and clears the readiness if it answers `WouldBlock`.
    ///
    /// # Errors
    ///
    /// [`TryIoError`] if the readiness was cleared: time to wait for the next event.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&mut AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        let result = f(self.async_fd);
        clear_if_blocked(self.async_fd, &mut self.event, result)
    }

    /// The descriptor's [`AsyncFd`].
    pub fn get_ref(&self) -> &AsyncFd<T> {
        self.async_fd
    }

    /// The descriptor's [`AsyncFd`].
    pub fn get_mut(&mut self) -> &mut AsyncFd<T> {
        self.async_fd
    }

    /// The object that owns the descriptor.
    pub fn get_inner(&self) -> &T {
        self.async_fd.get_ref()
    }

    /// The object that owns the descriptor.
    pub fn get_inner_mut(&mut self) -> &mut T {
        self.async_fd.get_mut()
    }
}

fn clear<T: AsRawFd>(async_fd: &AsyncFd<T>, event: &mut Option<ReadyEvent>) {
    if let Some(event) = event.take() {
        async_fd.registration.clear_readiness(event);
    }
}

fn clear_matching<T: AsRawFd>(async_fd: &AsyncFd<T>, event: &mut Option<ReadyEvent>, ready: Ready) {
    let Some(seen) = event.take() else { return };
    async_fd
        .registration
        .clear_readiness(seen.with_ready(ready));
    let rest = seen.ready - ready;
    if !rest.is_empty() {
        *event = Some(seen.with_ready(rest));
    }
}

fn clear_if_blocked<T: AsRawFd, R>(
    async_fd: &AsyncFd<T>,
    event: &mut Option<ReadyEvent>,
    result: io::Result<R>,
) -> Result<io::Result<R>, TryIoError> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            clear(async_fd, event);
            Err(TryIoError(()))
        }
        result => Ok(result),
    }
}

impl<T: fmt::Debug + AsRawFd> fmt::Debug for AsyncFdReadyGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFdReadyGuard")
            .field("async_fd", &self.async_fd)
            .finish_non_exhaustive()
    }
}

impl<T: fmt::Debug + AsRawFd> fmt::Debug for AsyncFdReadyMutGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFdReadyMutGuard")
            .field("async_fd", &self.async_fd)
            .finish_non_exhaustive()
    }
}

/// The operation answered `WouldBlock` and the readiness was cleared.
#[derive(Debug)]
pub struct TryIoError(());

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the descriptor is not ready")
    }
}

impl Error for TryIoError {}
