//! `broadcast::Sender`: sends to everybody and never waits.
#![forbid(unsafe_code)]

use std::fmt;

use super::error::SendError;
use super::receiver::Receiver;
use super::shared::Shared;
use super::weak::WeakSender;
use crate::loom::sync::Arc;
use crate::loom::sync::atomic::Ordering::{Acquire, Relaxed};

/// The half that sends; can be cloned.
///
/// When the last one is dropped the channel is closed.
pub struct Sender<T> {
    pub(super) shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// A channel without a receiver; [`subscribe`](Sender::subscribe) adds one.
    ///
    /// # Panics
    ///
    /// As [`channel`](super::channel).
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Sender {
            shared: Arc::new(Shared::new(capacity)),
        }
    }

    /// Sends to all receivers there are now, and returns their number. Never waits; the oldest
    /// value may be overwritten.
    ///
    /// Whether they will read it is not known: they may be dropped, or lag.
    ///
    /// # Errors
    ///
    /// If there is no receiver; the value comes back.
    ///
    /// ```
    /// let (sender, receiver) = yamanote::sync::broadcast::channel(2);
    /// assert_eq!(sender.send("hello").unwrap(), 1);
    /// drop(receiver);
    /// assert_eq!(sender.send("anybody?").unwrap_err().0, "anybody?");
    /// ```
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        self.shared.send(value).map_err(SendError)
    }

    /// A new receiver, which gets what is sent from now on.
    ///
    /// ```
    /// let (sender, _receiver) = yamanote::sync::broadcast::channel(2);
    /// sender.send(1).unwrap();
    /// let mut receiver = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(2));
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(Arc::clone(&self.shared))
    }

    /// A sender that does not keep the channel open.
    #[must_use = "this sender stays; to give it up, drop it"]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender::new(Arc::clone(&self.shared))
    }

    /// How many values are in the channel that some receiver has yet to read.
    ///
    /// ```
    /// let (sender, mut first) = yamanote::sync::broadcast::channel(4);
    /// let mut second = sender.subscribe();
    /// sender.send(1).unwrap();
    /// sender.send(2).unwrap();
    /// first.try_recv().unwrap();
    /// assert_eq!(sender.len(), 2);
    /// second.try_recv().unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether every receiver has read everything.
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty()
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers()
    }

    /// Whether both send to the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Waits until there is no receiver.
    ///
    /// If a new one subscribes soon after the last was dropped, this may not notice the moment
    /// between.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    ///
    /// ```
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, receiver) = yamanote::sync::broadcast::channel::<u32>(2);
    /// yamanote::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// # }
    /// ```
    pub async fn closed(&self) {
        loop {
            // First register, then look.
            let abandoned = self.shared.abandoned.notified();
            if self.shared.tail().is_closed() {
                return;
            }
            abandoned.await;
        }
    }

    /// How many senders there are that keep the channel open, including this one.
    pub fn strong_count(&self) -> usize {
        self.shared.senders.load(Acquire)
    }

    /// How many [`WeakSender`]s there are.
    pub fn weak_count(&self) -> usize {
        self.shared.weak_senders.load(Acquire)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.shared.senders.fetch_add(1, Relaxed); // there is one, this
        Sender {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.sender_gone();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::Sender")
    }
}
