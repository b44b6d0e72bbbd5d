//! Sending with a limit on the wait: a method of the channel's that needs timers.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::timeout;
use crate::sync::mpsc::Sender;
use crate::sync::mpsc::error::SendTimeoutError;

impl<T> Sender<T> {
    /// Sends `value`, waiting up to `timeout` for room.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError::Timeout`] if there was no room in time, [`SendTimeoutError::Closed`] if
    /// the receiver was dropped or closed; both have the value.
    ///
    /// # Panics
    ///
    /// If there is no current runtime, or its timers are not enabled
    /// ([`Builder::enable_time`](crate::runtime::Builder::enable_time)); when polled.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Sender::send): dropped before it is ready, nothing was sent, and the value is
    /// dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc::{self, error::SendTimeoutError};
    /// use yamanote::time::Duration;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, _receiver) = mpsc::channel(1);
    /// let limit = Duration::from_millis(1);
    /// assert_eq!(sender.send_timeout(1, limit).await, Ok(()));
    /// assert_eq!(sender.send_timeout(2, limit).await, Err(SendTimeoutError::Timeout(2)));
    /// # }
    /// ```
    pub async fn send_timeout(
        &self,
        value: T,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<T>> {
        match self::timeout(timeout, self.reserve()).await {
            Ok(Ok(permit)) => {
                permit.send(value);
                Ok(())
            }
            Ok(Err(_)) => Err(SendTimeoutError::Closed(value)),
            Err(_) => Err(SendTimeoutError::Timeout(value)),
        }
    }
}
