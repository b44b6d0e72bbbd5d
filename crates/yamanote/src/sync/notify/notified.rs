//! The futures of `Notify`.
#![forbid(unsafe_code)]

use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

use super::{LAST, Notify, ONE, calls_in};
use crate::loom::sync::atomic::Ordering::Acquire;
use crate::sync::waiter_list::Stage;
use crate::sync::waiters::{Carrier, Queue, Wait};
use crate::util::trace::trace_leaf;

pin_project! {
    /// Waits for a notification; made by [`Notify::notified`].
    ///
    /// Once ready it stays ready, whatever is notified later.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[derive(Debug)]
    pub struct Notified<'a> {
        #[pin]
        waiting: Waiting<&'a Notify>,
    }
}

impl<'a> Notified<'a> {
    pub(super) fn new(notify: &'a Notify) -> Self {
        Notified {
            waiting: Waiting::new(notify),
        }
    }
}

pin_project! {
    /// Waits for a notification and keeps the `Notify` alive; made by [`Notify::notified_owned`].
    ///
    /// Once ready it stays ready, whatever is notified later.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[derive(Debug)]
    pub struct OwnedNotified {
        #[pin]
        waiting: Waiting<Arc<Notify>>,
    }
}

impl OwnedNotified {
    pub(super) fn new(notify: Arc<Notify>) -> Self {
        OwnedNotified {
            waiting: Waiting::new(notify),
        }
    }
}

impl Notified<'_> {
    /// Puts the future in the queue without polling it, and returns whether it is ready.
    ///
    /// From then on [`notify_one`](Notify::notify_one) can reach it. If it is ready it has taken
    /// the permit, and stays ready. A task that looks at shared state between this and the first
    /// poll misses nothing, even with several tasks waiting:
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    /// use yamanote::sync::Notify;
    ///
    /// async fn take_one(left: &AtomicU32, added: &Notify) {
    ///     let mut notified = pin!(added.notified());
    ///     loop {
    ///         notified.as_mut().enable();
    ///         if left.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok() {
    ///             return;
    ///         }
    ///         notified.as_mut().await;
    ///         notified.set(added.notified());
    ///     }
    /// }
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let (left, added) = (AtomicU32::new(0), Notify::new());
    /// # yamanote::join!(take_one(&left, &added), take_one(&left, &added), async {
    /// #     for _ in 0..2 { left.fetch_add(1, SeqCst); added.notify_one(); }
    /// # });
    /// # }
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.project().waiting.poll(None).is_ready()
    }
}

impl OwnedNotified {
    /// Puts the future in the queue without polling it, and returns whether it is ready; see
    /// [`Notified::enable`].
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.project().waiting.poll(None).is_ready()
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(trace_leaf(cx));
        self.project().waiting.poll(Some(cx.waker()))
    }
}

impl Future for OwnedNotified {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(trace_leaf(cx));
        self.project().waiting.poll(Some(cx.waker()))
    }
}

pin_project! {
    /// What both futures have inside.
    struct Waiting<C>
    where
        C: Carrier,
        C: Deref<Target = Notify>,
    {
        #[pin]
        wait: Wait<C>,
        // At creation.
        calls: usize,
        done: bool,
    }

    impl<C> PinnedDrop for Waiting<C>
    where
        C: Carrier,
        C: Deref<Target = Notify>,
    {
        fn drop(this: Pin<&mut Self>) {
            this.give_up();
        }
    }
}

impl<C> Waiting<C>
where
    C: Carrier,
    C: Deref<Target = Notify>,
{
    fn new(notify: C) -> Self {
        // Acquire: what was done before an earlier call is seen; pairs with the Release in
        // `Notify::notify_waiters`.
        let calls = calls_in(notify.word.load(Acquire));
        Waiting {
            wait: Wait::new(notify),
            calls,
            done: false,
        }
    }

    /// Without a waker the future stands in the queue and nobody is woken.
    fn poll(self: Pin<&mut Self>, waker: Option<&Waker>) -> Poll<()> {
        let this = self.project();
        if !*this.done {
            *this.done = Self::wait(this.wait.into_ref(), *this.calls, waker).is_ready();
        }
        match *this.done {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    fn wait(wait: Pin<&Wait<C>>, calls: usize, waker: Option<&Waker>) -> Poll<()> {
        let notify = wait.get_ref().owner();
        // Cloning and dropping wakers is foreign code, so it is done without the lock: the clone
        // before, and what the two hold when this returns after the guard.
        let (mut clone, mut old) = (None, None);
        match wait.stage() {
            Stage::Notified(_) => return Poll::Ready(()),
            Stage::Idle if notify.arrive(calls, false) => return Poll::Ready(()),
            Stage::Idle => clone = waker.cloned(),
            Stage::Queued => {}
        }
        loop {
            let mut guard = notify.waiters.lock();
            if let Stage::Notified(_) = wait.stage() {
                return Poll::Ready(());
            }
            if notify.arrive(calls, true) {
                // If it stood in the list, it was one of those that `notify_waiters` is notifying.
                wait.leave(&mut guard, &mut old);
                return Poll::Ready(());
            }
            match wait.queue(&mut guard, waker, &mut clone) {
                Queue::Stands => return Poll::Pending,
                Queue::WantsWaker => {
                    notify.someone_left(&guard);
                    drop(guard);
                    clone = waker.cloned();
                }
            }
        }
    }

    fn give_up(self: Pin<&mut Self>) {
        let this = self.project();
        if *this.done {
            return;
        }
        let wait = this.wait.into_ref();
        let notify = wait.get_ref().owner();
        let unused = match wait.stage() {
            Stage::Idle => None,
            Stage::Notified(message) => Some(message),
            Stage::Queued => {
                let mut waker = None;
                let mut guard = notify.waiters.lock();
                // It may have been notified just before.
                let message = wait.leave(&mut guard, &mut waker);
                notify.someone_left(&guard);
                drop(guard);
                drop(waker);
                message
            }
        };
        if let Some(message @ (ONE | LAST)) = unused {
            notify.notify(message);
        }
    }
}

impl<C> fmt::Debug for Waiting<C>
where
    C: Carrier,
    C: Deref<Target = Notify>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("notify", self.wait.owner())
            .field("stage", &self.wait.stage())
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
