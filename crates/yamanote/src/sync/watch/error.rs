//! What can go wrong in a `watch` channel: the other side is gone.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;

/// Nobody receives; the value comes back.
#[derive(PartialEq, Eq, Clone, Copy)]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

impl<T> Error for SendError<T> {}

/// All senders are gone.
///
/// # Examples
///
/// ```
/// use yamanote::sync::watch;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let (sender, mut receiver) = watch::channel("first");
/// drop(sender);
/// assert!(receiver.changed().await.is_err());
/// // The last value stays.
/// assert_eq!(*receiver.borrow(), "first");
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RecvError(pub(super) ());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

impl Error for RecvError {}
