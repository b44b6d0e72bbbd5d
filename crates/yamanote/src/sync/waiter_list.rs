//! Waiters in the order in which they came: a list through the futures that wait, for whatever lock
//! guards it.
//!
//! # Stages of a waiter
//!
//! ```text
//!             push                    take_first, take_last
//!   Idle ──────────────▶ Queued ─────────────────────────────▶ Notified
//!     ▲      remove       │  ▲               push                │   │
//!     ├───────────────────┘  └───────────────────────────────────┘   │
//!     └──────────────────────────────────────────────────────────────┘ set_stage
//! ```
//!
//! 1. While it is Queued, its links and its entry (waker and value) belong to whoever holds the
//!    lock of the list, which is what `&mut WaiterList` stands for; otherwise to its owner, the
//!    future around it.
//! 2. It enters and leaves Queued only with the lock held. When it leaves, the store of the new
//!    stage is the last touch: the owner that reads it may free the waiter.

use std::ptr::NonNull;
use std::task::Waker;

use crate::loom::cell::UnsafeCell;
use crate::loom::sync::atomic::{AtomicU8, Ordering};
use crate::util::linked_list::{Links, List, Node};

/// What a waiter is taken from the list with; its meaning is the user's.
pub(super) type Message = u8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not waiting.
    Idle,
    /// In the list.
    Queued,
    /// Taken from the list.
    Notified(Message),
}

impl Stage {
    fn to_bits(self) -> u8 {
        match self {
            Stage::Idle => 0,
            Stage::Queued => 1,
            Stage::Notified(message) => 2 + message,
        }
    }

    fn from_bits(bits: u8) -> Stage {
        match bits {
            0 => Stage::Idle,
            1 => Stage::Queued,
            notified => Stage::Notified(notified - 2),
        }
    }
}

/// The part of a future that can stand in a list.
pub(super) struct Waiter<T> {
    stage: AtomicU8,
    links: Links<Waiter<T>>,
    entry: UnsafeCell<Entry<T>>,
}

struct Entry<T> {
    waker: Option<Waker>,
    value: T,
}

// SAFETY: links and entry are touched by whoever rule 1 names, on any thread. The rest is atomic.
unsafe impl<T: Send> Send for Waiter<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Waiter<T> {}

// SAFETY: a field.
unsafe impl<T> Node for Waiter<T> {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

impl<T> Waiter<T> {
    pub(super) fn new(value: T) -> Self {
        Waiter {
            stage: AtomicU8::new(Stage::Idle.to_bits()),
            links: Links::new(),
            entry: UnsafeCell::new(Entry { waker: None, value }),
        }
    }

    /// Unless the lock is held, a queued waiter may be notified at any moment: ask once.
    pub(super) fn stage(&self) -> Stage {
        // Pairs with the Release in `take`: the entry comes back to the owner, who sees what was
        // done before it was notified.
        Stage::from_bits(self.stage.load(Ordering::Acquire))
    }

    /// By the owner, out of the list.
    pub(super) fn set_stage(&self, stage: Stage) {
        debug_assert!(self.stage() != Stage::Queued && stage != Stage::Queued);
        self.stage.store(stage.to_bits(), Ordering::Relaxed); // read by the owner only
    }

    /// Calls `f` with what was pushed, or what the list has made of it.
    ///
    /// # Safety
    ///
    /// - The value is the caller's by rule 1.
    pub(super) unsafe fn with_value<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        // SAFETY: nobody else touches it.
        self.entry.with(|entry| f(unsafe { &(*entry).value }))
    }
}

/// To loom the end of the memory is no access; this makes it one.
#[cfg(all(test, loom))]
impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        self.entry.with_mut(|_| ());
    }
}

/// Oldest first.
pub(super) struct WaiterList<T> {
    list: List<Waiter<T>>,
}

impl<T> WaiterList<T> {
    pub(super) const fn new() -> Self {
        WaiterList { list: List::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The value of the first.
    pub(super) fn first(&mut self) -> Option<&mut T> {
        let first = self.list.first()?;
        // SAFETY: in the list, so it is alive and its entry the list's (rule 1), which is
        // borrowed alone.
        Some(unsafe { first.as_ref().entry.with_mut(|entry| &mut (*entry).value) })
    }

    /// Notifies the first. The waker is for the caller to wake, the lock released.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use = "the waker is not woken yet"]
    pub(super) fn take_first(&mut self, message: Message) -> Option<Waker> {
        let first = self.list.first().expect("somebody waits");
        // SAFETY: in this list.
        unsafe { self.take(first, Stage::Notified(message)) }
    }

    /// As [`take_first`](Self::take_first), the last.
    #[must_use = "the waker is not woken yet"]
    pub(super) fn take_last(&mut self, message: Message) -> Option<Waker> {
        let last = self.list.last().expect("somebody waits");
        // SAFETY: in this list.
        unsafe { self.take(last, Stage::Notified(message)) }
    }

    /// # Safety
    ///
    /// - The caller is the owner of `waiter`, which is not queued.
    /// - While it is queued the waiter stays where it is, and is given to no list but this one and
    ///   others behind the same lock.
    pub(super) unsafe fn push(&mut self, waiter: &Waiter<T>, waker: Option<Waker>, value: T) {
        // SAFETY: the entry still belongs to the owner, the caller (rule 1).
        waiter
            .entry
            .with_mut(|entry| unsafe { *entry = Entry { waker, value } });
        // SAFETY: the caller's promise.
        unsafe { self.list.push_back(NonNull::from(waiter)) };
        // Relaxed: read by the owner, and by others with the lock held.
        let queued = Stage::Queued.to_bits();
        waiter.stage.store(queued, Ordering::Relaxed);
    }

    /// The owner gives up. The waker comes back, to be dropped when the lock is released.
    ///
    /// # Safety
    ///
    /// - `waiter` is in this list.
    pub(super) unsafe fn remove(&mut self, waiter: &Waiter<T>) -> Option<Waker> {
        // SAFETY: the caller's promise.
        unsafe { self.take(NonNull::from(waiter), Stage::Idle) }
    }

    /// The waker of a waiter.
    ///
    /// # Safety
    ///
    /// - `waiter` is in this list, or in another behind the same lock.
    pub(super) unsafe fn waker<'a>(&'a mut self, waiter: &'a Waiter<T>) -> &'a mut Option<Waker> {
        // SAFETY: the entry is the lock's (rule 1), which is held.
        waiter
            .entry
            .with_mut(|entry| unsafe { &mut (*entry).waker })
    }

    /// Moves all of `other` to the end of this list.
    ///
    /// # Safety
    ///
    /// - `other` is behind the same lock.
    pub(super) unsafe fn append(&mut self, other: &mut WaiterList<T>) {
        // SAFETY: the caller's promise.
        unsafe { self.list.append(&mut other.list) }
    }

    /// Takes a waiter out, and its waker from it.
    ///
    /// # Safety
    ///
    /// - `waiter` is in this list.
    unsafe fn take(&mut self, waiter: NonNull<Waiter<T>>, stage: Stage) -> Option<Waker> {
        // SAFETY: in the list, so it is alive until its stage says otherwise, which is the last
        // touch, and its entry is the list's (rules 1 and 2).
        unsafe {
            let was_in_list = self.list.remove(waiter);
            assert!(was_in_list, "a queued waiter stands in the list");
            let waiter = waiter.as_ref();
            let waker = waiter.entry.with_mut(|entry| (*entry).waker.take());
            // Pairs with the Acquire in `stage`.
            waiter.stage.store(stage.to_bits(), Ordering::Release);
            waker
        }
    }
}
