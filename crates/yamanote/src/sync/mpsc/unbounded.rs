//! The unbounded channel: its only limit is being closed.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::channel::{self, Rx, Tx, Weak};
use super::error::{SendError, TryRecvError};
use super::limit::NoLimit;
use crate::util::thread_park;

/// A new channel that takes any number of values.
///
/// Sending never waits. Nothing slows a sender down that is faster than the receiver: the values pile
/// up until the memory is gone. If that can be, use [`channel`](super::channel()).
///
/// # Examples
///
/// ```
/// use yamanote::sync::mpsc;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let (sender, mut receiver) = mpsc::unbounded_channel();
/// sender.send("one").unwrap();
/// sender.send("two").unwrap();
/// assert_eq!(receiver.recv().await, Some("one"));
/// assert_eq!(receiver.recv().await, Some("two"));
/// # }
/// ```
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let (tx, rx) = channel::channel(NoLimit);
    (UnboundedSender { chan: tx }, UnboundedReceiver { chan: rx })
}

/// Sends into an [`unbounded_channel`]. Clones send into the same one.
pub struct UnboundedSender<T> {
    chan: Tx<T, NoLimit>,
}

impl<T> UnboundedSender<T> {
    /// Sends `message`; never waits, so it works in any code.
    ///
    /// `Ok` does not mean that it was or will be received: the receiver may be dropped at any time
    /// after.
    ///
    /// # Errors
    ///
    /// The message, if the receiver was dropped or [closed](UnboundedReceiver::close).
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.chan.send_unless_closed(message).map_err(SendError)
    }

    /// Waits until the receiver is dropped or [closed](UnboundedReceiver::close), so that work for it
    /// can stop.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a closed channel stays closed, so nothing is missed by asking again.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, receiver) = mpsc::unbounded_channel::<u8>();
    /// yamanote::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # }
    /// ```
    pub async fn closed(&self) {
        self.chan.closed().await;
    }

    /// Whether the receiver is dropped or [closed](UnboundedReceiver::close), so that sending fails.
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Whether both send into the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.chan.same_channel(&other.chan)
    }

    /// A sender that does not keep the channel open.
    #[must_use = "downgrading leaves this sender as it is; the result is the weak one"]
    pub fn downgrade(&self) -> WeakUnboundedSender<T> {
        WeakUnboundedSender {
            chan: self.chan.downgrade(),
        }
    }

    /// How many senders there are, weak ones not counted.
    pub fn strong_count(&self) -> usize {
        self.chan.strong_count()
    }

    /// How many weak senders there are.
    pub fn weak_count(&self) -> usize {
        self.chan.weak_count()
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        UnboundedSender {
            chan: self.chan.clone(),
        }
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender")
            .field("chan", &self.chan)
            .finish()
    }
}

/// An [`UnboundedSender`] that does not keep the channel open.
///
/// [`upgrade`](WeakUnboundedSender::upgrade) makes a sender of it while there is another one.
///
/// # Examples
///
/// ```
/// use yamanote::sync::mpsc;
///
/// let (sender, mut receiver) = mpsc::unbounded_channel();
/// let weak = sender.downgrade();
/// weak.upgrade().unwrap().send(1).unwrap();
/// drop(sender);
/// assert!(weak.upgrade().is_none());
/// assert_eq!(receiver.blocking_recv(), Some(1));
/// assert_eq!(receiver.blocking_recv(), None);
/// ```
pub struct WeakUnboundedSender<T> {
    chan: Weak<T, NoLimit>,
}

impl<T> WeakUnboundedSender<T> {
    /// A sender, if there is still another one.
    pub fn upgrade(&self) -> Option<UnboundedSender<T>> {
        self.chan.upgrade().map(|chan| UnboundedSender { chan })
    }

    /// How many senders there are, weak ones not counted.
    pub fn strong_count(&self) -> usize {
        self.chan.strong_count()
    }

    /// How many weak senders there are.
    pub fn weak_count(&self) -> usize {
        self.chan.weak_count()
    }
}

impl<T> Clone for WeakUnboundedSender<T> {
    fn clone(&self) -> Self {
        WeakUnboundedSender {
            chan: self.chan.clone(),
        }
    }
}

impl<T> fmt::Debug for WeakUnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakUnboundedSender").finish()
    }
}

/// Receives from an [`unbounded_channel`].
///
/// Dropped, it closes the channel and drops the values nobody received.
pub struct UnboundedReceiver<T> {
    chan: Rx<T, NoLimit>,
}

impl<T> UnboundedReceiver<T> {
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

    /// Receives up to `limit` values at once, waiting for one; appends them to `buffer` and returns
    /// how many.
    ///
    /// It does not wait for the limit: what is there is enough. 0 means the end, or that `limit` is 0.
    /// The buffer grows as it must; reserve `limit` to have it grow once.
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
    /// for n in 0..5 {
    ///     sender.send(n).unwrap();
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
    /// Takes no budget and leaves no waker. If another thread is in the middle of sending the next
    /// value, this waits the moment it takes.
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
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
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
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.send(10).unwrap();
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
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// let (sender, receiver) = mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
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
    /// let (sender, receiver) = mpsc::unbounded_channel();
    /// assert!(receiver.is_empty());
    /// sender.send('a').unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.chan.len()
    }

    /// [`recv`](Self::recv) for futures written by hand.
    ///
    /// While it is `Pending`, the task of the latest call, of this or
    /// [`poll_recv_many`](Self::poll_recv_many), is woken when a value comes or the channel ends.
    /// Spends a unit of the task's cooperative budget; with none left it is `Pending` though there are
    /// values, and wakes the task at once.
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
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// for n in 0..5 {
    ///     sender.send(n).unwrap();
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

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedReceiver")
            .field("chan", &self.chan)
            .finish()
    }
}
