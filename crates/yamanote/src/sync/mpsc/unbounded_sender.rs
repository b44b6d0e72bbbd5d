//! The end of an unbounded channel that sends.
#![forbid(unsafe_code)]

use std::fmt;

use super::channel::{Tx, Weak};
use super::error::SendError;
use super::limit::NoLimit;

/// Sends into an [`unbounded_channel`](super::unbounded_channel). Clones send into the same one.
pub struct UnboundedSender<T> {
    chan: Tx<T, NoLimit>,
}

impl<T> UnboundedSender<T> {
    pub(super) fn new(chan: Tx<T, NoLimit>) -> Self {
        UnboundedSender { chan }
    }

    /// Sends `message`; never waits, so it works in any code.
    ///
    /// `Ok` does not mean that it was or will be received: the receiver may be dropped at any time
    /// after.
    ///
    /// # Errors
    ///
    /// The message, if the receiver was dropped or [closed](super::UnboundedReceiver::close).
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.chan.send_unless_closed(message).map_err(SendError)
    }

    /// Waits until the receiver is dropped or [closed](super::UnboundedReceiver::close), so that
    /// work for it can stop.
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

    /// Whether the receiver is dropped or [closed](super::UnboundedReceiver::close), so that
    /// sending fails.
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
