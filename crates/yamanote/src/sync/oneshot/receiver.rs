//! The end that receives, once: a future of the value.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::error::{RecvError, TryRecvError};
use super::shared::{CLOSED, DONE, RxEnd, VALUE};
use crate::util::spans::{AsyncOp, Resource, begin_async_op, poll_op, state_update};
use crate::util::{coop, thread_park};

/// Receives the one value of the [`Sender`](super::Sender) that was made with it.
///
/// It is a future: `receiver.await`, or `(&mut receiver).await` to keep it. Dropping it drops a
/// value that was sent and not received.
///
/// # Errors
///
/// [`RecvError`] if the sender was dropped without sending, or the channel was closed before it
/// sent.
///
/// # Panics
///
/// If polled after it was ready, or after [`try_recv`](Self::try_recv) took the value or reported
/// [`TryRecvError::Closed`].
///
/// # Cancel safety
///
/// Cancel safe: while it is pending nothing has been taken out of the channel.
///
/// # Examples
///
/// ```
/// use yamanote::sync::oneshot;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let (sender, receiver) = oneshot::channel::<u32>();
/// drop(sender);
/// assert_eq!(receiver.await.unwrap_err().to_string(), "channel closed");
/// # }
/// ```
pub struct Receiver<T> {
    inner: Option<RxEnd<T>>,
    resource: Resource,
    op: AsyncOp,
}

impl<T> Receiver<T> {
    pub(super) fn new(end: RxEnd<T>, resource: Resource) -> Self {
        let op = begin_async_op!("tokio::sync::oneshot", &resource, "Receiver::await");
        Receiver {
            inner: Some(end),
            resource,
            op,
        }
    }

    /// Refuses what was not sent yet; what was sent can still be received.
    ///
    /// After it, either [`try_recv`](Self::try_recv) and awaiting have the value, or
    /// [`send`](super::Sender::send) fails: never both, never neither.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::oneshot;
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// receiver.close();
    /// assert!(sender.is_closed());
    /// assert_eq!(sender.send("late"), Err("late"));
    /// assert!(receiver.try_recv().is_err());
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// sender.send("in time").unwrap();
    /// receiver.close();
    /// assert_eq!(receiver.try_recv(), Ok("in time"));
    /// ```
    pub fn close(&mut self) {
        if let Some(end) = &mut self.inner {
            end.close();
            self.tell_dropped();
        }
    }

    fn tell_dropped(&self) {
        state_update!(self.resource, rx_dropped = true, rx_dropped.op = "override");
    }

    /// Whether this receiver has told its result, the value or that there is none, and must not be
    /// polled again.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::oneshot;
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sender, mut receiver) = oneshot::channel();
    /// sender.send(1).unwrap();
    /// assert!(!receiver.is_terminated());
    /// assert_eq!((&mut receiver).await, Ok(1));
    /// assert!(receiver.is_terminated());
    /// # }
    /// ```
    pub fn is_terminated(&self) -> bool {
        self.inner.is_none()
    }

    /// Whether there is no value to receive now: none sent yet, none ever, or it was received.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::oneshot;
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// assert!(receiver.is_empty());
    /// sender.send(()).unwrap();
    /// assert!(!receiver.is_empty());
    /// receiver.try_recv().unwrap();
    /// assert!(receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.inner
            .as_ref()
            .is_none_or(|end| end.word() & VALUE == 0)
    }

    /// The value, if it is there; never waits.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] while the sender may still send; [`TryRecvError::Closed`] if nothing
    /// will come, because the sender is gone, the channel is closed, or the value was received.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::oneshot::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send('a').unwrap();
    /// assert_eq!(receiver.try_recv(), Ok('a'));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match &self.inner {
            None => Err(TryRecvError::Closed),
            Some(end) if end.word() & (DONE | CLOSED) == 0 => Err(TryRecvError::Empty),
            Some(_) => {
                let value = conclude(&mut self.inner).ok_or(TryRecvError::Closed)?;
                state_update!(
                    self.resource,
                    value_received = true,
                    value_received.op = "override",
                );
                Ok(value)
            }
        }
    }

    /// Blocks the thread until the value is there: for code that is not asynchronous.
    ///
    /// # Errors
    ///
    /// As awaiting the receiver.
    ///
    /// # Panics
    ///
    /// On a thread that is running a runtime's futures; and if the receiver
    /// [is terminated](Self::is_terminated).
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::oneshot;
    ///
    /// let (sender, receiver) = oneshot::channel();
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.send(10).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(10));
    /// ```
    #[track_caller]
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        thread_park::block_outside(self)
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Receiver {
            inner,
            resource,
            op,
        } = self.get_mut();
        let _entered = op.enter(resource);
        let polled = poll_end(inner, cx);
        poll_op("poll_recv", polled.is_ready());
        ready!(polled);
        Poll::Ready(conclude(inner).ok_or(RecvError(())))
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("inner", &self.inner)
            .finish()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let Some(mut end) = self.inner.take() {
            end.close();
            drop(end.into_value());
            self.tell_dropped();
        }
    }
}

/// The value, if it was sent, and the end of this end.
fn conclude<T>(inner: &mut Option<RxEnd<T>>) -> Option<T> {
    inner.take().and_then(RxEnd::into_value)
}

/// Ready if there is nothing to wait for.
fn poll_end<T>(inner: &mut Option<RxEnd<T>>, cx: &mut Context<'_>) -> Poll<()> {
    let Some(end) = inner else {
        panic!("called after complete");
    };
    let unit = ready!(coop::poll_proceed(cx));
    if end.offer(cx.waker()) & (DONE | CLOSED) == 0 {
        return Poll::Pending;
    }
    unit.made_progress();
    Poll::Ready(())
}
