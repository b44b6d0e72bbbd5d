//! The end of a bounded channel that receives.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::channel::Rx;
use super::error::TryRecvError;
use super::limit::BoundedLimit;
use crate::util::thread_park;

/// Receives from a bounded [`channel`](super::channel()).
///
/// Dropped, it closes the channel and drops the values nobody received.
pub struct Receiver<T> {
    chan: Rx<T, BoundedLimit>,
}

impl<T> Receiver<T> {
    pub(super) fn new(chan: Rx<T, BoundedLimit>) -> Self {
        Receiver { chan }
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
    /// let (sender, mut receiver) = mpsc::channel(8);
    /// yamanote::spawn(async move { sender.send("hello").await.unwrap() });
    /// assert_eq!(receiver.recv().await, Some("hello"));
    /// assert_eq!(receiver.recv().await, None);
    /// # }
    /// ```
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.chan.poll_recv(cx)).await
    }

    /// Receives up to `limit` values at once, waiting for one; appends them to `buffer` and returns
    /// how many.
    ///
    /// It does not wait for the limit: what is there is enough. 0 means the end, or that `limit` is
    /// 0. The buffer grows as it must; reserve `limit` to have it grow once.
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
    /// let (sender, mut receiver) = mpsc::channel(8);
    /// for n in 0..5 {
    ///     sender.send(n).await.unwrap();
    /// }
    /// let mut batch = Vec::with_capacity(3);
    /// assert_eq!(receiver.recv_many(&mut batch, 3).await, 3);
    /// assert_eq!(receiver.recv_many(&mut batch, 3).await, 2);
    /// assert_eq!(batch, [0, 1, 2, 3, 4]);
    /// # }
    /// ```
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|cx| self.chan.poll_recv_many(cx, buffer, limit)).await
    }

    /// The next value, if it is there.
    ///
    /// Spends no budget and leaves no waker. If another thread is just sending the next value, this
    /// waits until it has.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if there is none now, [`TryRecvError::Disconnected`] at the end.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = mpsc::channel(8);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.try_send(1).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.chan.try_recv()
    }

    /// [`recv`](Self::recv) for code that is not asynchronous: blocks the thread.
    ///
    /// # Panics
    ///
    /// On a thread that is running a runtime's futures.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::channel(8);
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.try_send(10).unwrap();
    /// assert_eq!(thread.join().unwrap(), Some(10));
    /// ```
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

    /// Lets nothing new in: sending and reserving fail from now on.
    ///
    /// What was sent before can still be received, and so can what is sent with permits reserved
    /// before: [`recv`](Self::recv) ends with `None` when all permits are used or dropped. Receive
    /// until then, so that no value is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, mut receiver) = mpsc::channel(2);
    /// sender.send(1).await.unwrap();
    /// receiver.close();
    /// assert!(sender.send(2).await.is_err());
    /// assert_eq!(receiver.recv().await, Some(1));
    /// assert_eq!(receiver.recv().await, None);
    /// # }
    /// ```
    pub fn close(&mut self) {
        self.chan.close();
    }

    /// Whether nothing new can come: the channel was [closed](Self::close), or all senders are
    /// dropped. Values sent before may still be there.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// let (sender, receiver) = mpsc::channel(8);
    /// sender.try_send(1).unwrap();
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// assert!(!receiver.is_empty());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Whether no value is in the channel.
    pub fn is_empty(&self) -> bool {
        self.chan.len() == 0
    }

    /// How many values are in the channel, sent and not received.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// let (sender, receiver) = mpsc::channel(8);
    /// assert!(receiver.is_empty());
    /// sender.try_send('a').unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.chan.len()
    }

    /// The number of values for which there is room now: see
    /// [`Sender::capacity`](super::Sender::capacity).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = yamanote::sync::mpsc::channel(8);
    /// sender.try_send("one").unwrap();
    /// assert_eq!((receiver.capacity(), receiver.max_capacity(), receiver.len()), (7, 8, 1));
    /// ```
    pub fn capacity(&self) -> usize {
        self.chan.limit().permits.available_permits()
    }

    /// The number of values for which there is room when the channel is empty: what
    /// [`channel`](super::channel()) was given.
    pub fn max_capacity(&self) -> usize {
        self.chan.limit().bound
    }

    /// [`recv`](Self::recv) for futures written by hand.
    ///
    /// While it is `Pending`, the task of the latest call, of this or
    /// [`poll_recv_many`](Self::poll_recv_many), is woken when a value comes or the channel ends.
    /// Spends a unit of the task's cooperative budget; with none left it is `Pending` though there
    /// are values, and wakes the task at once.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.chan.poll_recv(cx)
    }

    /// [`recv_many`](Self::recv_many) for futures written by hand; waits as
    /// [`poll_recv`](Self::poll_recv) does.
    ///
    /// A whole batch spends one unit of the task's cooperative budget.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use yamanote::sync::mpsc;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, mut receiver) = mpsc::channel(8);
    /// for n in 0..5 {
    ///     sender.try_send(n).unwrap();
    /// }
    /// let mut batch = Vec::new();
    /// let count = poll_fn(|cx| receiver.poll_recv_many(cx, &mut batch, 3)).await;
    /// assert_eq!((count, batch), (3, vec![0, 1, 2]));
    /// # }
    /// ```
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

impl<T> Unpin for Receiver<T> {}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("chan", &self.chan)
            .finish()
    }
}
