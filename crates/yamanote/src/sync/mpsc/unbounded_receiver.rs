//! The end of an unbounded channel that receives.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::channel::Rx;
use super::error::TryRecvError;
use super::limit::NoLimit;
use crate::util::thread_park;

/// Receives from an [`unbounded_channel`](super::unbounded_channel).
///
/// Dropped, it closes the channel and drops the values nobody received.
pub struct UnboundedReceiver<T> {
    chan: Rx<T, NoLimit>,
}

impl<T> UnboundedReceiver<T> {
    pub(super) fn new(chan: Rx<T, NoLimit>) -> Self {
        UnboundedReceiver { chan }
    }

    /// Receives the next value, waiting for one.
    ///
    /// `None` means the end: there is nothing left, and nothing will come.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropped before it is ready, no value was taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// yamanote::spawn(async move { sender.send("hello").unwrap() });
    /// assert_eq!(receiver.recv().await, Some("hello"));
    /// assert_eq!(receiver.recv().await, None);
    /// # }
    /// ```
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.chan.poll_recv(cx)).await
    }

    /// Receives up to `limit` values at once, as
    /// [`Receiver::recv_many`](super::Receiver::recv_many).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropped before it is ready, no value was taken.
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|cx| self.chan.poll_recv_many(cx, buffer, limit)).await
    }

    /// The next value, if it is there, as [`Receiver::try_recv`](super::Receiver::try_recv).
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if there is none now, [`TryRecvError::Disconnected`] at the end.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.chan.try_recv()
    }

    /// [`recv`](Self::recv) for code that is not asynchronous: blocks the thread.
    ///
    /// # Panics
    ///
    /// On a thread that is running a runtime's futures.
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        thread_park::block_outside(self.recv())
    }

    /// [`recv_many`](Self::recv_many) for code that is not asynchronous: blocks the thread.
    ///
    /// # Panics
    ///
    /// On a thread that is running a runtime's futures.
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        thread_park::block_outside(self.recv_many(buffer, limit))
    }

    /// Lets nothing new in: sending fails from now on.
    ///
    /// What was sent before can still be received, before [`recv`](Self::recv) ends with `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// receiver.close();
    /// assert!(sender.send(2).is_err());
    /// assert_eq!(receiver.blocking_recv(), Some(1));
    /// assert_eq!(receiver.blocking_recv(), None);
    /// ```
    pub fn close(&mut self) {
        self.chan.close();
    }

    /// Whether nothing new can come: the channel was [closed](Self::close), or all senders are
    /// dropped. Values sent before may still be there.
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Whether no value is in the channel.
    pub fn is_empty(&self) -> bool {
        self.chan.len() == 0
    }

    /// How many values are in the channel, sent and not received.
    pub fn len(&self) -> usize {
        self.chan.len()
    }

    /// [`recv`](Self::recv) for futures written by hand; waits and spends units of the budget as
    /// [`Receiver::poll_recv`](super::Receiver::poll_recv) does.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.chan.poll_recv(cx)
    }

    /// [`recv_many`](Self::recv_many) for futures written by hand; waits as
    /// [`poll_recv`](Self::poll_recv) does. A whole batch spends one unit of the budget.
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        self.chan.poll_recv_many(cx, buffer, limit)
    }

    /// How many senders there are, weak ones not counted.
    pub fn sender_strong_count(&self) -> usize {
        self.chan.sender_strong_count()
    }

    /// How many weak senders there are.
    pub fn sender_weak_count(&self) -> usize {
        self.chan.sender_weak_count()
    }
}

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedReceiver")
            .field("chan", &self.chan)
            .finish()
    }
}
