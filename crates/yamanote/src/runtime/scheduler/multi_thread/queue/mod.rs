//! A worker's own run queue: a fixed ring that siblings may steal from, the LIFO place before it,
//! and behind it the rest of a line that is longer than the ring.
//!
//! # The machine
//!
//! ```text
//!   cells    [ . . . a b c d . . . ]      AtomicPtr each; index = position & mask
//!                    ^head   ^tail        positions only grow
//!   rest     [ e f g h i j k l ...        a locked queue; empty unless the ring was full
//!   lifo     [ m ]                        the task that was woken last
//! ```
//!
//! * The *owner* (the one thread that holds [`Local`]) writes at `tail` and is the only one to move
//!   it.
//! * Everybody takes at `head`, with one compare-exchange that moves it over all that is taken.
//! * A thief reads the pointers **before** it moves `head`. If the exchange succeeds, nobody had
//!   taken any of them, so the owner cannot have reused their cells; if it fails, what was read is
//!   forgotten. There is no state "steal in progress", and no waiting in the ring.
//! * Ring and rest are one line. While there is a rest, what is pushed goes behind it, and the
//!   owner refills an empty ring from its front. So a task runs after those that were runnable
//!   before it, however many there are. Thieves take from both, so nothing waits for an owner in a
//!   long poll. The rest has a lock, under which pointers are moved and memory is allocated, and
//!   nothing else; nobody holds two.
//!
//! # Memory ordering
//!
//! The promise: each task pushed comes out exactly once, with everything written before the push
//! visible to whoever takes it. Three pairs keep it.
//!
//! * P1 `tail` Release in `push_back` / Acquire in `claim`: a thief that sees the position
//!   sees the pointer in its cell and what the pointer leads to.
//! * P2 `head` Release in the exchange of `claim` / Acquire in `push_back` and `room`: the owner
//!   writes a cell again only after the thief's reads of it. No model checks this one: without it a
//!   thief could read what the owner writes later, and loom never lets a load see a store that
//!   comes after it. Nor does x86.
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
use crate::runtime::scheduler::inject::Inject;
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
    /// Filled by the owner only, and never closed.
    rest: Inject<T>,
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
        rest: Inject::new(),
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
    /// Appends `task`.
    pub(super) fn push_back(&self, task: T) {
        let queue = &*self.queue;
        // Relaxed: only this thread writes `tail`.
        let tail = queue.tail.load(Relaxed);
        // Acquire: P2.
        let head = queue.head.load(Acquire);
        debug_assert!(tail.wrapping_sub(head) <= queue.cells.len());
        if tail.wrapping_sub(head) == queue.cells.len() || !queue.rest.is_empty() {
            return self.push_to_rest(task);
        }
        queue.cell(tail).store(task.into_ptr().as_ptr(), Relaxed);
        // Release: P1.
        queue.tail.store(tail.wrapping_add(1), Release);
    }

    #[cold]
    fn push_to_rest(&self, task: T) {
        let refused = self.queue.rest.push(task);
        assert!(refused.is_ok(), "the rest of a line is never closed");
    }

    /// Takes the oldest task.
    pub(super) fn pop(&self) -> Option<T> {
        self.pop_from_ring().or_else(|| {
            if self.queue.rest.is_empty() {
                return None;
            }
            self.refill();
            self.pop_from_ring()
        })
    }

    /// Moves the front of the rest into the ring, which is empty.
    #[cold]
    fn refill(&self) {
        self.take_into_ring(&self.queue.rest, self.room());
    }

    /// Puts up to `most` tasks of `other`, oldest first, behind the line. Returns how many.
    pub(super) fn append(&self, other: &Inject<T>, most: usize) -> usize {
        debug_assert!(!ptr::eq(other, &self.queue.rest), "it is behind already");
        let mut into_ring = 0;
        if self.queue.rest.is_empty() {
            into_ring = self.take_into_ring(other, most.min(self.room()));
        }
        let left = most - into_ring;
        let mut tasks = Vec::with_capacity(left.min(other.len()));
        other.pop_batch(left, |task| tasks.push(task));
        let into_rest = tasks.len();
        if !tasks.is_empty() {
            let refused = self.queue.rest.push_batch(tasks);
            assert!(refused.is_ok(), "the rest of a line is never closed");
        }
        into_ring + into_rest
    }

    /// Moves up to `most` tasks into the ring, which has room for them. Returns how many.
    fn take_into_ring(&self, other: &Inject<T>, most: usize) -> usize {
        let queue = &*self.queue;
        // Relaxed: only this thread writes `tail`.
        let tail = queue.tail.load(Relaxed);
        let mut taken = 0;
        other.pop_batch(most, |task| {
            // Beyond the tail, so nobody looks there before it is published below.
            queue
                .cell(tail.wrapping_add(taken))
                .store(task.into_ptr().as_ptr(), Relaxed);
            taken += 1;
        });
        // Release: P1.
        queue.tail.store(tail.wrapping_add(taken), Release);
        taken
    }

    fn pop_from_ring(&self) -> Option<T> {
        let queue = &*self.queue;
        // Relaxed: only this thread writes `tail`.
        let tail = queue.tail.load(Relaxed);
        // Relaxed: this thread wrote the cell itself; the exchange decides whether it is still
        // ours.
        let mut head = queue.head.load(Relaxed);
        while head != tail {
            let ptr = queue.cell(head).load(Relaxed);
            // Release: with the Acquire of `head` in `claim`, which must not see a head beyond the
            // tail it sees.
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

    /// Tasks in line, without the LIFO place. Thieves can only make it less.
    pub(super) fn len(&self) -> usize {
        let tail = self.queue.tail.load(Relaxed);
        tail.wrapping_sub(self.queue.head.load(Relaxed)) + self.queue.rest.len()
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
    /// Takes half of the tasks, rounded up, from the old end of the ring and from that of the rest,
    /// and puts them behind the line of `into`. Returns how many.
    pub(super) fn steal_into(&self, into: &Local<T>) -> usize {
        let from = &*self.queue;
        assert!(!ptr::eq(from, &*into.queue), "stealing from oneself");
        let wanted = self.in_ring().div_ceil(2);
        let of_ring = match into.queue.rest.is_empty() && into.room() >= wanted {
            true => self.steal_into_ring(into),
            false => self.steal_into_rest(into, wanted),
        };
        let of_rest = from.rest.len().div_ceil(2);
        of_ring + into.append(&from.rest, of_rest)
    }

    fn steal_into_ring(&self, into: &Local<T>) -> usize {
        let ring = &*into.queue;
        // Relaxed: the caller's own.
        let tail = ring.tail.load(Relaxed);
        let taken = self.claim(into.room(), |i, ptr| {
            // Beyond the tail, so nobody takes it before it is published below.
            ring.cell(tail.wrapping_add(i)).store(ptr, Relaxed);
        });
        // Release: P1 for those that steal from the thief.
        ring.tail.store(tail.wrapping_add(taken), Release);
        taken
    }

    /// For a thief whose ring has not so much room. That is a busy worker, and its victim is stuck.
    fn steal_into_rest(&self, into: &Local<T>, wanted: usize) -> usize {
        for stolen in 0..wanted {
            let mut first = ptr::null_mut();
            if self.claim(1, |_, ptr| first = ptr) == 0 {
                return stolen;
            }
            // SAFETY: `claim` took it.
            let task = unsafe { taken(first) };
            into.push_to_rest(task.expect("a cell between head and tail holds a task"));
        }
        wanted
    }

    /// Takes half of the ring, but no more than `most`, and returns how many. Calls `see` with the
    /// number and the pointer of each task, perhaps in vain: of the numbers below what it returns
    /// the last call counts; the others were not taken.
    fn claim(&self, most: usize, mut see: impl FnMut(usize, *mut ())) -> usize {
        let from = &*self.queue;
        loop {
            // Acquire: with the Releases that move `head`, so that `tail` is not older than it.
            let head = from.head.load(Acquire);
            // Acquire: P1.
            let tail = from.tail.load(Acquire);
            let there = tail.wrapping_sub(head);
            if there > from.cells.len() {
                // `head` moved on between the two loads.
                continue;
            }
            let wanted = there.div_ceil(2).min(most);
            if wanted == 0 {
                return 0;
            }
            // Read before the exchange; see the module's text. Relaxed: P1 covers the contents.
            for i in 0..wanted {
                see(i, from.cell(head.wrapping_add(i)).load(Relaxed));
            }
            // Release: P2. Relaxed on failure: all is read anew.
            let moved =
                from.head
                    .compare_exchange(head, head.wrapping_add(wanted), Release, Relaxed);
            if moved.is_ok() {
                return wanted;
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

    /// Tasks in line, without the LIFO place, at some moment between call and return.
    pub(super) fn len(&self) -> usize {
        self.in_ring() + self.queue.rest.len()
    }

    /// How often the line has become longer than the ring.
    pub(super) fn overflows(&self) -> u64 {
        self.queue.rest.begun()
    }

    fn in_ring(&self) -> usize {
        let head = self.queue.head.load(Acquire);
        let there = self.queue.tail.load(Acquire).wrapping_sub(head);
        match there > self.queue.cells.len() {
            true => 1,
            false => there,
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
