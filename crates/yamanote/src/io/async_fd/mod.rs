//! Any pollable descriptor in the runtime: [`AsyncFd`].

mod guard;
mod readiness;
mod register_error;
pub use guard::{AsyncFdReadyGuard, AsyncFdReadyMutGuard, TryIoError};
pub use register_error::AsyncFdRegisterError;
#[allow(deprecated)]
pub use register_error::AsyncFdTryNewError;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use mio::unix::SourceFd;

use super::Interest;
use super::evented::register;
use crate::runtime::driver::readiness::Registration;

/// A descriptor registered with the runtime, so that its readiness can be awaited.
///
/// `AsyncFd` owns the object that owns the descriptor. The descriptor must be of a kind that epoll
/// can watch (sockets, pipes, eventfds, terminals, ...; not regular files), and it should be in
/// non-blocking mode, so that an operation on it answers [`WouldBlock`] instead of blocking the
/// thread.
///
/// [`readable`], [`writable`] and [`ready`] wait; any number of tasks may do so at the same time.
/// The `poll_*` methods remember one task for each direction, the last that called.
///
/// # Readiness is remembered
///
/// Events are edge-triggered: the kernel reports once that a descriptor has become ready. From then
/// on the waits return at once, until somebody says that the descriptor is no longer ready. That is
/// what the guards they return are for. Try the operation first with [`try_io`] on the guard, which
/// clears the readiness exactly when the operation answers `WouldBlock`. Clearing it in any other
/// case may put the task to sleep although there is data.
///
/// [`async_io`] does all of this in one call.
///
/// # Examples
///
/// A pipe from the outside, read without blocking:
///
/// ```no_run
/// use std::fs::File;
/// use std::io::{self, Read};
/// use std::os::fd::OwnedFd;
/// use yamanote::io::Interest;
/// use yamanote::io::unix::AsyncFd;
///
/// async fn read_some(pipe: OwnedFd, buf: &mut [u8]) -> io::Result<usize> {
///     // SAFETY: a `File` keeps its descriptor open, and the same, for as long as it lives.
///     let pipe = unsafe { AsyncFd::register(File::from(pipe)) }?;
///     pipe.async_io(Interest::READABLE, |mut file| file.read(buf)).await
/// }
/// ```
///
/// [`WouldBlock`]: io::ErrorKind::WouldBlock
/// [`readable`]: AsyncFd::readable
/// [`writable`]: AsyncFd::writable
/// [`ready`]: AsyncFd::ready
/// [`async_io`]: AsyncFd::async_io
/// [`try_io`]: AsyncFdReadyGuard::try_io
pub struct AsyncFd<T: AsRawFd> {
    registration: Registration,
    /// Empty only once it was taken by `into_inner` or the drop.
    inner: Option<T>,
}

impl<T: AsRawFd> AsyncFd<T> {
    /// Registers `inner` with the current runtime, for reading and writing.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the descriptor (a regular file: EPERM) or the runtime is shut down.
    /// `inner` comes back in the error.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one that was built without `enable_io`.
    ///
    /// # Safety
    ///
    /// Until `inner` is dropped or taken back,
    ///
    /// - `inner.as_raw_fd()` returns the same number at every call, and
    /// - the descriptor of that number stays open and refers to the same open file.
    #[inline]
    #[track_caller]
    pub unsafe fn register(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        AsyncFd::add(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// Registers `inner` for `interest` only. A wait for anything else may never end.
    ///
    /// # Errors
    ///
    /// As [`register`](AsyncFd::register).
    ///
    /// # Panics
    ///
    /// As [`register`](AsyncFd::register).
    ///
    /// # Safety
    ///
    /// As for [`register`](AsyncFd::register).
    #[inline]
    #[track_caller]
    pub unsafe fn register_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<Self, AsyncFdRegisterError<T>> {
        AsyncFd::add(inner, interest)
    }

    #[track_caller]
    fn add(inner: T, interest: Interest) -> Result<Self, AsyncFdRegisterError<T>> {
        match register(&mut SourceFd(&inner.as_raw_fd()), interest) {
            Ok(registration) => Ok(AsyncFd {
                registration,
                inner: Some(inner),
            }),
            Err(cause) => Err(AsyncFdRegisterError::new(inner, cause)),
        }
    }

    /// Like [`register`](AsyncFd::register), without asking for the promise in its contract.
    ///
    /// # Errors
    ///
    /// As [`register`](AsyncFd::register); but `inner` is dropped then.
    ///
    /// # Panics
    ///
    /// As [`register`](AsyncFd::register).
    #[inline]
    #[track_caller]
    #[deprecated(note = "nothing makes `inner` keep its descriptor; use `AsyncFd::register`")]
    pub fn new(inner: T) -> io::Result<Self> {
        Ok(AsyncFd::add(
            inner,
            Interest::READABLE | Interest::WRITABLE,
        )?)
    }

    /// Like [`register_with_interest`](AsyncFd::register_with_interest), without asking for the
    /// promise in its contract.
    ///
    /// # Errors
    ///
    /// As [`register`](AsyncFd::register); but `inner` is dropped then.
    ///
    /// # Panics
    ///
    /// As [`register`](AsyncFd::register).
    #[inline]
    #[track_caller]
    #[deprecated(
        note = "nothing makes `inner` keep its descriptor; use `AsyncFd::register_with_interest`"
    )]
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<Self> {
        Ok(AsyncFd::add(inner, interest)?)
    }

    /// Like [`register`](AsyncFd::register), without asking for the promise in its contract.
    ///
    /// # Errors
    ///
    /// As [`register`](AsyncFd::register).
    ///
    /// # Panics
    ///
    /// As [`register`](AsyncFd::register).
    #[inline]
    #[track_caller]
    #[deprecated(note = "nothing makes `inner` keep its descriptor; use `AsyncFd::register`")]
    pub fn try_new(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        AsyncFd::add(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// Like [`register_with_interest`](AsyncFd::register_with_interest), without asking for the
    /// promise in its contract.
    ///
    /// # Errors
    ///
    /// As [`register`](AsyncFd::register).
    ///
    /// # Panics
    ///
    /// As [`register`](AsyncFd::register).
    #[inline]
    #[track_caller]
    #[deprecated(
        note = "nothing makes `inner` keep its descriptor; use `AsyncFd::register_with_interest`"
    )]
    pub fn try_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<Self, AsyncFdRegisterError<T>> {
        AsyncFd::add(inner, interest)
    }

    /// The object that owns the descriptor.
    #[inline]
    pub fn get_ref(&self) -> &T {
        self.inner.as_ref().expect("taken only at the end")
    }

    /// The object that owns the descriptor.
    #[inline]
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("taken only at the end")
    }

    /// Takes the descriptor out of the runtime and returns its owner.
    pub fn into_inner(mut self) -> T {
        self.take_inner().expect("taken only at the end")
    }

    fn take_inner(&mut self) -> Option<T> {
        let inner = self.inner.take()?;
        // It fails only if the descriptor has left the set on its own, by being closed.
        let _ = self
            .registration
            .deregister(&mut SourceFd(&inner.as_raw_fd()));
        Some(inner)
    }
}

impl<T: AsRawFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.get_ref().as_raw_fd()
    }
}

impl<T: AsRawFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the contract of `register` keeps the descriptor open while `self` has `inner`,
        // which is longer than the borrow.
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}

impl<T: fmt::Debug + AsRawFd> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd")
            .field("inner", &self.inner)
            .finish()
    }
}

impl<T: AsRawFd> Drop for AsyncFd<T> {
    fn drop(&mut self) {
        drop(self.take_inner());
    }
}
