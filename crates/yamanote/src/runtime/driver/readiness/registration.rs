//! One descriptor's membership in the readiness set: how its owner waits and does I/O.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mio::event;

use super::source::Source;
use super::{Direction, Interest, Readiness, Ready, ReadyEvent, Shared, token};
use crate::util::coop;
use crate::util::shutdown_text::shutting_down;

/// Keeps a source in the set. The owner calls [`deregister`](Registration::deregister) before it
/// closes the descriptor; dropping the registration gives the source back.
///
/// The `poll_*` methods remember one task for each direction, the last that called; the `async`
/// ones may be awaited by any number of tasks.
pub(crate) struct Registration {
    source: Arc<Source>,
    index: u32,
    set: Arc<Shared>,
}

impl Registration {
    /// Adds `io` to the set.
    pub(crate) fn new(
        readiness: &Readiness,
        io: &mut impl event::Source,
        interest: Interest,
    ) -> io::Result<Registration> {
        let set = Arc::clone(&readiness.shared);
        assert!(
            !set.is_forked(),
            "a runtime was used in a forked child of the process that made it; it does not survive \
             fork()"
        );
        let (index, source) = set.table.insert().map_err(|_| shutting_down())?;
        let registration = Registration { source, index, set };
        let token = token(index, registration.source.generation());
        registration
            .set
            .registry
            .register(io, token, interest.to_mio())?;
        Ok(registration)
    }

    /// Takes `io` out of the set. Without this a descriptor that has duplicates would stay in it
    /// beyond its close.
    pub(crate) fn deregister(&self, io: &mut impl event::Source) -> io::Result<()> {
        if self.set.is_forked() {
            return Ok(());
        }
        self.set.registry.deregister(io)
    }

    /// See [`Source::assume`].
    pub(crate) fn assume_ready(&self, ready: Ready) {
        self.source.assume(ready);
    }

    /// Takes back what `event` says, unless another event came since.
    pub(crate) fn clear_readiness(&self, event: ReadyEvent) {
        self.source.clear(event);
    }

    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
        self.poll_ready(cx, Direction::Read)
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
        self.poll_ready(cx, Direction::Write)
    }

    #[inline]
    fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<ReadyEvent>> {
        let unit = ready!(coop::poll_proceed(cx));
        let event = ready!(self.source.poll_ready(cx, direction));
        if event.is_shutdown {
            return Poll::Ready(Err(shutting_down()));
        }
        unit.made_progress();
        Poll::Ready(Ok(event))
    }

    /// Calls `operation` whenever there may be something to read, until it answers anything but
    /// `WouldBlock`.
    pub(crate) fn poll_read_io<R>(
        &self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let event = ready!(self.poll_read_ready(cx))?;
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.clear_readiness(event);
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Calls `operation` once if the source is believed ready, and answers `WouldBlock` without
    /// calling it otherwise.
    pub(crate) fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        let event = self.source.look(interest);
        if event.ready.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = operation();
        if matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.clear_readiness(event);
        }
        result
    }

    /// Waits until something of `interest` is ready. Cancel safe. Spends budget, because who asks
    /// for what is always ready, and then tries without waiting, would never let others run.
    pub(crate) async fn readiness(&self, interest: Interest) -> io::Result<ReadyEvent> {
        let event = self.wait(interest).await?;
        poll_fn(coop::poll_proceed).await.made_progress();
        Ok(event)
    }

    async fn wait(&self, interest: Interest) -> io::Result<ReadyEvent> {
        let event = self.source.wait(interest).await;
        if event.is_shutdown {
            return Err(shutting_down());
        }
        Ok(event)
    }

    /// Waits and calls `operation` until it answers anything but `WouldBlock`. Cancel safe:
    /// nothing happens between a success of `operation` and the return.
    pub(crate) async fn async_io<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let event = self.wait(interest).await?;
            let unit = poll_fn(coop::poll_proceed).await;
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.clear_readiness(event);
                }
                result => {
                    unit.made_progress();
                    return result;
                }
            }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.set.is_forked() {
            return;
        }
        self.set.table.release(self.index, &self.source);
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("index", &self.index)
            .field("source", &self.source)
            .finish()
    }
}
