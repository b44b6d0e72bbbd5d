//! The future behind `Receiver::recv`: reads, or stands in the list until there is something to
//! read.
#![forbid(unsafe_code)]

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::error::{RecvError, TryRecvError};
use super::shared::Shared;
use crate::sync::waiter_list::Stage;
use crate::sync::waiters::{Queue, Wait};

pin_project! {
    pub(super) struct Recv<'a, T> {
        #[pin]
        wait: Wait<&'a Shared<T>>,
        next: &'a mut u64,
    }
}

impl<'a, T> Recv<'a, T> {
    pub(super) fn new(shared: &'a Shared<T>, next: &'a mut u64) -> Self {
        Recv {
            wait: Wait::new(shared),
            next,
        }
    }
}

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let wait = this.wait.into_ref();
        loop {
            match wait.get_ref().owner().read(this.next) {
                Ok(reading) => return Poll::Ready(Ok(reading.into_clone())),
                Err(TryRecvError::Lagged(missed)) => {
                    return Poll::Ready(Err(RecvError::Lagged(missed)));
                }
                Err(TryRecvError::Closed) => return Poll::Ready(Err(RecvError::Closed)),
                Err(TryRecvError::Empty) => {}
            }
            if stands(wait, **this.next, cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

/// Stands in the list; `false` if there is something to read after all.
fn stands<T>(wait: Pin<&Wait<&Shared<T>>>, next: u64, waker: &Waker) -> bool {
    let shared = wait.get_ref().owner();
    // Cloning and dropping wakers is foreign code, so it is done without the lock: the clone
    // before, and what `clone` holds when this returns after the guard.
    let mut clone = None;
    if wait.stage() != Stage::Queued {
        clone = Some(waker.clone());
    }
    loop {
        let mut guard = shared.waiters.lock();
        let tail = shared.tail();
        if tail.next() != next || tail.is_closed() {
            return false;
        }
        match wait.queue(&mut guard, Some(waker), &mut clone) {
            Queue::Stands => return true,
            Queue::WantsWaker => {
                drop(guard);
                clone = Some(waker.clone());
            }
        }
    }
}
