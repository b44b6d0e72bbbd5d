//! What both kinds of channel have in common: handles that are counted, waiting, and the end.
//!
//! The values go through the [`queue`](super::queue). Beside it stand the receiver's waker, the
//! number of senders, the tasks that wait for the receiver to go, and the [`Limit`], in which the
//! two kinds differ.
//!
//! The receiver's waker is called
//!
//! * by a push that fills the very cell the receiver awaits, and by no other,
//! * when the last sender goes,
//! * when what was reserved comes back unused to a closed channel, which may be its end.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use super::error::TryRecvError;
use super::padded::Padded;
use super::queue::{Consumer, Pop, Producer, queue};
use crate::loom::hint;
use crate::loom::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::Notify;
use crate::sync::atomic_waker::AtomicWaker;
use crate::util::first_panic::FirstPanic;
use crate::util::{coop, thread_park};

/// How many values may be in the channel, and what closing it means.
pub(super) trait Limit: fmt::Debug + Sized {
    /// Lets nothing new in.
    fn close<T>(queue: &mut Consumer<T, Shared<Self>>);

    fn is_closed(&self, is_queue_closed: impl FnOnce() -> bool) -> bool;

    /// Whether, of a closed channel, everything that was let in has been received or given back.
    fn is_idle(&self) -> bool;

    /// Room for `n` values is free again.
    fn give_back(&self, n: usize);
}

/// Beside the queue.
pub(super) struct Shared<L> {
    /// Written for every value, by either end.
    limit: Padded<L>,
    rx_waker: AtomicWaker,
    /// Notified when the receiver closes.
    rx_closed: Notify,
    senders: AtomicUsize,
    weak_senders: AtomicUsize,
}

pub(super) fn channel<T, L: Limit>(limit: L) -> (Tx<T, L>, Rx<T, L>) {
    let (producer, consumer) = queue(Shared {
        limit: Padded(limit),
        rx_waker: AtomicWaker::new(),
        rx_closed: Notify::new(),
        senders: AtomicUsize::new(1),
        weak_senders: AtomicUsize::new(0),
    });
    let rx = Rx {
        queue: consumer,
        closed: false,
    };
    (Tx { queue: producer }, rx)
}

impl<L> Shared<L> {
    pub(super) fn limit(&self) -> &L {
        &self.limit.0
    }

    fn strong_count(&self) -> usize {
        // Acquire: pairs with the Release of the last drop, after which everything was sent.
        self.senders.load(Ordering::Acquire)
    }

    fn weak_count(&self) -> usize {
        self.weak_senders.load(Ordering::Relaxed) // a number that orders nothing
    }
}

/// A sender that keeps the channel open.
pub(super) struct Tx<T, L> {
    queue: Producer<T, Shared<L>>,
}

impl<T, L> Tx<T, L> {
    pub(super) fn limit(&self) -> &L {
        &self.queue.extra().limit.0
    }

    /// Sends; the limit has been asked.
    pub(super) fn send(&self, value: T) {
        if self.queue.push(value) {
            self.wake_rx();
        }
    }

    /// Sends unless the queue is closed, where that is the only limit.
    pub(super) fn send_unless_closed(&self, value: T) -> Result<(), T> {
        if self.queue.push_unless_closed(value)? {
            self.wake_rx();
        }
        Ok(())
    }

    pub(super) fn wake_rx(&self) {
        self.queue.extra().rx_waker.wake();
    }

    pub(super) fn same_channel(&self, other: &Self) -> bool {
        self.queue.same_queue(&other.queue)
    }

    pub(super) fn downgrade(&self) -> Weak<T, L> {
        Weak::new(self.queue.clone())
    }

    pub(super) fn strong_count(&self) -> usize {
        self.queue.extra().strong_count()
    }

    pub(super) fn weak_count(&self) -> usize {
        self.queue.extra().weak_count()
    }
}

impl<T, L: Limit> Tx<T, L> {
    pub(super) fn is_closed(&self) -> bool {
        self.limit().is_closed(|| self.queue.is_closed())
    }

    pub(super) async fn closed(&self) {
        // Made first: a close after the question reaches it.
        let closes = self.queue.extra().rx_closed.notified();
        if !self.is_closed() {
            closes.await;
        }
    }

    /// Gives back room that was reserved and is not used. On a closed channel that may be what the
    /// receiver waits for.
    pub(super) fn give_back(&self, n: usize) {
        self.limit().give_back(n);
        self.wake_rx_if_over();
    }

    /// Wakes the receiver of a closed channel that nothing can come through any more.
    pub(super) fn wake_rx_if_over(&self) {
        if self.is_closed() && self.limit().is_idle() {
            self.wake_rx();
        }
    }
}

impl<T, L> Clone for Tx<T, L> {
    fn clone(&self) -> Self {
        // Relaxed: this handle keeps the number from reaching zero meanwhile.
        self.queue.extra().senders.fetch_add(1, Ordering::Relaxed);
        Tx {
            queue: self.queue.clone(),
        }
    }
}

impl<T, L> Drop for Tx<T, L> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire of the last one here, so that its `finish` comes after
        // all that was sent.
        let before = self.queue.extra().senders.fetch_sub(1, Ordering::AcqRel);
        if before == 1 {
            self.queue.finish();
            self.wake_rx();
        }
    }
}

/// A sender that does not keep the channel open.
pub(super) struct Weak<T, L> {
    queue: Producer<T, Shared<L>>,
}

impl<T, L> Weak<T, L> {
    fn new(queue: Producer<T, Shared<L>>) -> Self {
        // Relaxed: a number that orders nothing.
        queue.extra().weak_senders.fetch_add(1, Ordering::Relaxed);
        Weak { queue }
    }

    pub(super) fn upgrade(&self) -> Option<Tx<T, L>> {
        let more = |count| (count != 0).then_some(count + 1);
        // Relaxed: a handle, weak or not, comes from one that sees the channel.
        self.queue
            .extra()
            .senders
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        Some(Tx {
            queue: self.queue.clone(),
        })
    }

    pub(super) fn strong_count(&self) -> usize {
        self.queue.extra().strong_count()
    }

    pub(super) fn weak_count(&self) -> usize {
        self.queue.extra().weak_count()
    }
}

impl<T, L> Clone for Weak<T, L> {
    fn clone(&self) -> Self {
        Weak::new(self.queue.clone())
    }
}

impl<T, L> Drop for Weak<T, L> {
    fn drop(&mut self) {
        // Relaxed: a number that orders nothing.
        let weak = &self.queue.extra().weak_senders;
        weak.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The receiver.
pub(super) struct Rx<T, L: Limit> {
    queue: Consumer<T, Shared<L>>,
    /// Whether `close` was called.
    closed: bool,
}

impl<T, L: Limit> Rx<T, L> {
    pub(super) fn limit(&self) -> &L {
        &self.queue.extra().limit.0
    }

    pub(super) fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            let mut panics = FirstPanic::default();
            panics.catch(|| L::close(&mut self.queue));
            panics.catch(|| self.queue.extra().rx_closed.notify_waiters());
            panics.resume();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.limit().is_closed(|| self.queue.is_closed()) || self.sender_strong_count() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn sender_strong_count(&self) -> usize {
        self.queue.extra().strong_count()
    }

    pub(super) fn sender_weak_count(&self) -> usize {
        self.queue.extra().weak_count()
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let unit = ready!(coop::poll_proceed(cx));
        // The waker is left before it is asked whether a closed channel has come to its end, as in
        // Tokio: the task is then woken once more by senders that are refused.
        let mut next = self.queue.pop();
        if matches!(next, Pop::Empty | Pop::UnderWay) {
            self.wait(cx);
            next = self.pop();
        }
        let received = match next {
            Pop::Value(value) => {
                self.limit().give_back(1);
                Some(value)
            }
            Pop::End => None,
            Pop::Empty | Pop::UnderWay => return Poll::Pending,
        };
        unit.made_progress();
        Poll::Ready(received)
    }

    pub(super) fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        let unit = ready!(coop::poll_proceed(cx));
        if limit == 0 {
            unit.made_progress();
            return Poll::Ready(0);
        }
        let (mut received, mut next) = self.pop_many(buffer, limit, |this| this.queue.pop());
        if received == 0 && matches!(next, Pop::Empty | Pop::UnderWay) {
            self.wait(cx);
            (received, next) = self.pop_many(buffer, limit, Self::pop);
        }
        if received == 0 && !matches!(next, Pop::End) {
            return Poll::Pending;
        }
        unit.made_progress();
        Poll::Ready(received)
    }

    /// Moves at most `limit` values to `buffer`; returns how many, and what came after them.
    fn pop_many(
        &mut self,
        buffer: &mut Vec<T>,
        limit: usize,
        pop: impl Fn(&mut Self) -> Pop<T>,
    ) -> (usize, Pop<T>) {
        let mut received = 0;
        let mut next = Pop::Empty;
        while received < limit {
            next = pop(self);
            match next {
                Pop::Value(value) => buffer.push(value),
                _ => break,
            }
            next = Pop::Empty;
            received += 1;
        }
        if received > 0 {
            self.limit().give_back(received);
        }
        (received, next)
    }

    pub(super) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let next = match self.pop() {
            Pop::UnderWay => self.pop_under_way(),
            next => next,
        };
        match next {
            Pop::Value(value) => {
                self.limit().give_back(1);
                Ok(value)
            }
            Pop::End => Err(TryRecvError::Disconnected),
            Pop::Empty | Pop::UnderWay => Err(TryRecvError::Empty),
        }
    }

    /// Waits until a sender has put its value into the cell it has taken. To say "empty" would be
    /// wrong when a value behind it has been sent already.
    #[cold]
    fn pop_under_way(&mut self) -> Pop<T> {
        for _ in 0..32 {
            hint::spin_loop();
            match self.pop() {
                Pop::UnderWay => {}
                next => return next,
            }
        }
        // A task that polled before waits for this value too; the place of its waker is needed.
        self.queue.extra().rx_waker.wake();
        let next = thread_park::block_on(poll_fn(|cx| {
            self.wait(cx);
            match self.pop() {
                Pop::UnderWay => Poll::Pending,
                next => Poll::Ready(next),
            }
        }));
        drop(self.queue.extra().rx_waker.take());
        next
    }

    /// Leaves the waker and announces it. The next `pop` sees what was sent before; what is sent
    /// after wakes.
    fn wait(&mut self, cx: &mut Context<'_>) {
        self.queue.extra().rx_waker.register(cx.waker());
        self.queue.await_next();
    }

    fn pop(&mut self) -> Pop<T> {
        match self.queue.pop() {
            Pop::Empty if self.closed && self.limit().is_idle() => Pop::End,
            next => next,
        }
    }
}

impl<T, L: Limit> Drop for Rx<T, L> {
    fn drop(&mut self) {
        /// Goes on with the rest when dropping a value panics.
        struct Drain<'a, T, L: Limit>(&'a mut Rx<T, L>);
        impl<T, L: Limit> Drain<'_, T, L> {
            fn drain(&mut self) {
                while let Pop::Value(value) = self.0.queue.pop() {
                    self.0.limit().give_back(1);
                    drop(value);
                }
            }
        }
        impl<T, L: Limit> Drop for Drain<'_, T, L> {
            fn drop(&mut self) {
                self.drain();
            }
        }
        let mut panics = FirstPanic::default();
        panics.catch(|| self.close());
        // The task may be kept alive by its waker alone.
        panics.catch(|| drop(self.queue.extra().rx_waker.take()));
        Drain(self).drain();
        panics.resume();
    }
}

impl<T, L: fmt::Debug> fmt::Debug for Tx<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug("Tx", self.queue.position(), self.queue.extra(), f)
    }
}

impl<T, L: Limit> fmt::Debug for Rx<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug("Rx", self.queue.position(), self.queue.extra(), f)
    }
}

/// Tokio's text, which programs may have logged, whatever the fields are called here.
fn debug<L: fmt::Debug>(
    name: &str,
    position: (*const (), u64),
    shared: &Shared<L>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    struct Tail((*const (), u64));
    impl fmt::Debug for Tail {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Tx")
                .field("block_tail", &self.0.0)
                .field("tail_position", &self.0.1)
                .finish()
        }
    }
    struct Inner<'a, L>((*const (), u64), &'a Shared<L>);
    impl<L: fmt::Debug> fmt::Debug for Inner<'_, L> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Chan")
                .field("tx", &Tail(self.0))
                .field("semaphore", &self.1.limit.0)
                .field("rx_waker", &self.1.rx_waker)
                .field("tx_count", &self.1.strong_count())
                .field("rx_fields", &"...")
                .finish()
        }
    }
    f.debug_struct(name)
        .field("inner", &Inner(position, shared))
        .finish()
}
