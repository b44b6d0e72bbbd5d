//! `broadcast::Receiver`: gets every value sent since its creation, unless it is too slow.
#![forbid(unsafe_code)]

use std::fmt;

use super::error::{RecvError, TryRecvError};
use super::recv::Recv;
use super::shared::Shared;
use crate::loom::sync::Arc;
use crate::loom::sync::atomic::Ordering::Acquire;
use crate::sync::cooperative::cooperative;
use crate::util::thread_park;

/// The half that receives. Not cloned: [`resubscribe`](Receiver::resubscribe) makes one that gets
/// what is sent from then on.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The number of the value that it reads next.
    next: u64,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        let next = shared.receiver_comes();
        Receiver { shared, next }
    }

    /// How many values were sent that it has not read, including those that it missed: they may be
    /// more than the channel holds.
    ///
    /// ```
    /// let (sender, receiver) = yamanote::sync::broadcast::channel(1);
    /// sender.send(1).unwrap();
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.len(), 2);
    /// ```
    pub fn len(&self) -> usize {
        (self.shared.tail().next() - self.next) as usize
    }

    /// Whether it has read everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both receive from the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// How many senders there are that keep the channel open.
    pub fn sender_strong_count(&self) -> usize {
        self.shared.senders.load(Acquire)
    }

    /// How many [`WeakSender`](super::WeakSender)s there are.
    pub fn sender_weak_count(&self) -> usize {
        self.shared.weak_senders.load(Acquire)
    }

    /// Whether all senders are gone. There may be values to read all the same.
    ///
    /// ```
    /// let (sender, receiver) = yamanote::sync::broadcast::channel::<u32>(2);
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.sender_strong_count() == 0
    }
}

impl<T: Clone> Receiver<T> {
    /// A new receiver, which gets what is sent from now on, not what this one has yet to read.
    ///
    /// ```
    /// let (sender, mut receiver) = yamanote::sync::broadcast::channel(2);
    /// sender.send(1).unwrap();
    /// let mut other = receiver.resubscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(other.try_recv(), Ok(2));
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn resubscribe(&self) -> Self {
        Receiver::new(Arc::clone(&self.shared))
    }

    /// Waits for the next value.
    ///
    /// # Errors
    ///
    /// [`RecvError::Lagged`] if values were overwritten before they were read,
    /// [`RecvError::Closed`] if all senders are gone and everything was read.
    ///
    /// # Panics
    ///
    /// If the value's `clone` does; the value counts as read.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped: a value is read in the poll that returns it.
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        cooperative(Recv::new(&self.shared, &mut self.next)).await
    }

    /// The next value, if it is there.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if it is not, [`TryRecvError::Lagged`] if values were overwritten
    /// before they were read, [`TryRecvError::Closed`] if all senders are gone and everything was
    /// read.
    ///
    /// ```
    /// use yamanote::sync::broadcast::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = broadcast::channel(2);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        Ok(self.shared.read(&mut self.next)?.into_clone())
    }

    /// [`recv`](Receiver::recv) outside of asynchronous code; blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`recv`](Receiver::recv).
    ///
    /// # Panics
    ///
    /// If called within a runtime's futures.
    ///
    /// ```
    /// let (sender, mut receiver) = yamanote::sync::broadcast::channel(2);
    /// let reader = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.send(1).unwrap();
    /// assert_eq!(reader.join().unwrap(), Ok(1));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        thread_park::block_outside(self.recv())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receiver_gone(self.next);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::Receiver")
    }
}
