//! `broadcast::WeakSender`: a sender that does not keep the channel open.
#![forbid(unsafe_code)]

use std::fmt;

use super::sender::Sender;
use super::shared::Shared;
use crate::loom::sync::Arc;
use crate::loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

/// Becomes a [`Sender`] again by [`upgrade`](WeakSender::upgrade), if the channel is still open
/// then.
///
/// ```
/// let (sender, mut receiver) = yamanote::sync::broadcast::channel(2);
/// let weak = sender.downgrade();
/// weak.upgrade().unwrap().send(1).unwrap();
/// drop(sender);
/// assert!(weak.upgrade().is_none());
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
pub struct WeakSender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> WeakSender<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        shared.weak_senders.fetch_add(1, Relaxed); // a counter, read for its own sake
        WeakSender { shared }
    }

    /// A sender, unless the last one was dropped.
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        // Never from zero: the channel was closed then. Acquire pairs with the AcqRel of that drop.
        self.shared
            .senders
            .fetch_update(Relaxed, Acquire, |senders| {
                (senders != 0).then_some(senders + 1)
            })
            .ok()?;
        Some(Sender {
            shared: Arc::clone(&self.shared),
        })
    }

    /// How many senders there are that keep the channel open.
    pub fn strong_count(&self) -> usize {
        self.shared.senders.load(Acquire)
    }

    /// How many `WeakSender`s there are, including this one.
    pub fn weak_count(&self) -> usize {
        self.shared.weak_senders.load(Acquire)
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> WeakSender<T> {
        WeakSender::new(Arc::clone(&self.shared))
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        self.shared.weak_senders.fetch_sub(1, AcqRel);
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::WeakSender")
    }
}
