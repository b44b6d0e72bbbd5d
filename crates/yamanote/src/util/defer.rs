//! Wakers that are to be woken after the driver's next turn: a task that yields lets those go first
//! that are ready, and those that the driver is about to wake.
//!
//! A current-thread scheduler collects them while it drives its thread ([`Collecting`]). Elsewhere
//! nobody does, and a waker is woken at once.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::first_panic::FirstPanic;
use super::room::Room;

struct Deferred {
    is_collecting: Cell<bool>,
    wakers: RefCell<Vec<Waker>>,
    /// Some task has spent its budget since the scheduler last asked.
    spent: Cell<bool>,
}

thread_local! {
    static DEFERRED: Deferred = const {
        Deferred {
            is_collecting: Cell::new(false),
            wakers: RefCell::new(Vec::new()),
            spent: Cell::new(false),
        }
    };
}

/// Has `waker` woken after the driver's next turn. Several calls in a row for the same task count
/// as one.
pub(crate) fn wake_later(waker: &Waker) {
    let collected = DEFERRED.try_with(|deferred| {
        if !deferred.is_collecting.get() {
            return false;
        }
        let is_last = |wakers: &Vec<Waker>| wakers.last().is_some_and(|w| w.will_wake(waker));
        if !is_last(&deferred.wakers.borrow()) {
            // Cloned before the list is borrowed: it may be foreign code.
            let waker = waker.clone();
            deferred.wakers.borrow_mut().push(waker);
        }
        true
    });
    if !collected.unwrap_or(false) {
        waker.wake_by_ref();
    }
}

/// Pending once, and woken later.
pub(crate) fn yield_once() -> YieldOnce {
    YieldOnce { has_yielded: false }
}

pub(crate) struct YieldOnce {
    has_yielded: bool,
}

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if mem::replace(&mut self.has_yielded, true) {
            return Poll::Ready(());
        }
        wake_later(cx.waker());
        Poll::Pending
    }
}

/// As [`wake_later`], for a task that has spent its budget.
pub(crate) fn wake_later_spent(waker: &Waker) {
    let _ = DEFERRED.try_with(|deferred| deferred.spent.set(true));
    wake_later(waker);
}

/// Wakers are collected from [`Collecting::begin`] on, until this is dropped.
pub(crate) struct Collecting {
    /// What an outer scheduler of this thread had collected, if there is one.
    outer_wakers: Option<Vec<Waker>>,
}

impl Collecting {
    pub(crate) fn begin() -> Collecting {
        let outer_wakers = DEFERRED.try_with(|deferred| {
            let has_outer = deferred.is_collecting.replace(true);
            // Where nobody collects the list is empty; its room is kept.
            has_outer.then(|| deferred.wakers.take())
        });
        Collecting {
            outer_wakers: outer_wakers.unwrap_or_default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        DEFERRED
            .try_with(|deferred| deferred.wakers.borrow().is_empty())
            .unwrap_or(true)
    }

    /// Wakes all, the last one first.
    pub(crate) fn wake_all(&self) {
        while let Some(waker) = pop() {
            waker.wake();
        }
    }

    /// Whether a task has spent its budget since the last call.
    pub(crate) fn take_spent(&self) -> bool {
        DEFERRED
            .try_with(|deferred| deferred.spent.take())
            .unwrap_or(false)
    }

    /// Gives up the room that a burst has left.
    pub(crate) fn free_excess(&self) {
        let _ = DEFERRED.try_with(|deferred| deferred.wakers.borrow_mut().free_excess());
    }
}

/// Until the guard is dropped, wakers are woken at once, because the thread is about to wait for
/// one of them.
#[must_use]
pub(crate) fn suspend() -> Suspended {
    let was_collecting = DEFERRED.try_with(|deferred| deferred.is_collecting.replace(false));
    Suspended {
        was_collecting: was_collecting.unwrap_or(false),
    }
}

/// See [`suspend`].
pub(crate) struct Suspended {
    was_collecting: bool,
}

impl Drop for Suspended {
    fn drop(&mut self) {
        let _ = DEFERRED.try_with(|deferred| deferred.is_collecting.set(self.was_collecting));
    }
}

fn pop() -> Option<Waker> {
    DEFERRED
        .try_with(|deferred| deferred.wakers.borrow_mut().pop())
        .ok()
        .flatten()
}

impl Drop for Collecting {
    /// Wakes what is left: nobody else would.
    fn drop(&mut self) {
        let mut panics = FirstPanic::default();
        while let Some(waker) = pop() {
            panics.catch(|| waker.wake());
        }
        let _ = DEFERRED.try_with(|deferred| {
            deferred.is_collecting.set(self.outer_wakers.is_some());
            match self.outer_wakers.take() {
                Some(outer) => drop(deferred.wakers.replace(outer)),
                None => deferred.wakers.borrow_mut().free_excess(),
            }
        });
        panics.resume();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::mem;
    use std::sync::{Arc, Mutex};
    use std::task::Wake;

    struct Named(char, Arc<Mutex<String>>);

    impl Wake for Named {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[test]
    fn the_last_is_woken_first_and_the_lists_of_nested_schedulers_are_apart() {
        let log = Arc::new(Mutex::new(String::new()));
        let waker = |name| Waker::from(Arc::new(Named(name, log.clone())));
        let said = || mem::take(&mut *log.lock().unwrap());
        wake_later(&waker('a'));
        assert_eq!(said(), "a", "nobody collects");

        let outer = Collecting::begin();
        // A clone: the first one of a waker may have another table of functions than the waker.
        let twice = waker('b').clone();
        wake_later(&twice);
        wake_later(&twice);
        wake_later_spent(&waker('c'));
        {
            let inner = Collecting::begin();
            assert!(inner.is_empty());
            wake_later(&waker('d'));
        }
        assert_eq!(said(), "d", "not lost when its scheduler leaves");
        assert!(!outer.is_empty() && outer.take_spent() && !outer.take_spent());
        {
            let _suspended = suspend();
            wake_later(&waker('f'));
            assert_eq!(said(), "f");
        }
        outer.wake_all();
        assert_eq!(said(), "cb");
        drop(outer);
        wake_later(&waker('e'));
        assert_eq!(said(), "e");
    }
}
