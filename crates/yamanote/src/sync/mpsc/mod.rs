//! Channels for many values, from many senders to one receiver.
//!
//! | | made by | sending |
//! |---|---|---|
//! | bounded | [`channel`] | waits for room: [`Sender::send`] |
//! | unbounded | [`unbounded_channel`] | never waits: [`UnboundedSender::send`] |
//!
//! Prefer the bounded channel. Its capacity is what slows a fast producer down to the pace of the
//! consumer; in an unbounded channel the values pile up until the memory is gone.
//!
//! # The end of a channel
//!
//! When all senders are dropped, the receiver receives what is left, and then `None`. Weak senders
//! do not count. When the receiver is dropped, or [closed](Receiver::close), sending fails and
//! gives the value back; a closed receiver still receives what was sent, and what is sent with room
//! reserved before. Values nobody received are dropped with the receiver.
//!
//! # Order
//!
//! What one task sends arrives in its order. Room is given in the order of asking.
//!
//! # Between asynchronous code and threads
//!
//! The unbounded sender works anywhere. [`Sender::blocking_send`] and [`Receiver::blocking_recv`]
//! are for threads that run no futures. The channel belongs to no runtime: its ends may be in two
//! of them, or in none.
//!
//! # Memory
//!
//! Values are kept in blocks of 32. A channel that is never long uses two of them in turn: sending
//! allocates nothing. The blocks of a long queue are freed as they empty, except one.
//!
//! # Examples
//!
//! ```
//! use yamanote::sync::mpsc;
//!
//! # #[yamanote::main(flavor = "current_thread")]
//! # async fn main() {
//! let (sender, mut receiver) = mpsc::channel(8);
//! for worker in 0..3 {
//!     let sender = sender.clone();
//!     yamanote::spawn(async move {
//!         sender.send(worker).await.expect("the receiver is there");
//!     });
//! }
//! drop(sender);
//!
//! let mut sum = 0;
//! while let Some(worker) = receiver.recv().await {
//!     sum += worker;
//! }
//! assert_eq!(sum, 3);
//! # }
//! ```

mod channel;
mod limit;
mod padded;
mod permit;
mod queue;
mod receiver;
mod sender;
mod unbounded_receiver;
mod unbounded_sender;

pub mod error;

pub use permit::{OwnedPermit, Permit, PermitIterator};
pub use receiver::Receiver;
pub use sender::{Sender, WeakSender};
pub use unbounded_receiver::UnboundedReceiver;
pub use unbounded_sender::{UnboundedSender, WeakUnboundedSender};

#[cfg(all(test, loom))]
mod loom_tests;

/// A new channel with room for `buffer` values.
///
/// Room that was [reserved](Sender::reserve) counts as taken.
///
/// # Panics
///
/// If `buffer` is 0, or more than
/// [`Semaphore::MAX_PERMITS`](crate::sync::Semaphore::MAX_PERMITS).
///
/// # Examples
///
/// ```
/// use yamanote::sync::mpsc;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let (sender, mut receiver) = mpsc::channel(1);
/// yamanote::spawn(async move {
///     for n in 0..3 {
///         // Waits until there is room.
///         if sender.send(n).await.is_err() {
///             return; // nobody listens
///         }
///     }
/// });
/// assert_eq!(receiver.recv().await, Some(0));
/// assert_eq!(receiver.recv().await, Some(1));
/// assert_eq!(receiver.recv().await, Some(2));
/// assert_eq!(receiver.recv().await, None);
/// # }
/// ```
#[track_caller]
pub fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
    assert!(buffer > 0, "mpsc bounded channel requires buffer > 0");
    let (tx, rx) = channel::channel(limit::BoundedLimit::new(buffer));
    (Sender::new(tx), Receiver::new(rx))
}

/// A new channel that takes any number of values.
///
/// Sending never waits. Nothing slows a sender down that is faster than the receiver: the values
/// pile up until the memory is gone. If that can be, use [`channel`](channel()).
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
    let (tx, rx) = channel::channel(limit::NoLimit);
    (UnboundedSender::new(tx), UnboundedReceiver::new(rx))
}
