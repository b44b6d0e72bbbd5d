//! What the halves of a `broadcast` channel share: a ring of cells and the tail.
//!
//! Values are numbered from zero; number `n` is written into cell `n` modulo the length. The tail
//! is the number of the next value; its word also says whether the channel is closed. A receiver
//! knows the number that it reads next, so asking whether there is something for it costs one load;
//! reading it locks that cell only.
//!
//! 1. The tail and the number of receivers change under the lock of the list of waiters; both are
//!    read without it. So a value is sent to exactly the receivers that are counted, and one that
//!    finds nothing under the lock and stands in the list is notified of the next.
//! 2. A cell is locked for writing with the list's lock held, for reading without. Never the list's
//!    lock inside a cell's.
//! 3. `unread` counts the receivers that have yet to read the cell. Each reads or skips it once;
//!    the last takes the value out.
//!
//! A cell's lock is exclusive for readers too: values need not be `Sync`, so two threads must not
//! clone one at once.
#![forbid(unsafe_code)]

use super::error::TryRecvError;
use crate::loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::loom::sync::atomic::{AtomicU64, AtomicUsize};
use crate::loom::sync::{Mutex, MutexGuard};
use crate::sync::Notify;
use crate::sync::waiter_list::Message;
use crate::sync::waiters::Waiters;
use crate::util::poison::unpoisoned;

/// In the tail's word, below the number of the next value.
const CLOSED: u64 = 1;
const STEP: u64 = 2;

const MAX_RECEIVERS: usize = usize::MAX >> 2;

/// The only one.
const LOOK_AGAIN: Message = 0;

pub(in crate::sync) struct Shared<T> {
    cells: Box<[Mutex<Cell<T>>]>,
    tail: AtomicU64,
    receivers: AtomicUsize,
    pub(in crate::sync) waiters: Waiters,
    pub(super) senders: AtomicUsize,
    pub(super) weak_senders: AtomicUsize,
    /// The last receiver went.
    pub(super) abandoned: Notify,
}

struct Cell<T> {
    /// Of the value written last.
    number: u64,
    unread: usize,
    value: Option<T>,
}

/// The tail, as it was read.
#[derive(Clone, Copy)]
pub(super) struct Tail(u64);

impl Tail {
    /// The number of the next value.
    pub(super) fn next(self) -> u64 {
        self.0 / STEP
    }

    pub(super) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }
}

impl<T> Shared<T> {
    /// With one sender and no receiver.
    #[track_caller]
    pub(super) fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "broadcast channel capacity cannot be zero");
        assert!(
            capacity <= usize::MAX >> 1,
            "broadcast channel capacity exceeded `usize::MAX / 2`"
        );
        let empty = |_| {
            Mutex::new(Cell {
                number: u64::MAX, // nobody looks at a cell before it is written
                unread: 0,
                value: None,
            })
        };
        Shared {
            cells: (0..capacity.next_power_of_two()).map(empty).collect(),
            tail: AtomicU64::new(CLOSED),
            receivers: AtomicUsize::new(0),
            waiters: Waiters::new(),
            senders: AtomicUsize::new(1),
            weak_senders: AtomicUsize::new(0),
            abandoned: Notify::new(),
        }
    }

    pub(super) fn tail(&self) -> Tail {
        // Pairs with the Release in `send`, `receiver_comes`, `receiver_gone` and `sender_gone`:
        // with the number the cell is written.
        Tail(self.tail.load(Acquire))
    }

    pub(super) fn receivers(&self) -> usize {
        self.receivers.load(Acquire) // pairs with the Release in `receiver_gone`
    }

    fn cell(&self, number: u64) -> MutexGuard<'_, Cell<T>> {
        // A `Clone` that panicked under the lock has changed nothing here.
        unpoisoned(self.cells[number as usize & (self.cells.len() - 1)].lock())
    }

    /// Sends to all receivers and returns their number; if there is none the value comes back.
    pub(super) fn send(&self, value: T) -> Result<usize, T> {
        let guard = self.waiters.lock();
        // Rule 1: neither changes now.
        let receivers = self.receivers.load(Relaxed);
        if receivers == 0 {
            return Err(value);
        }
        let tail = self.tail.load(Relaxed);
        let number = Tail(tail).next();
        let mut cell = self.cell(number);
        cell.number = number;
        cell.unread = receivers;
        let overwritten = cell.value.replace(value);
        drop(cell);
        // Pairs with the Acquire in `tail`.
        self.tail.store(tail.wrapping_add(STEP), Release);
        guard.notify_all(LOOK_AGAIN);
        // Its drop is foreign code, so the locks are released.
        drop(overwritten);
        Ok(receivers)
    }

    /// The value of number `next`, to be read; steps on.
    pub(super) fn read(&self, next: &mut u64) -> Result<Reading<'_, T>, TryRecvError> {
        let tail = self.tail();
        if tail.next() == *next {
            return Err(match tail.is_closed() {
                true => TryRecvError::Closed,
                false => TryRecvError::Empty,
            });
        }
        let length = self.cells.len() as u64;
        let mut end = tail.next();
        if end - *next <= length {
            let cell = self.cell(*next);
            if cell.number == *next {
                *next += 1;
                return Ok(Reading { cell: Some(cell) });
            }
            // Overwritten since the tail was read; perhaps the tail does not show it yet.
            end = (cell.number + 1).max(self.tail().next());
        }
        let oldest = end - length;
        let missed = oldest - *next;
        *next = oldest;
        Err(TryRecvError::Lagged(missed))
    }

    /// Counts a new receiver, and returns the number of the first value that it gets.
    pub(super) fn receiver_comes(&self) -> u64 {
        let _guard = self.waiters.lock();
        let receivers = self.receivers.load(Relaxed); // rule 1
        assert!(receivers != MAX_RECEIVERS, "max receivers");
        self.receivers.store(receivers + 1, Release);
        let mut tail = self.tail.load(Relaxed); // rule 1
        if receivers == 0 {
            // Open again. The senders cannot be gone: the caller is one or knows one.
            tail &= !CLOSED;
            self.tail.store(tail, Release);
        }
        Tail(tail).next()
    }

    /// A receiver goes that reads `next` next: nothing is left unread for its sake.
    pub(super) fn receiver_gone(&self, next: u64) {
        let guard = self.waiters.lock();
        let tail = self.tail.load(Relaxed); // rule 1
        let receivers = self.receivers.load(Relaxed) - 1; // rule 1
        self.receivers.store(receivers, Release);
        if receivers == 0 {
            self.tail.store(tail | CLOSED, Release);
        }
        drop(guard);
        Leaving {
            shared: self,
            next,
            until: Tail(tail).next(),
            was_last: receivers == 0,
        }
        .run();
    }

    pub(super) fn sender_gone(&self) {
        if self.senders.fetch_sub(1, AcqRel) == 1 {
            let guard = self.waiters.lock();
            self.tail.fetch_or(CLOSED, Release);
            guard.notify_all(LOOK_AGAIN);
        }
    }

    /// How many values there are that some receiver has yet to read.
    pub(super) fn len(&self) -> usize {
        let _guard = self.waiters.lock(); // nobody sends meanwhile
        let length = self.cells.len();
        let next = self.tail().next();
        // From the oldest on, those that all have read come first.
        let (mut low, mut high) = (0, length);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.cell(next.wrapping_add(middle as u64)).unread {
                0 => low = middle + 1,
                _ => high = middle,
            }
        }
        length - low
    }

    pub(super) fn is_empty(&self) -> bool {
        let _guard = self.waiters.lock(); // nobody sends meanwhile
        self.cell(self.tail().next().wrapping_sub(1)).unread == 0
    }
}

/// A cell locked for one receiver, which has read it when this is dropped.
pub(super) struct Reading<'a, T> {
    cell: Option<MutexGuard<'a, Cell<T>>>,
}

impl<T: Clone> Reading<'_, T> {
    /// A panic of `clone` counts as read, and poisons nothing.
    pub(super) fn into_clone(self) -> T {
        let cell = self.cell.as_ref().expect("locked until the drop");
        cell.value.clone().expect("unread values stay")
    }
}

impl<T> Drop for Reading<'_, T> {
    fn drop(&mut self) {
        let Some(mut cell) = self.cell.take() else {
            return;
        };
        cell.unread -= 1;
        let read_by_all = match cell.unread {
            0 => cell.value.take(),
            _ => None,
        };
        drop(cell);
        // Its drop is foreign code, so the lock is released.
        drop(read_by_all);
    }
}

/// A receiver on its way out. If the drop of a value panics, the rest is done while it unwinds.
struct Leaving<'a, T> {
    shared: &'a Shared<T>,
    next: u64,
    until: u64,
    was_last: bool,
}

impl<T> Leaving<'_, T> {
    fn run(&mut self) {
        while self.next < self.until {
            // What it lagged behind is not there any more.
            drop(self.shared.read(&mut self.next));
        }
        if std::mem::take(&mut self.was_last) {
            self.shared.abandoned.notify_waiters();
        }
    }
}

impl<T> Drop for Leaving<'_, T> {
    fn drop(&mut self) {
        self.run();
    }
}
