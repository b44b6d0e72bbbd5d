//! The end of a bounded channel that sends: it takes a permit first, which the receiver gives back.
#![forbid(unsafe_code)]

use std::fmt;

use super::channel::{Tx, Weak};
use super::error::{SendError, TrySendError};
use super::limit::BoundedLimit;
use super::permit::{OwnedPermit, Permit, PermitIterator};
use crate::sync::TryAcquireError;
use crate::util::thread_park;

/// Sends into a bounded [`channel`](super::channel()). Clones send into the same one.
pub struct Sender<T> {
    pub(super) chan: Tx<T, BoundedLimit>,
}

/// A [`Sender`] that does not keep the channel open.
///
/// [`upgrade`](WeakSender::upgrade) makes a sender of it while there is another one. Useful for a
/// task that receives, and sometimes sends to itself: with a sender of its own it would never see
/// the end.
///
/// # Examples
///
/// ```
/// use yamanote::sync::mpsc;
///
/// let (sender, mut receiver) = mpsc::channel(1);
/// let weak = sender.downgrade();
/// weak.upgrade().unwrap().try_send("hello").unwrap();
/// drop(sender);
/// assert!(weak.upgrade().is_none());
/// assert_eq!(receiver.blocking_recv(), Some("hello"));
/// assert_eq!(receiver.blocking_recv(), None);
/// ```
pub struct WeakSender<T> {
    chan: Weak<T, BoundedLimit>,
}

impl<T> Sender<T> {
    pub(super) fn new(chan: Tx<T, BoundedLimit>) -> Self {
        Sender { chan }
    }

    /// Sends `value`, waiting for room.
    ///
    /// `Ok` does not mean that it was or will be received: the receiver may be dropped at any time
    /// after.
    ///
    /// # Errors
    ///
    /// The value, if the receiver was dropped or closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, nothing was sent, but the value is dropped too, and so is the
    /// place in the line. To keep the value, [`reserve`](Self::reserve) first.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, receiver) = mpsc::channel(1);
    /// assert!(sender.send(1).await.is_ok());
    /// drop(receiver);
    /// assert_eq!(sender.send(2).await.unwrap_err().0, 2);
    /// # }
    /// ```
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        match self.reserve().await {
            Ok(permit) => {
                permit.send(value);
                Ok(())
            }
            Err(_) => Err(SendError(value)),
        }
    }

    /// Waits until the receiver is dropped or [closed](super::Receiver::close), so that work for it
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
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// yamanote::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # }
    /// ```
    pub async fn closed(&self) {
        self.chan.closed().await;
    }

    /// Sends `value` if there is room now.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] if there is no room, [`TrySendError::Closed`] if the receiver was
    /// dropped or closed; both have the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc::{self, error::TrySendError};
    ///
    /// let (sender, receiver) = mpsc::channel(1);
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    /// drop(receiver);
    /// assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
    /// ```
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        match self.try_acquire(1) {
            Ok(()) => {
                self.chan.send(message);
                Ok(())
            }
            Err(error) => Err(with_value(error, message)),
        }
    }

    /// [`send`](Self::send) for code that is not asynchronous: blocks the thread until there is
    /// room.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
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
    /// # #[yamanote::main]
    /// # async fn main() {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let thread = std::thread::spawn(move || sender.blocking_send(10));
    /// assert_eq!(receiver.recv().await, Some(10));
    /// thread.join().unwrap().unwrap();
    /// # }
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        thread_park::block_outside(self.send(value))
    }

    /// Whether the receiver is dropped or [closed](super::Receiver::close), so that sending fails.
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Waits for room for one value and keeps it until the [`Permit`] is used or dropped.
    ///
    /// # Errors
    ///
    /// If the receiver was dropped or closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, nothing is reserved, and the place in the line is lost.
    ///
    /// # Examples
    ///
    /// A value that is made only when it can be sent:
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.reserve().await.unwrap();
    /// assert!(sender.try_send("no room").is_err());
    /// permit.send("at last");
    /// assert_eq!(receiver.recv().await, Some("at last"));
    /// # }
    /// ```
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        self.acquire(1).await?;
        Ok(Permit::new(&self.chan))
    }

    /// Waits for room for `n` values at once; the iterator has a [`Permit`] for each.
    ///
    /// # Errors
    ///
    /// If the receiver was dropped or closed, or the channel never has that much room.
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, mut receiver) = mpsc::channel(2);
    /// for (permit, letter) in sender.reserve_many(2).await.unwrap().zip(['a', 'b']) {
    ///     permit.send(letter);
    /// }
    /// assert_eq!(receiver.recv().await, Some('a'));
    /// assert_eq!(receiver.recv().await, Some('b'));
    /// # }
    /// ```
    pub async fn reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, SendError<()>> {
        self.acquire(n).await?;
        Ok(PermitIterator::new(&self.chan, n))
    }

    /// As [`reserve`](Self::reserve), with a permit that owns the sender and borrows nothing.
    ///
    /// # Errors
    ///
    /// If the receiver was dropped or closed; the sender is dropped.
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve); the sender is dropped with the future. Clone it to keep one.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.reserve_owned().await.unwrap();
    /// let sender = permit.send(1);
    /// assert_eq!(receiver.recv().await, Some(1));
    /// drop(sender);
    /// assert_eq!(receiver.recv().await, None);
    /// # }
    /// ```
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, SendError<()>> {
        self.acquire(1).await?;
        Ok(OwnedPermit::new(self.chan))
    }

    async fn acquire(&self, n: usize) -> Result<(), SendError<()>> {
        /// A reservation that fails or is dropped gives back what it had without a permit's drop;
        /// the receiver of a closed channel may wait for just that.
        struct Unreserved<'a, T>(&'a Tx<T, BoundedLimit>);
        impl<T> Drop for Unreserved<'_, T> {
            fn drop(&mut self) {
                self.0.wake_rx_if_over();
            }
        }

        if n > self.max_capacity() {
            return Err(SendError(()));
        }
        let unreserved = Unreserved(&self.chan);
        match self.chan.limit().permits.acquire(n).await {
            Ok(()) => {
                std::mem::forget(unreserved);
                Ok(())
            }
            Err(_) => Err(SendError(())),
        }
    }

    fn try_acquire(&self, n: usize) -> Result<(), TryAcquireError> {
        self.chan.limit().permits.try_acquire(n)
    }

    /// [`reserve`](Self::reserve) if there is room now.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] or [`TrySendError::Closed`].
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc::{self, error::TrySendError};
    ///
    /// let (sender, _receiver) = mpsc::channel::<u8>(1);
    /// let permit = sender.try_reserve().unwrap();
    /// assert!(matches!(sender.try_reserve(), Err(TrySendError::Full(()))));
    /// drop(permit);
    /// assert!(sender.try_reserve().is_ok());
    /// ```
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        match self.try_acquire(1) {
            Ok(()) => Ok(Permit::new(&self.chan)),
            Err(error) => Err(with_value(error, ())),
        }
    }

    /// [`reserve_many`](Self::reserve_many) if there is room for all of them now.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] if there is not, even if the channel never has that much room;
    /// [`TrySendError::Closed`].
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// let (sender, receiver) = mpsc::channel(3);
    /// assert!(sender.try_reserve_many(4).is_err());
    /// for permit in sender.try_reserve_many(2).unwrap() {
    ///     permit.send('x');
    /// }
    /// assert_eq!((receiver.len(), sender.capacity()), (2, 1));
    /// ```
    pub fn try_reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        if n > self.max_capacity() {
            return Err(TrySendError::Full(()));
        }
        match self.try_acquire(n) {
            Ok(()) => Ok(PermitIterator::new(&self.chan, n)),
            Err(error) => Err(with_value(error, ())),
        }
    }

    /// [`reserve_owned`](Self::reserve_owned) if there is room now.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] or [`TrySendError::Closed`], with the sender.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let sender = sender.try_reserve_owned().unwrap().send(1);
    /// let sender = sender.try_reserve_owned().unwrap_err().into_inner();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert!(sender.try_reserve_owned().is_ok());
    /// ```
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.try_acquire(1) {
            Ok(()) => Ok(OwnedPermit::new(self.chan)),
            Err(error) => Err(with_value(error, self)),
        }
    }

    /// Whether both send into the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.chan.same_channel(&other.chan)
    }

    /// The number of values for which there is room now, neither taken nor reserved.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::channel(5);
    /// let permit = sender.try_reserve().unwrap();
    /// assert_eq!(sender.capacity(), 4);
    /// permit.send(());
    /// assert_eq!(sender.capacity(), 4);
    /// receiver.try_recv().unwrap();
    /// assert_eq!((sender.capacity(), sender.max_capacity()), (5, 5));
    /// ```
    pub fn capacity(&self) -> usize {
        self.chan.limit().permits.available_permits()
    }

    /// A sender that does not keep the channel open.
    #[must_use = "downgrading leaves this sender as it is; the result is the weak one"]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender {
            chan: self.chan.downgrade(),
        }
    }

    /// The number of values for which there is room when the channel is empty: what
    /// [`channel`](super::channel()) was given.
    pub fn max_capacity(&self) -> usize {
        self.chan.limit().bound
    }

    /// How many senders there are, owned permits included, and weak ones not.
    pub fn strong_count(&self) -> usize {
        self.chan.strong_count()
    }

    /// How many weak senders there are.
    pub fn weak_count(&self) -> usize {
        self.chan.weak_count()
    }
}

fn with_value<V>(error: TryAcquireError, value: V) -> TrySendError<V> {
    match error {
        TryAcquireError::Closed => TrySendError::Closed(value),
        TryAcquireError::NoPermits => TrySendError::Full(value),
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender {
            chan: self.chan.clone(),
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("chan", &self.chan).finish()
    }
}

impl<T> WeakSender<T> {
    /// A sender, if there is still another one, an owned permit included.
    pub fn upgrade(&self) -> Option<Sender<T>> {
        self.chan.upgrade().map(|chan| Sender { chan })
    }

    /// How many senders there are, owned permits included, and weak ones not.
    pub fn strong_count(&self) -> usize {
        self.chan.strong_count()
    }

    /// How many weak senders there are.
    pub fn weak_count(&self) -> usize {
        self.chan.weak_count()
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        WeakSender {
            chan: self.chan.clone(),
        }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish()
    }
}
