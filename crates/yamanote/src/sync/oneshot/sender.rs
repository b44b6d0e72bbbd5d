//! The end that sends, once.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use super::shared::{CLOSED, TxEnd};
use crate::util::coop;
use crate::util::spans::{self, Resource, state_update};

/// Sends one value to the [`Receiver`](super::Receiver) that was made with it.
///
/// Dropped without sending, it tells the receiver that nothing will come.
pub struct Sender<T> {
    inner: Option<TxEnd<T>>,
    resource: Resource,
}

impl<T> Sender<T> {
    pub(super) fn new(end: TxEnd<T>, resource: Resource) -> Self {
        Sender {
            inner: Some(end),
            resource,
        }
    }

    /// Sends `value`; never waits.
    ///
    /// `Ok` does not mean that the value was or will be received: the receiver may be dropped, and
    /// the value with it, at any time after.
    ///
    /// # Errors
    ///
    /// The value, if the receiver was dropped or [closed](super::Receiver::close) before.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::oneshot;
    ///
    /// let (sender, receiver) = oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send(5), Err(5));
    /// ```
    pub fn send(mut self, value: T) -> Result<(), T> {
        self.inner.take().expect(HAS_END).send(value)?;
        state_update!(self.resource, value_sent = true, value_sent.op = "override");
        Ok(())
    }

    /// Waits until the receiver is dropped or [closed](super::Receiver::close): nobody wants the
    /// value any more.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a closed channel stays closed, so nothing is missed by asking again.
    ///
    /// # Examples
    ///
    /// Work that stops when nobody waits for its result:
    ///
    /// ```
    /// use yamanote::sync::oneshot;
    ///
    /// async fn long_computation() -> u64 {
    ///     std::future::pending().await
    /// }
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (mut sender, receiver) = oneshot::channel();
    /// let work = yamanote::spawn(async move {
    ///     yamanote::select! {
    ///         () = sender.closed() => "nobody is waiting",
    ///         result = long_computation() => {
    ///             let _ = sender.send(result);
    ///             "sent"
    ///         }
    ///     }
    /// });
    /// drop(receiver);
    /// assert_eq!(work.await.unwrap(), "nobody is waiting");
    /// # }
    /// ```
    pub async fn closed(&mut self) {
        let resource = self.resource.clone();
        let closed = poll_fn(|cx| self.poll_closed(cx));
        spans::async_op(&resource, "Sender::closed", "poll_closed", false, || closed).await;
    }

    /// Whether the receiver is dropped or [closed](super::Receiver::close), so that
    /// [`send`](Self::send) would fail.
    pub fn is_closed(&self) -> bool {
        self.end().word() & CLOSED != 0
    }

    /// [`closed`](Self::closed) for futures written by hand.
    ///
    /// `Ready` once the channel is closed; until then the task of the latest call is woken when
    /// that happens. Spends a unit of the task's cooperative budget.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        let end = self.inner.as_mut().expect(HAS_END);
        if end.offer(cx.waker()) & CLOSED == 0 {
            return Poll::Pending;
        }
        unit.made_progress();
        Poll::Ready(())
    }

    fn end(&self) -> &TxEnd<T> {
        self.inner.as_ref().expect(HAS_END)
    }
}

const HAS_END: &str = "only sending and dropping give the end up";

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("inner", &self.inner)
            .finish()
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if let Some(end) = self.inner.take() {
            end.finish();
            state_update!(self.resource, tx_dropped = true, tx_dropped.op = "override");
        }
    }
}
