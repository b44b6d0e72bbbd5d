//! `watch::Sender`: replaces the value and notifies the receivers.
#![forbid(unsafe_code)]

use std::fmt;

use super::error::SendError;
use super::receiver::Receiver;
use super::shared::Shared;
use super::value_ref::Ref;
use crate::loom::sync::Arc;
use crate::sync::cooperative::cooperative;

/// The half that sends; can be cloned.
///
/// When the last one is dropped the channel is closed, and receivers are notified.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// A channel without a receiver; [`subscribe`](Sender::subscribe) adds one.
    ///
    /// ```
    /// let sender = yamanote::sync::watch::Sender::new(1);
    /// assert!(sender.send(2).is_err());
    /// let receiver = sender.subscribe();
    /// assert!(sender.send(3).is_ok());
    /// assert_eq!(*receiver.borrow(), 3);
    /// ```
    pub fn new(init: T) -> Self {
        Sender {
            shared: Arc::new(Shared::new(init)),
        }
    }

    /// Replaces the value and notifies all receivers.
    ///
    /// `Ok` does not mean that somebody will look: receivers may be dropped, or only see a later
    /// value. Blocks the thread until all borrows have ended.
    ///
    /// # Errors
    ///
    /// If there is no receiver; the value stays as it was and the new one comes back.
    /// [`send_replace`](Sender::send_replace) and [`send_modify`](Sender::send_modify) change it
    /// all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::watch;
    ///
    /// let (sender, receiver) = watch::channel("loading");
    /// sender.send("ready").unwrap();
    /// assert_eq!(*receiver.borrow(), "ready");
    /// drop(receiver);
    /// assert!(sender.send("nobody sees it").is_err());
    /// assert_eq!(*sender.borrow(), "ready");
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Changes the value in place and notifies all receivers, even if there is none.
    ///
    /// # Panics
    ///
    /// If `modify` panics. What it did to the value until then stays, receivers are not notified,
    /// and the channel works on. It panics or blocks for ever if `modify` uses this channel.
    ///
    /// ```
    /// let (sender, receiver) = yamanote::sync::watch::channel(vec![1]);
    /// sender.send_modify(|list| list.push(2));
    /// assert_eq!(*receiver.borrow(), [1, 2]);
    /// ```
    pub fn send_modify<F>(&self, modify: F)
    where
        F: FnOnce(&mut T),
    {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// Changes the value in place, notifies all receivers if `modify` returns `true`, and returns
    /// that.
    ///
    /// A change made although it returns `false` is announced to nobody, but seen by everybody that
    /// looks.
    ///
    /// # Panics
    ///
    /// As [`send_modify`](Sender::send_modify).
    ///
    /// ```
    /// let (sender, receiver) = yamanote::sync::watch::channel(3);
    /// let raise = |to| {
    ///     sender.send_if_modified(|value| {
    ///         let higher = *value < to;
    ///         if higher {
    ///             *value = to;
    ///         }
    ///         higher
    ///     })
    /// };
    /// assert!(!raise(2));
    /// assert!(!receiver.has_changed().unwrap());
    /// assert!(raise(4));
    /// assert!(receiver.has_changed().unwrap());
    /// ```
    pub fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        self.shared.modify(modify)
    }

    /// Replaces the value, notifies all receivers, and returns the old value, even if there is no
    /// receiver.
    ///
    /// ```
    /// let (sender, _receiver) = yamanote::sync::watch::channel(1);
    /// assert_eq!(sender.send_replace(2), 1);
    /// assert_eq!(*sender.borrow(), 2);
    /// ```
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|old| std::mem::swap(old, &mut value));
        value
    }

    /// Looks at the value; see [the module](super) for what the lock means.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref::new(self.shared.read(), false)
    }

    /// Whether there is no receiver now.
    ///
    /// ```
    /// let (sender, receiver) = yamanote::sync::watch::channel(());
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// let _receiver = sender.subscribe();
    /// assert!(!sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
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
    /// let (sender, receiver) = yamanote::sync::watch::channel(());
    /// yamanote::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// # }
    /// ```
    pub async fn closed(&self) {
        cooperative(async {
            while !self.is_closed() {
                // First register, then look.
                let abandoned = self.shared.abandoned().notified();
                if !self.is_closed() {
                    abandoned.await;
                }
            }
        })
        .await;
    }

    /// A new receiver, which has seen the present value.
    ///
    /// ```
    /// let (sender, _receiver) = yamanote::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// let receiver = sender.subscribe();
    /// assert!(!receiver.has_changed().unwrap());
    /// assert_eq!(*receiver.borrow(), 2);
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        let version = self.shared.state().version();
        Receiver::new(Arc::clone(&self.shared), version)
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers()
    }

    /// How many senders there are, including this one.
    pub fn sender_count(&self) -> usize {
        self.shared.senders()
    }

    /// Whether both send to the same channel.
    ///
    /// ```
    /// use yamanote::sync::watch::Sender;
    ///
    /// let (first, second) = (Sender::new(1), Sender::new(1));
    /// assert!(first.same_channel(&first.clone()));
    /// assert!(!first.same_channel(&second));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.add_sender();
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

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Sender::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("shared", &*self.shared)
            .finish()
    }
}
