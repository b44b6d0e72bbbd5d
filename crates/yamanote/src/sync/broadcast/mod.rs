//! A channel in which every receiver gets every value: many senders, many receivers.
//!
//! [`channel`] makes the first [`Sender`] and [`Receiver`]; senders are cloned, receivers made by
//! [`Sender::subscribe`]. A receiver gets what is sent after its creation, each value as a clone,
//! in the order in which they were sent, which is the same for all.
//!
//! # Lagging
//!
//! The channel holds a bounded number of values and sending never waits: when it is full the oldest
//! value is overwritten, even if some receivers have not read it. Such a receiver gets
//! [`RecvError::Lagged`](error::RecvError::Lagged) once, with the number of values that it missed,
//! and goes on with the oldest that is there. So a slow receiver holds up nobody, and with a larger
//! capacity it may be slow for longer.
//!
//! A value is dropped when all have read it, when it is overwritten, or with the channel, and with
//! no lock held.
//!
//! # Closing
//!
//! When the last sender is dropped, receivers get what is still there and then
//! [`RecvError::Closed`](error::RecvError::Closed). A [`WeakSender`] does not keep the channel
//! open. Sending fails while there is no receiver; [`Sender::subscribe`] brings one.
//!
//! # Examples
//!
//! ```
//! use yamanote::sync::broadcast;
//!
//! # #[yamanote::main(flavor = "current_thread")]
//! # async fn main() {
//! let (sender, mut first) = broadcast::channel(16);
//! let mut second = sender.subscribe();
//! sender.send(10).unwrap();
//! sender.send(20).unwrap();
//! assert_eq!(first.recv().await, Ok(10));
//! assert_eq!(first.recv().await, Ok(20));
//! assert_eq!(second.recv().await, Ok(10));
//! assert_eq!(second.recv().await, Ok(20));
//! # }
//! ```
//!
//! A receiver that was too slow:
//!
//! ```
//! use yamanote::sync::broadcast::{self, error::RecvError};
//!
//! # #[yamanote::main(flavor = "current_thread")]
//! # async fn main() {
//! let (sender, mut receiver) = broadcast::channel(2);
//! for value in [10, 20, 30] {
//!     sender.send(value).unwrap();
//! }
//! assert_eq!(receiver.recv().await, Err(RecvError::Lagged(1)));
//! assert_eq!(receiver.recv().await, Ok(20));
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod error;
mod receiver;
mod recv;
mod sender;
pub(super) mod shared;
mod weak;

#[cfg(all(test, loom))]
mod loom_tests;

pub use receiver::Receiver;
pub use sender::Sender;
pub use weak::WeakSender;

/// A channel that holds at least `capacity` values: the next power of two.
///
/// # Panics
///
/// If `capacity` is zero or more than `usize::MAX / 2`.
///
/// # Examples
///
/// ```
/// use yamanote::sync::broadcast::{self, error::RecvError};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let (sender, mut first) = broadcast::channel(2);
/// let mut second = sender.subscribe();
/// sender.send(1).unwrap();
/// assert_eq!(first.recv().await, Ok(1));
/// sender.send(2).unwrap();
/// sender.send(3).unwrap();
/// // The slow one has missed a value, and goes on with the oldest that is there.
/// assert_eq!(second.recv().await, Err(RecvError::Lagged(1)));
/// assert_eq!(second.recv().await, Ok(2));
/// # }
/// ```
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(capacity);
    let receiver = sender.subscribe();
    (sender, receiver)
}
