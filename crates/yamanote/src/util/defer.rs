//! Wakers that are to be woken after the driver's next turn: a task that yields lets those go first
//! that are ready, and those that the driver is about to wake.
//!
//! A current-thread scheduler collects them while it drives its thread ([`Collecting`]). Elsewhere
//! nobody does, and a waker is woken at once.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::first_panic::FirstPanic;
use super::room::Room;

struct Deferred {
    is_collecting: Cell<bool>,
    /// Needs no drop, so that nothing is asked before a look at it: where nobody collects it is
    /// empty and has no room.
    wakers: RefCell<ManuallyDrop<Vec<Waker>>>,
    /// Some task has spent its budget since the scheduler last asked.
    spent: Cell<bool>,
}

thread_local! {
    static DEFERRED: Deferred = const {
        Deferred {
            is_collecting: Cell::new(false),
            wakers: RefCell::new(ManuallyDrop::new(Vec::new())),
            spent: Cell::new(false),
        }
    };
}

/// Has `waker` woken after the driver's next turn. Several calls in a row for the same task count
/// as one.
pub(crate) fn wake_later(waker: &Waker) {
    DEFERRED.with(|deferred| {
        if !deferred.is_collecting.get() {
            return waker.wake_by_ref();
        }
        let is_last = |wakers: &Vec<Waker>| wakers.last().is_some_and(|w| w.will_wake(waker));
        if !is_last(&deferred.wakers.borrow()) {
            // Cloned before the list is borrowed: it may be foreign code.
            let waker = waker.clone();
            deferred.wakers.borrow_mut().push(waker);
        }
    });
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
    DEFERRED.with(|deferred| deferred.spent.set(true));
    wake_later(waker);
}

/// Wakers are collected from [`Collecting::begin`] on, until [`Collecting::end`].
pub(crate) struct Collecting {
    /// What was there before, until the end.
    outer: Option<Outer>,
}

/// An outer scheduler of the thread, if there is one.
struct Outer {
    is_collecting: bool,
    wakers: Vec<Waker>,
}

impl Collecting {
    /// Collects in the room of an empty list.
    pub(crate) fn begin(room: Vec<Waker>) -> Collecting {
        let outer = DEFERRED.with(|deferred| Outer {
            is_collecting: deferred.is_collecting.replace(true),
            wakers: mem::replace(&mut **deferred.wakers.borrow_mut(), room),
        });
        Collecting { outer: Some(outer) }
    }

    /// Wakes what is left, because nobody else would. Returns the room.
    pub(crate) fn end(mut self) -> Vec<Waker> {
        self.leave()
    }

    fn leave(&mut self) -> Vec<Waker> {
        let Some(outer) = self.outer.take() else {
            return Vec::new();
        };
        let mut panics = FirstPanic::default();
        while let Some(waker) = pop() {
            panics.catch(|| waker.wake());
        }
        let mut room = DEFERRED.with(|deferred| {
            deferred.is_collecting.set(outer.is_collecting);
            mem::replace(&mut **deferred.wakers.borrow_mut(), outer.wakers)
        });
        panics.resume();
        room.free_excess();
        room
    }

    pub(crate) fn is_empty(&self) -> bool {
        DEFERRED.with(|deferred| deferred.wakers.borrow().is_empty())
    }

    /// Wakes all, the last one first.
    pub(crate) fn wake_all(&self) {
        while let Some(waker) = pop() {
            waker.wake();
        }
    }

    /// Whether a task has spent its budget since the last call.
    pub(crate) fn take_spent(&self) -> bool {
        DEFERRED.with(|deferred| deferred.spent.take())
    }

    /// Gives up the room that a burst has left.
    pub(crate) fn free_excess(&self) {
        DEFERRED.with(|deferred| deferred.wakers.borrow_mut().free_excess());
    }
}

/// Until the guard is dropped, wakers are woken at once, because the thread is about to wait for
/// one of them.
#[must_use]
pub(crate) fn suspend() -> Suspended {
    Suspended {
        was_collecting: DEFERRED.with(|deferred| deferred.is_collecting.replace(false)),
    }
}

/// As [`suspend`], and wakes what was collected.
pub(crate) fn wake_all_and_suspend() -> Suspended {
    let suspended = suspend();
    while let Some(waker) = pop() {
        waker.wake();
    }
    suspended
}

/// See [`suspend`].
pub(crate) struct Suspended {
    was_collecting: bool,
}

impl Drop for Suspended {
    fn drop(&mut self) {
        DEFERRED.with(|deferred| deferred.is_collecting.set(self.was_collecting));
    }
}

fn pop() -> Option<Waker> {
    DEFERRED.with(|deferred| deferred.wakers.borrow_mut().pop())
}

impl Drop for Collecting {
    fn drop(&mut self) {
        self.leave();
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

        let outer = Collecting::begin(Vec::new());
        // A clone: the first one of a waker may have another table of functions than the waker.
        let twice = waker('b').clone();
        wake_later(&twice);
        wake_later(&twice);
        wake_later_spent(&waker('c'));
        {
            let inner = Collecting::begin(Vec::new());
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
        assert!(outer.end().capacity() > 0, "the next has its room");
        wake_later(&waker('e'));
        assert_eq!(said(), "e");
    }
}
