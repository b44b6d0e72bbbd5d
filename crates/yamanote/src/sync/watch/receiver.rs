//! `watch::Receiver`: looks at the value, and waits for one it has not seen.
#![forbid(unsafe_code)]

use std::fmt;

use super::error::RecvError;
use super::shared::{Shared, Version};
use super::value_ref::Ref;
use crate::loom::sync::Arc;
use crate::sync::cooperative::cooperative;

/// The half that receives; can be cloned, and the clone has seen what the original has.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// Of the value seen last.
    seen: Version,
    /// Which of the channel's `Notify`s it waits on.
    shard: usize,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: Arc<Shared<T>>, seen: Version) -> Self {
        let shard = shared.add_receiver();
        Receiver {
            shared,
            seen,
            shard,
        }
    }

    /// Looks at the value; if it was unseen it stays so.
    ///
    /// See [the module](super) for what the lock means, and for when
    /// [`borrow_and_update`](Receiver::borrow_and_update) is better.
    ///
    /// ```
    /// let (_sender, receiver) = yamanote::sync::watch::channel("hello");
    /// assert_eq!(*receiver.borrow(), "hello");
    /// ```
    pub fn borrow(&self) -> Ref<'_, T> {
        let value = self.shared.read();
        // Under the lock the version is the value's.
        let version = self.shared.state().version();
        Ref::new(value, version != self.seen)
    }

    /// Looks at the value and marks it seen.
    ///
    /// ```
    /// let (sender, mut receiver) = yamanote::sync::watch::channel("hello");
    /// sender.send("goodbye").unwrap();
    /// assert_eq!(*receiver.borrow_and_update(), "goodbye");
    /// assert!(!receiver.has_changed().unwrap());
    /// ```
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let value = self.shared.read();
        let version = self.shared.state().version();
        let seen = std::mem::replace(&mut self.seen, version);
        Ref::new(value, version != seen)
    }

    /// Whether there is an unseen value; takes no lock.
    ///
    /// # Errors
    ///
    /// If all senders are gone, also when the last value is unseen.
    ///
    /// ```
    /// let (sender, mut receiver) = yamanote::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert!(receiver.has_changed().unwrap());
    /// drop(sender);
    /// assert!(receiver.has_changed().is_err());
    /// assert_eq!(*receiver.borrow_and_update(), 2);
    /// ```
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        let state = self.shared.state();
        match state.is_closed() {
            true => Err(RecvError(())),
            false => Ok(state.version() != self.seen),
        }
    }

    /// Whether all senders are gone.
    pub fn is_closed(&self) -> bool {
        self.shared.state().is_closed()
    }

    /// Marks the present value unseen, so that the next [`changed`](Receiver::changed) is ready at
    /// once.
    ///
    /// ```
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (_sender, mut receiver) = yamanote::sync::watch::channel(1);
    /// receiver.mark_changed();
    /// assert!(receiver.changed().await.is_ok());
    /// # }
    /// ```
    pub fn mark_changed(&mut self) {
        self.seen = self.seen.previous();
    }

    /// Marks the present value seen, whatever it is.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = yamanote::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// receiver.mark_unchanged();
    /// assert!(!receiver.has_changed().unwrap());
    /// ```
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.state().version();
    }

    /// Waits until there is an unseen value, and marks it seen. Ready at once if there is one.
    ///
    /// # Errors
    ///
    /// If all senders are gone and the last value is seen.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has marked nothing.
    ///
    /// ```
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, mut receiver) = yamanote::sync::watch::channel(1);
    /// yamanote::spawn(async move { sender.send(2) });
    /// receiver.changed().await.unwrap();
    /// assert_eq!(*receiver.borrow_and_update(), 2);
    /// assert!(receiver.changed().await.is_err());
    /// # }
    /// ```
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        cooperative(wait(&self.shared, self.shard, &mut self.seen)).await
    }

    /// Waits for a value of which `f` says `true`, marks it seen and returns it borrowed.
    ///
    /// The present value is tried first, seen or not, then those that come; some may be skipped.
    /// When the senders are gone the last one is tried too, if it is unseen. Values that `f`
    /// refuses are marked seen. `f` runs with the value borrowed, so it must not send.
    ///
    /// # Errors
    ///
    /// If all senders are gone and the last value does not suit.
    ///
    /// # Panics
    ///
    /// If `f` panics; the channel works on.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped; what `f` refused counts as seen.
    ///
    /// ```
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, mut receiver) = yamanote::sync::watch::channel(1);
    /// yamanote::spawn(async move {
    ///     sender.send(2).unwrap();
    ///     sender.send(10).unwrap();
    /// });
    /// let value = *receiver.wait_for(|value| *value > 5).await.unwrap();
    /// assert_eq!(value, 10);
    /// # }
    /// ```
    pub async fn wait_for(
        &mut self,
        mut f: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        let Receiver {
            shared,
            seen,
            shard,
        } = self;
        cooperative(async move {
            let mut closed = false;
            loop {
                {
                    let value = shared.read();
                    let version = shared.state().version();
                    let has_changed = std::mem::replace(seen, version) != version;
                    // A seen value of a closed channel was tried already.
                    if (!closed || has_changed) && f(&value) {
                        return Ok(Ref::new(value, has_changed));
                    }
                }
                if closed {
                    return Err(RecvError(()));
                }
                closed = wait(shared, *shard, seen).await.is_err();
            }
        })
        .await
    }

    /// Whether both receive from the same channel.
    ///
    /// ```
    /// let (_sender, first) = yamanote::sync::watch::channel(());
    /// assert!(first.same_channel(&first.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// Waits for an unseen value and marks it seen.
async fn wait<T>(shared: &Shared<T>, shard: usize, seen: &mut Version) -> Result<(), RecvError> {
    if let Some(result) = look(shared, seen) {
        return result;
    }
    loop {
        // First register, then look.
        let changed = shared.changed(shard).notified();
        if let Some(result) = look(shared, seen) {
            return result;
        }
        changed.await;
    }
}

fn look<T>(shared: &Shared<T>, seen: &mut Version) -> Option<Result<(), RecvError>> {
    let state = shared.state();
    if state.version() != *seen {
        *seen = state.version();
        return Some(Ok(()));
    }
    state.is_closed().then_some(Err(RecvError(())))
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Receiver::new(Arc::clone(&self.shared), self.seen)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receiver_gone();
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("shared", &*self.shared)
            .field("version", &self.seen)
            .finish()
    }
}
