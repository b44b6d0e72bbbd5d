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

impl Deferred {
    fn has_no_room(&self) -> bool {
        self.wakers.borrow().capacity() == 0
    }
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
    is_over: bool,
    /// Whether an outer scheduler of the thread collects, at the moment.
    was_collecting: bool,
    outer: Option<Box<Outer>>,
}

/// The list of an outer scheduler that has room. Apart, so that what is moved about in each
/// `block_on` is small: moving three words in and out was a fifth of an empty one.
struct Outer {
    wakers: Vec<Waker>,
}

impl Collecting {
    /// Collects in the room of an empty list.
    #[inline]
    pub(crate) fn begin(room: &mut Vec<Waker>) -> Collecting {
        DEFERRED.with(|deferred| {
            let mut wakers = deferred.wakers.borrow_mut();
            let outer = (wakers.capacity() > 0).then(|| {
                let wakers = mem::take(&mut **wakers);
                Box::new(Outer { wakers })
            });
            if room.capacity() > 0 {
                mem::swap(&mut **wakers, room);
            }
            Collecting {
                is_over: false,
                was_collecting: deferred.is_collecting.replace(true),
                outer,
            }
        })
    }

    /// Wakes what is left, because nobody else would. Gives the room back. Does nothing the second
    /// time.
    pub(crate) fn end(&mut self, room: &mut Vec<Waker>) {
        if mem::replace(&mut self.is_over, true) {
            return;
        }
        let mut panics = FirstPanic::default();
        while let Some(waker) = pop() {
            panics.catch(|| waker.wake());
        }
        DEFERRED.with(|deferred| {
            deferred.is_collecting.set(self.was_collecting);
            let mut wakers = deferred.wakers.borrow_mut();
            if wakers.capacity() > 0 {
                wakers.free_excess();
                *room = mem::take(&mut **wakers);
            }
            if let Some(outer) = self.outer.take() {
                **wakers = outer.wakers;
            }
        });
        panics.resume();
    }

    /// As [`end`](Self::end) if there is neither a waker nor room, as in each short `block_on`;
    /// otherwise false, and nothing is changed.
    #[inline]
    #[must_use]
    pub(crate) fn end_if_bare(&mut self) -> bool {
        let is_bare = self.outer.is_none() && DEFERRED.with(Deferred::has_no_room);
        if is_bare && !self.is_over {
            DEFERRED.with(|deferred| deferred.is_collecting.set(self.was_collecting));
            self.is_over = true;
        }
        is_bare
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

#[inline]
fn pop() -> Option<Waker> {
    DEFERRED.with(|deferred| deferred.wakers.borrow_mut().pop())
}

impl Drop for Collecting {
    #[inline]
    fn drop(&mut self) {
        if !self.is_over {
            self.end(&mut Vec::new());
        }
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

        let mut outer = Collecting::begin(&mut Vec::new());
        // A clone: the first one of a waker may have another table of functions than the waker.
        let twice = waker('b').clone();
        wake_later(&twice);
        wake_later(&twice);
        wake_later_spent(&waker('c'));
        {
            let inner = Collecting::begin(&mut Vec::with_capacity(1));
            assert!(inner.is_empty());
            wake_later(&twice);
            wake_later(&waker('d'));
            drop(inner);
        }
        assert_eq!(said(), "db", "not lost when its scheduler leaves");
        assert!(!outer.is_empty() && outer.take_spent() && !outer.take_spent());
        {
            let _suspended = suspend();
            wake_later(&waker('f'));
            assert_eq!(said(), "f");
            // A runtime that ends on a thread that waits.
            drop(Collecting::begin(&mut Vec::new()));
            assert!(!outer.is_empty() && !outer.end_if_bare());
        }
        outer.wake_all();
        assert_eq!(said(), "cb");
        let mut room = Vec::new();
        outer.end(&mut room);
        assert!(room.capacity() > 0, "the next has its room");
        wake_later(&waker('e'));
        assert_eq!(said(), "e");
        let mut bare = Collecting::begin(&mut Vec::new());
        assert!(bare.end_if_bare() && bare.end_if_bare());
        wake_later(&waker('g'));
        assert_eq!(said(), "g");
    }
}
