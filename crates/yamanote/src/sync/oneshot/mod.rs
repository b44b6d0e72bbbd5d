//! A channel for one value: the answer to a request, a result, the order to stop.
//!
//! [`channel`] makes a [`Sender`] and a [`Receiver`]. Sending is not asynchronous: it works from
//! anywhere, between runtimes and from threads without one. The receiver is a future of the value;
//! it ends with [`error::RecvError`] if the sender was dropped without sending.
//!
//! The whole channel is one allocation, and neither end ever takes a lock.
//!
//! # Examples
//!
//! ```
//! use yamanote::sync::oneshot;
//!
//! # #[yamanote::main(flavor = "current_thread")]
//! # async fn main() {
//! let (answer, question) = oneshot::channel();
//! yamanote::spawn(async move {
//!     let _ = answer.send(6 * 7);
//! });
//! assert_eq!(question.await, Ok(42));
//! # }
//! ```
//!
//! In a loop of `select!`, poll a reference to the receiver:
//!
//! ```
//! use yamanote::sync::oneshot;
//! use yamanote::time::{Duration, interval, sleep};
//!
//! # #[yamanote::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let (stop, mut stopped) = oneshot::channel();
//! yamanote::spawn(async move {
//!     sleep(Duration::from_millis(250)).await;
//!     let _ = stop.send("enough");
//! });
//!
//! let mut interval = interval(Duration::from_millis(100));
//! let mut ticks = 0;
//! loop {
//!     yamanote::select! {
//!         _ = interval.tick() => ticks += 1,
//!         reason = &mut stopped => {
//!             assert_eq!(reason, Ok("enough"));
//!             break;
//!         }
//!     }
//! }
//! assert_eq!(ticks, 3);
//! # }
//! ```
//!
//! Sending consumes the sender; a destructor keeps it in an `Option` and takes it out:
//!
//! ```
//! use yamanote::sync::oneshot;
//!
//! struct Job(Option<oneshot::Sender<&'static str>>);
//!
//! impl Drop for Job {
//!     fn drop(&mut self) {
//!         if let Some(done) = self.0.take() {
//!             let _ = done.send("given up");
//!         }
//!     }
//! }
//!
//! let (done, how) = oneshot::channel();
//! drop(Job(Some(done)));
//! assert_eq!(how.blocking_recv(), Ok("given up"));
//! ```

mod receiver;
mod sender;
mod shared;

pub mod error;

pub use receiver::Receiver;
pub use sender::Sender;

use std::panic::Location;

use crate::util::spans::{resource, state_update};

#[cfg(all(test, loom))]
mod loom_tests;

#[cfg(all(test, not(loom)))]
mod tests;

/// A new channel for one value.
///
/// # Examples
///
/// ```
/// use yamanote::sync::oneshot;
///
/// let (sender, mut receiver) = oneshot::channel();
/// assert_eq!(sender.send("here"), Ok(()));
/// assert_eq!(receiver.try_recv(), Ok("here"));
/// ```
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let resource = resource!(
        "tokio::sync::oneshot",
        Location::caller(),
        concrete_type = "Sender|Receiver",
        kind = "Sync",
    );
    state_update!(resource, tx_dropped = false, tx_dropped.op = "override");
    state_update!(resource, rx_dropped = false, rx_dropped.op = "override");
    state_update!(resource, value_sent = false, value_sent.op = "override");
    state_update!(
        resource,
        value_received = false,
        value_received.op = "override",
    );
    let (tx, rx) = shared::pair();
    let tx = Sender::new(tx, resource.clone());
    (tx, Receiver::new(rx, resource))
}
