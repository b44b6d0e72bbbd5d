//! A channel that holds one value, the last: many senders replace it, many receivers look at it.
//!
//! It is for what changes now and then and of which only the present state counts: a configuration,
//! the progress of a job, the order to shut down. [`channel`] makes the first [`Sender`] and
//! [`Receiver`] around an initial value; both can be cloned.
//!
//! # Seen and unseen
//!
//! Each receiver remembers which value it has seen last. The value at its creation counts as seen;
//! a clone has seen what its original has.
//!
//! - [`changed`] waits until there is an unseen value, and marks it seen. Values that came and went
//!   in between are skipped.
//! - [`borrow_and_update`] looks at the value and marks it seen; [`borrow`] only looks. In a loop
//!   around [`changed`] use the former: a value that comes between the two would otherwise be
//!   announced once more after it was looked at.
//! - [`has_changed`] asks without waiting. It fails as soon as the channel is closed; [`changed`]
//!   fails only when, besides, nothing is unseen.
//! - [`wait_for`] waits for a value that meets a condition.
//!
//! The channel is closed for receivers when the last sender is dropped; they can still look at the
//! last value. It is closed for senders while there is no receiver; [`Sender::subscribe`] opens it
//! again.
//!
//! # Looking is locking
//!
//! A [`Ref`] holds a read lock. Sending blocks the thread until it is dropped, and on some systems
//! new readers wait behind a waiting sender, so a thread that holds one must not borrow again. Hold
//! it briefly, never across an `.await`; clone what is needed longer.
//!
//! # Examples
//!
//! ```
//! use yamanote::sync::watch;
//!
//! # #[yamanote::main(flavor = "current_thread")]
//! # async fn main() {
//! let (sender, mut receiver) = watch::channel("starting");
//! let watcher = yamanote::spawn(async move {
//!     let mut seen = vec![*receiver.borrow_and_update()];
//!     while receiver.changed().await.is_ok() {
//!         seen.push(*receiver.borrow_and_update());
//!     }
//!     seen
//! });
//! sender.send("running").unwrap();
//! drop(sender);
//! let seen = watcher.await.unwrap();
//! assert_eq!(seen.last(), Some(&"running"));
//! # }
//! ```
//!
//! [`changed`]: Receiver::changed
//! [`has_changed`]: Receiver::has_changed
//! [`borrow`]: Receiver::borrow
//! [`borrow_and_update`]: Receiver::borrow_and_update
//! [`wait_for`]: Receiver::wait_for
#![forbid(unsafe_code)]

pub mod error;
mod receiver;
mod sender;
mod shared;
mod value_ref;

#[cfg(all(test, loom))]
mod loom_tests;

pub use receiver::Receiver;
pub use sender::Sender;
pub use value_ref::Ref;

/// A channel around `init`, which the receiver has seen.
///
/// ```
/// let (sender, receiver) = yamanote::sync::watch::channel(1);
/// assert_eq!(*receiver.borrow(), 1);
/// sender.send(2).unwrap();
/// assert_eq!(*receiver.borrow(), 2);
/// ```
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(init);
    let receiver = sender.subscribe();
    (sender, receiver)
}
