//! A worker's own run queue: a fixed ring that siblings may steal from, and the LIFO place before
//! it.
//!
//! # The machine
//!
//! ```text
//!   cells    [ . . . a b c d . . . ]      AtomicPtr each; index = position & mask
//!                    ^head   ^tail        positions only grow
//!   lifo     [ e ]                        the task that was woken last
//! ```
//!
//! * The *owner* (the one thread that holds [`Local`]) writes at `tail` and is the only one to move
//!   it.
//! * Everybody takes at `head`, with one compare-exchange that moves it over all that is taken.
//! * A thief reads the pointers **before** it moves `head`. If the exchange succeeds, nobody had
//!   taken any of them, so the owner cannot have reused their cells; if it fails, what was read is
//!   forgotten. There is no state "steal in progress", and the owner never waits for a thief.
//!
//! # Memory ordering
//!
//! The promise: each task pushed comes out exactly once, with everything written before the push
//! visible to whoever takes it. Three pairs keep it.
//!
//! * P1 `tail` Release in `push_back` / Acquire in `steal_into`: a thief that sees the position
//!   sees the pointer in its cell and what the pointer leads to.
//! * P2 `head` Release in the thief's exchange / Acquire in `push_back`: the owner writes a cell
//!   again only after the thief's reads of it. No model checks this one: without it a thief could
//!   read what the owner writes later, and loom never lets a load see a store that comes after it.
//!   Nor does x86.
//! * P3 `lifo` Release in `swap_lifo` / Acquire in `steal_lifo`: as P1 for the single place.
//!
//! `head` is a `usize` that is never reduced, so an exchange cannot succeed on a value that came
//! round again: at one task per nanosecond that takes five centuries.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::loom::sync::Arc;
use crate::loom::sync::atomic::{
    AtomicPtr, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use crate::runtime::task::Notified;

/// What can travel through a cell of the queue: something that is one owning pointer.
///
/// # Safety
///
/// * `from_ptr(into_ptr(x))` is `x`.
/// * It may be turned back on another thread, hence `Send`.
pub(super) unsafe trait Pointer: Send {
    fn into_ptr(self) -> NonNull<()>;

    /// # Safety
    ///
    /// `ptr` came from `into_ptr` of the same type and was not turned back before.
    unsafe fn from_ptr(ptr: NonNull<()>) -> Self;
}

/// What both sides share. Aligned so that two workers' queues never share a cache line.
#[repr(align(128))]
struct Queue<T: Pointer> {
    head: AtomicUsize,
    tail: AtomicUsize,
    lifo: AtomicPtr<()>,
    cells: Box<[AtomicPtr<()>]>,
    _tasks: PhantomData<fn(T) -> T>,
}

/// The owner's side. `Send` but not `Sync`: wherever a `&Local` is, it is on the owner's thread.
pub(super) struct Local<T: Pointer> {
    queue: Arc<Queue<T>>,
    _not_sync: PhantomData<Cell<()>>,
}

/// The siblings' side.
pub(super) struct Thief<T: Pointer> {
    queue: Arc<Queue<T>>,
}

/// A queue for `capacity` tasks (rounded up to a power of two, at least 2) beside the LIFO place.
pub(super) fn new<T: Pointer>(capacity: usize) -> (Local<T>, Thief<T>) {
    let capacity = capacity.max(2).next_power_of_two();
    let queue = Arc::new(Queue {
        head: AtomicUsize::new(0),
        tail: AtomicUsize::new(0),
        lifo: AtomicPtr::new(ptr::null_mut()),
        cells: (0..capacity)
            .map(|_| AtomicPtr::new(ptr::null_mut()))
            .collect(),
        _tasks: PhantomData,
    });
    let thief = Thief {
        queue: queue.clone(),
    };
    let local = Local {
        queue,
        _not_sync: PhantomData,
    };
    (local, thief)
}

impl<T: Pointer> Queue<T> {
    fn cell(&self, position: usize) -> &AtomicPtr<()> {
        &self.cells[position & (self.cells.len() - 1)]
    }
}

/// # Safety
///
/// `ptr` is null or came out of a cell of a `Queue<T>` by the one operation that took it.
unsafe fn taken<T: Pointer>(ptr: *mut ()) -> Option<T> {
    // SAFETY: non-null pointers in cells come from `into_ptr`; the caller took it, so nobody else
    // turns it back.
    NonNull::new(ptr).map(|ptr| unsafe { T::from_ptr(ptr) })
}

impl<T: Pointer> Local<T> {
    /// Appends `task`. If there is no room, the older half of the queue comes back, oldest first,
    /// for the caller to put where everybody finds it.
    #[must_use = "the tasks that had to leave must go somewhere"]
    pub(super) fn push_back(&self, task: T) -> Option<Vec<T>> {
        let queue = &*self.queue;
        // Relaxed: only this thread writes `tail`.
        let tail = queue.tail.load(Relaxed);
        let capacity = queue.cells.len();
        // Acquire: P2.
        let head = queue.head.load(Acquire);
        debug_assert!(tail.wrapping_sub(head) <= capacity);
        let leaving = if tail.wrapping_sub(head) == capacity {
            self.take_older_half(head)
        } else {
            None
        };
        // There is room now: either we made it, or a thief did since.
        queue.cell(tail).store(task.into_ptr().as_ptr(), Relaxed);
        // Release: P1.
        queue.tail.store(tail.wrapping_add(1), Release);
        leaving
    }

    /// Takes half of a full queue. `None` if a thief made room first.
    fn take_older_half(&self, head: usize) -> Option<Vec<T>> {
        let queue = &*self.queue;
        let half = queue.cells.len() / 2;
        // Acquire on failure: P2, for the cells that the thief freed. Relaxed would do on success
        // (this thread wrote the cells), but a thief that sees this head must also see the tail
        // that covered it: Release, with the Acquire in `steal_into`.
        queue
            .head
            .compare_exchange(head, head.wrapping_add(half), Release, Acquire)
            .ok()?;
        let tasks = (head..head.wrapping_add(half))
            .map(|position| {
                let ptr = queue.cell(position).load(Relaxed);
                // SAFETY: the exchange took exactly these positions.
                unsafe { taken(ptr) }.expect("a cell between head and tail holds a task")
            })
            .collect();
        Some(tasks)
    }

    /// Takes the oldest task.
    pub(super) fn pop(&self) -> Option<T> {
        let queue = &*self.queue;
        // Relaxed: only this thread writes `tail`.
        let tail = queue.tail.load(Relaxed);
        // Relaxed: this thread wrote the cell itself; the exchange decides whether it is still
        // ours.
        let mut head = queue.head.load(Relaxed);
        while head != tail {
            let ptr = queue.cell(head).load(Relaxed);
            // Release: with the Acquire of `head` in `steal_into`, which must not see a head beyond
            // the tail it sees.
            match queue
                .head
                .compare_exchange_weak(head, head.wrapping_add(1), Release, Relaxed)
            {
                // SAFETY: the exchange took exactly this position.
                Ok(_) => return unsafe { taken(ptr) },
                Err(now) => head = now,
            }
        }
        None
    }

    /// Puts `task` in the LIFO place and returns the one that was there.
    #[must_use = "the task that was displaced must go somewhere"]
    pub(super) fn swap_lifo(&self, task: T) -> Option<T> {
        // Release: P3. What comes back was put there by this very thread.
        let before = self.queue.lifo.swap(task.into_ptr().as_ptr(), Release);
        // SAFETY: the swap took it.
        unsafe { taken(before) }
    }

    pub(super) fn pop_lifo(&self) -> Option<T> {
        // Relaxed: only this thread fills the place; a thief can only have emptied it.
        if self.queue.lifo.load(Relaxed).is_null() {
            return None;
        }
        let ptr = self.queue.lifo.swap(ptr::null_mut(), Relaxed);
        // SAFETY: the swap took it.
        unsafe { taken(ptr) }
    }

    /// Tasks in the ring, without the LIFO place. Thieves can only reduce it.
    pub(super) fn len(&self) -> usize {
        let tail = self.queue.tail.load(Relaxed);
        tail.wrapping_sub(self.queue.head.load(Relaxed))
    }

    pub(super) fn has_lifo(&self) -> bool {
        !self.queue.lifo.load(Relaxed).is_null()
    }

    fn room(&self) -> usize {
        // Acquire: P2, the caller is going to write these cells.
        let head = self.queue.head.load(Acquire);
        let used = self.queue.tail.load(Relaxed).wrapping_sub(head);
        self.queue.cells.len() - used
    }
}

impl<T: Pointer> Thief<T> {
    /// Takes half of the tasks, rounded up, from the old end: returns the oldest and appends the
    /// others to `into`.
    pub(super) fn steal_into(&self, into: &Local<T>) -> Option<T> {
        let from = &*self.queue;
        assert!(!std::ptr::eq(from, &*into.queue), "stealing from oneself");
        let room = into.room();
        let into_tail = into.queue.tail.load(Relaxed);
        loop {
            // Acquire: with the Releases that move `head`, so that `tail` is not older than it.
            let head = from.head.load(Acquire);
            // Acquire: P1.
            let tail = from.tail.load(Acquire);
            let there = tail.wrapping_sub(head);
            if there == 0 {
                return None;
            }
            if there > from.cells.len() {
                // `head` moved on between the two loads.
                continue;
            }
            let wanted = (there - there / 2).min(room + 1);
            // Read before the exchange; see the module's text. Relaxed: P1 covers the contents.
            let first = from.cell(head).load(Relaxed);
            for i in 1..wanted {
                let ptr = from.cell(head.wrapping_add(i)).load(Relaxed);
                // Beyond our own tail, so nobody takes it before it is published below.
                into.queue
                    .cell(into_tail.wrapping_add(i - 1))
                    .store(ptr, Relaxed);
            }
            // Release: P2. Relaxed on failure: all is read anew.
            let moved =
                from.head
                    .compare_exchange(head, head.wrapping_add(wanted), Release, Relaxed);
            if moved.is_ok() {
                if wanted > 1 {
                    // Release: P1 for those that steal from the thief.
                    into.queue
                        .tail
                        .store(into_tail.wrapping_add(wanted - 1), Release);
                }
                // SAFETY: the exchange took these positions; `first` was not put into `into`.
                return unsafe { taken(first) };
            }
        }
    }

    /// Takes the task in the LIFO place. Only for a worker that does not come to it itself:
    /// normally a task there is about to run where its data is warm.
    pub(super) fn steal_lifo(&self) -> Option<T> {
        if !self.has_lifo() {
            return None;
        }
        // Acquire: P3.
        let ptr = self.queue.lifo.swap(ptr::null_mut(), Acquire);
        // SAFETY: the swap took it.
        unsafe { taken(ptr) }
    }

    /// Tasks that have left the ring so far, wraps.
    pub(super) fn taken(&self) -> usize {
        self.queue.head.load(Relaxed)
    }

    /// Tasks in the ring, at some moment between call and return.
    pub(super) fn len(&self) -> usize {
        let head = self.queue.head.load(Acquire);
        let there = self.queue.tail.load(Acquire).wrapping_sub(head);
        if there > self.queue.cells.len() {
            1
        } else {
            there
        }
    }

    pub(super) fn has_lifo(&self) -> bool {
        !self.queue.lifo.load(Relaxed).is_null()
    }
}

impl<T: Pointer> Drop for Queue<T> {
    fn drop(&mut self) {
        // Both handles are gone: plain reads through `&mut`.
        let (head, tail) = (self.head.load(Relaxed), self.tail.load(Relaxed));
        let mut position = head;
        while position != tail {
            let ptr = self.cell(position).load(Relaxed);
            // SAFETY: positions between head and tail were not taken.
            drop(unsafe { taken::<T>(ptr) });
            position = position.wrapping_add(1);
        }
        // SAFETY: nobody took it.
        drop(unsafe { taken::<T>(self.lifo.load(Relaxed)) });
    }
}

// SAFETY: `Notified` documents both as each other's inverse, and a task may be run by any worker.
unsafe impl<S: 'static> Pointer for Notified<S> {
    fn into_ptr(self) -> NonNull<()> {
        self.into_ptr()
    }

    unsafe fn from_ptr(ptr: NonNull<()>) -> Self {
        // SAFETY: passed on.
        unsafe { Self::from_ptr(ptr) }
    }
}

#[cfg(test)]
mod tests;
