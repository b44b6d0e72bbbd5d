//! One descriptor's membership in the readiness set: how its owner waits and does I/O.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mio::event;

use super::interest::{Direction, Interest};
use super::ready::Ready;
use super::source::{ReadyEvent, Source};
use super::{Readiness, Shared, token};
use crate::util::coop;
use crate::util::wake_list::WakeList;

/// Keeps a source in the set. The owner calls [`deregister`](Registration::deregister) before it
/// closes the descriptor; dropping the registration gives the source back.
///
/// The `poll_*` methods remember one task for each direction, the last that called; the `async`
/// ones may be awaited by any number of tasks.
pub(crate) struct Registration {
    source: Arc<Source>,
    index: u32,
    set: Arc<Shared>,
    /// Whether a half that was reported closed may open again. See
    /// [`that_may_reopen`](Registration::that_may_reopen).
    may_reopen: bool,
}

impl Registration {
    /// Adds `io` to the set.
    pub(crate) fn new(
        readiness: &Readiness,
        io: &mut impl event::Source,
        interest: Interest,
    ) -> io::Result<Registration> {
        let set = Arc::clone(&readiness.shared);
        set.origin.assert_here();
        let (index, source) = set.table.insert().map_err(|_| set.end())?;
        let registration = Registration {
            source,
            index,
            set,
            may_reopen: false,
        };
        let token = token(index, registration.source.generation());
        registration
            .set
            .registry
            .register(io, token, interest.to_mio())?;
        Ok(registration)
    }

    /// For a source whose closed halves may open again: a datagram socket, whose passing errors
    /// look like a close to epoll, and a FIFO, which gets a new process at its other end. An
    /// operation that finds nothing there then ends the closed state with the readiness; as that
    /// state never waits, it would be tried for ever otherwise.
    pub(crate) fn that_may_reopen(mut self) -> Registration {
        self.may_reopen = true;
        self
    }

    /// Takes `io` out of the set. Without this a descriptor that has duplicates would stay in it
    /// beyond its close.
    pub(crate) fn deregister(&self, io: &mut impl event::Source) -> io::Result<()> {
        if !self.set.origin.is_here() {
            return Ok(());
        }
        self.set.registry.deregister(io)
    }

    /// See [`Source::assume`].
    pub(crate) fn assume_ready(&self, ready: Ready) {
        self.source.assume(ready);
    }

    /// Acts as if the kernel had said that the source is `ready`, where it does not say so. Wakes
    /// tasks.
    pub(crate) fn announce(&self, ready: Ready) {
        let mut wakers = WakeList::default();
        self.source
            .deliver(self.source.generation(), ready, &mut wakers);
        wakers.wake_all();
    }

    /// Takes back what `event` says, unless another event came since.
    pub(crate) fn clear_readiness(&self, event: ReadyEvent) {
        self.source.clear(event);
    }

    /// Takes back what `event` says after an operation answered `WouldBlock`.
    fn found_nothing(&self, event: ReadyEvent) {
        match self.may_reopen {
            true => self.source.clear_with_closed(event),
            false => self.source.clear(event),
        }
    }

    /// Whether an operation in `direction` is worth a try. Asks nobody and spends nothing.
    pub(crate) fn is_ready(&self, direction: Direction) -> bool {
        let event = self.source.look(direction.interest());
        !event.ready.is_empty() && !event.is_shutdown
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
            return Poll::Ready(Err(self.set.end()));
        }
        unit.made_progress();
        Poll::Ready(Ok(event))
    }

    /// Calls `operation` whenever there may be something to read, until it answers anything but
    /// `WouldBlock`.
    pub(crate) fn poll_read_io<R>(
        &self,
        cx: &mut Context<'_>,
        operation: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_io(cx, Direction::Read, operation)
    }

    /// Calls `operation` whenever there may be room to write, until it answers anything but
    /// `WouldBlock`.
    pub(crate) fn poll_write_io<R>(
        &self,
        cx: &mut Context<'_>,
        operation: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_io(cx, Direction::Write, operation)
    }

    fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let event = ready!(self.poll_ready(cx, direction))?;
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.found_nothing(event);
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// [`poll_read_io`](Self::poll_read_io) in either direction, for an operation that moves bytes
    /// of a stream and returns how many of the `offered` it moved.
    #[inline]
    pub(crate) fn poll_stream_io(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        offered: usize,
        mut operation: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let event = ready!(self.poll_ready(cx, direction))?;
            match operation() {
                Ok(moved) => {
                    // A short read has emptied the socket, a short write has filled it. When that
                    // changes there will be an event, so the next call need not ask the kernel.
                    if 0 < moved && moved < offered {
                        self.clear_readiness(event);
                    }
                    return Poll::Ready(Ok(moved));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.found_nothing(event);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Calls `operation` once if the source is thought to be ready; otherwise answers `WouldBlock`
    /// without calling it.
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
            self.found_nothing(event);
        }
        result
    }

    /// Waits until something of `interest` is ready. Cancel safe. Spends a little budget: a task
    /// that asks about what is always ready, and then tries without waiting, would otherwise never
    /// let others run.
    pub(crate) async fn readiness(&self, interest: Interest) -> io::Result<ReadyEvent> {
        let event = self.wait(interest).await?;
        if is_worth_a_unit() {
            poll_fn(coop::poll_proceed).await.made_progress();
        }
        Ok(event)
    }

    async fn wait(&self, interest: Interest) -> io::Result<ReadyEvent> {
        let event = self.source.wait(interest).await;
        if event.is_shutdown {
            return Err(self.set.end());
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
                    self.found_nothing(event);
                }
                result => {
                    unit.made_progress();
                    return result;
                }
            }
        }
    }
}

/// Answers of [`Registration::readiness`] for one unit of budget. Programs, and Tokio's tests, fill
/// a socket's buffers in one poll and ask before each small write; in Tokio that spends nothing.
/// 8,192 answers in a poll are enough for them, and hold others up by milliseconds at most.
const ANSWERS_PER_UNIT: u8 = 64;

/// Whether this thread has given that many answers since this was last true.
fn is_worth_a_unit() -> bool {
    thread_local! {
        static ANSWERS: Cell<u8> = const { Cell::new(0) };
    }
    let counted = ANSWERS.try_with(|answers| {
        answers.set((answers.get() + 1) % ANSWERS_PER_UNIT);
        answers.get() == 0
    });
    counted.unwrap_or(false)
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !self.set.origin.is_here() {
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
