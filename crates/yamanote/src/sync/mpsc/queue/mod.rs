//! An unbounded queue of values, from many producers to one consumer, without a lock.
//!
//! ```text
//!   oldest            head                  hint                      last
//!  [ used ] -> ... -> [ ##.#.... ] -> ... -> [ ####.##. ] -> ... -> [ ........ ]
//!  consumer's         consumer reads         producers begin to look here
//! ```
//!
//! A producer takes a ticket by adding to `tail`, finds the block its ticket belongs to, writes the
//! value into its cell and says so in the block's word ([`block`]). The consumer reads the cells in
//! the order of the tickets. So sending is two read-modify-writes, and receiving is one load for
//! all that has come into a block since the last.
//!
//! Rules:
//!
//! 1. *Finding.* A producer takes its ticket first and loads `hint` then. `hint` passes a block
//!    only when all its cells are filled, so it never passes the block of a ticket that is not
//!    filled: from `hint` on, every block can be found by walking, and is appended by whoever needs
//!    it first.
//! 2. *Freeing.* Whoever moves `hint` past a block looks at `tail` after that, by a
//!    read-modify-write, and notes it in the block it has left, as `free_at`:
//!
//!    ```text
//!      tickets 0 to 7     tickets 8 to 15
//!     [ ######## ] ----> [ #.#..... ]
//!       free_at = 11       ^ hint       tail = 11
//!    ```
//!
//!    A producer with a later ticket, from 11 on, reads what that wrote, and finds `hint` at the
//!    second block. One with an earlier ticket may be in the first block still, on its way to the
//!    second; it is through with it when its own cell is filled. So when the consumer has taken 11
//!    values nobody is in the first block: it is kept for the next to be appended, or freed. The
//!    consumer, when it leaves a block, makes sure that `hint` has passed it.
//!
//!    A long queue keeps no block long after its last value was taken, because `hint` is near the
//!    tail. A queue that is never long uses two blocks in turn: no value costs an allocation.
//! 3. *The end.* `PRODUCERS_GONE` is set by the last producer, after all others. `CLOSED` is set by
//!    the consumer; with [`Consumer::close_now`] what `tail` was then is the end, and tickets taken
//!    later by [`Producer::push_unless_closed`] are void, and never filled.

mod block;
mod leftover;
#[cfg(all(test, loom))]
mod loom_tests;
mod shared;
#[cfg(all(test, not(loom)))]
mod tests;

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

use crate::loom::sync::Arc;
use crate::loom::sync::atomic::Ordering;
use block::{Block, CELLS};
use leftover::Leftover;
use shared::{CLOSED, PRODUCERS_GONE, Shared, TICKET_SHIFT};

/// A new queue: its first producer and its consumer. `extra` stands beside it, for all of them.
pub(super) fn queue<T, E>(extra: E) -> (Producer<T, E>, Consumer<T, E>) {
    let first = Block::allocate(0);
    let shared = Arc::new(Shared::new(first, extra));
    let consumer = Consumer {
        shared: shared.clone(),
        head: first,
        cell: 0,
        oldest: first,
        taken: 0,
        seen: 0,
        end: None,
    };
    (Producer(shared), consumer)
}

/// A handle to send with. Dropping it says nothing to the consumer: see [`Producer::finish`].
pub(super) struct Producer<T, E>(Arc<Shared<T, E>>);

impl<T, E> Producer<T, E> {
    pub(super) fn extra(&self) -> &E {
        self.0.extra()
    }

    /// Puts `value` at the end of the queue; returns whether the consumer must be woken.
    #[must_use = "the consumer may be waiting"]
    pub(super) fn push(&self, value: T) -> bool {
        let ticket = self.0.take_ticket() >> TICKET_SHIFT;
        // SAFETY: the ticket was just taken, and is not void.
        unsafe { self.0.fill(ticket, value) }
    }

    /// As [`push`](Self::push), unless the consumer has closed the queue.
    pub(super) fn push_unless_closed(&self, value: T) -> Result<bool, T> {
        // Without this, tickets would be taken without end.
        if self.0.tail(Ordering::Relaxed) & CLOSED != 0 {
            return Err(value);
        }
        let tail = self.0.take_ticket();
        if tail & CLOSED != 0 {
            return Err(value);
        }
        // SAFETY: the ticket was just taken, before the end.
        Ok(unsafe { self.0.fill(tail >> TICKET_SHIFT, value) })
    }

    /// Says that nobody will push any more. The consumer must be woken after it.
    pub(super) fn finish(&self) {
        // Release: pairs with the Acquire in `Consumer::nothing`. The caller has seen, by Acquire,
        // the end of all others that pushed.
        self.0.mark(PRODUCERS_GONE, Ordering::Release);
    }

    pub(super) fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release in `mark_closed`.
        self.0.tail(Ordering::Acquire) & CLOSED != 0
    }

    pub(super) fn same_queue(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where producers begin to look, and how many tickets were taken: for debugging output.
    pub(super) fn position(&self) -> (*const (), u64) {
        self.0.position()
    }
}

impl<T, E> Clone for Producer<T, E> {
    fn clone(&self) -> Self {
        Producer(self.0.clone())
    }
}

/// What can be said of the next value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pop<T> {
    Value(T),
    /// Nobody has begun to send it.
    Empty,
    /// Its ticket is taken and its cell is about to be filled.
    UnderWay,
    /// There will be none.
    End,
}

/// The one that takes values out.
pub(super) struct Consumer<T, E> {
    shared: Arc<Shared<T, E>>,
    /// The block with the next value, or the last block, used up: then `cell` is `CELLS`.
    head: NonNull<Block<T>>,
    cell: usize,
    /// The first block that is not freed yet.
    oldest: NonNull<Block<T>>,
    /// How many values were taken: the ticket of the next one.
    taken: u64,
    /// What the head's word said when it was last looked at.
    seen: u64,
    /// Where the queue ends, if it was closed here.
    end: Option<u64>,
}

// SAFETY: as `Shared`, whose blocks it points to; a `&Consumer` reads its own numbers only.
unsafe impl<T: Send, E: Send + Sync> Send for Consumer<T, E> {}
// SAFETY: as above.
unsafe impl<T: Send, E: Send + Sync> Sync for Consumer<T, E> {}

impl<T, E> Consumer<T, E> {
    pub(super) fn extra(&self) -> &E {
        self.shared.extra()
    }

    /// Takes the next value.
    pub(super) fn pop(&mut self) -> Pop<T> {
        if self.cell == CELLS && !self.leave_block() {
            return self.nothing();
        }
        // SAFETY: the blocks from `oldest` on are freed by this consumer only.
        let head = unsafe { self.head.as_ref() };
        if !block::is_filled(self.seen, self.cell) {
            self.seen = head.word();
            if !block::is_filled(self.seen, self.cell) {
                return self.nothing();
            }
        }
        // SAFETY: seen filled; the cell is left behind at once.
        let value = unsafe { head.take(self.cell) };
        self.cell += 1;
        self.taken += 1;
        Pop::Value(value)
    }

    /// Announces that the next value is awaited. The consumer's waker must be in its place before
    /// this. The next [`pop`](Self::pop) sees an earlier push; a later one asks for a wake-up.
    pub(super) fn await_next(&mut self) {
        if self.cell == CELLS {
            // SAFETY: as in `pop`.
            let head = unsafe { self.head.as_ref() };
            self.shared.next_or_append(head);
            self.leave_block();
        }
        // SAFETY: as in `pop`.
        self.seen = unsafe { self.head.as_ref() }.awaiting(self.cell);
    }

    /// Ends the queue with the tickets taken so far, for [`Producer::push_unless_closed`].
    pub(super) fn close_now(&mut self) {
        let tail = self.mark_closed();
        self.end.get_or_insert(tail >> TICKET_SHIFT);
    }

    fn mark_closed(&mut self) -> u64 {
        // Release: pairs with the Acquire in `is_closed`.
        self.shared.mark(CLOSED, Ordering::AcqRel)
    }

    pub(super) fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release in `mark_closed`.
        self.shared.tail(Ordering::Acquire) & CLOSED != 0
    }

    /// Values sent and not taken, including those under way.
    pub(super) fn len(&self) -> usize {
        // Relaxed: a number that may be old when it is read.
        let tail = self.shared.tail(Ordering::Relaxed) >> TICKET_SHIFT;
        (self.end.unwrap_or(tail) - self.taken) as usize
    }

    /// See [`Producer::position`].
    pub(super) fn position(&self) -> (*const (), u64) {
        self.shared.position()
    }

    /// Why there is no value.
    fn nothing(&mut self) -> Pop<T> {
        // Nothing else to do: the block that was left last can be freed by now.
        self.free_used();
        // Acquire: pairs with the Release in `finish`, for all that was pushed before.
        let tail = self.shared.tail(Ordering::Acquire);
        if self.taken != self.end.unwrap_or(tail >> TICKET_SHIFT) {
            Pop::UnderWay
        } else if self.end.is_some() || tail & PRODUCERS_GONE != 0 {
            Pop::End
        } else {
            Pop::Empty
        }
    }

    /// Goes on to the next block, if there is one, and frees what can be freed.
    fn leave_block(&mut self) -> bool {
        // SAFETY: as in `pop`.
        let used = unsafe { self.head.as_ref() };
        let Some(next) = used.next() else {
            return false;
        };
        // The hint points here or has passed; after this it has passed.
        self.shared.move_hint(used, next);
        self.head = next;
        self.cell = 0;
        self.seen = 0;
        self.free_used();
        true
    }

    fn free_used(&mut self) {
        while self.oldest != self.head {
            // SAFETY: as in `pop`.
            let block = unsafe { self.oldest.as_ref() };
            // Tickets after the end are void, and their producers look for no block.
            let free_at = block.free_at();
            if self.taken < free_at.min(self.end.unwrap_or(free_at)) {
                break;
            }
            let next = block.next().expect("a block that was left has a next one");
            // SAFETY: rule 2: all producers that could find the block have filled their tickets,
            // which this consumer has seen; its values are taken.
            unsafe { self.shared.keep(self.oldest) };
            self.oldest = next;
        }
    }
}

impl<T, E> Drop for Consumer<T, E> {
    fn drop(&mut self) {
        // SAFETY: this is the consumer, which goes; the blocks are those of the queue.
        unsafe {
            self.shared
                .leave(Leftover::new(self.head, self.cell, self.oldest))
        };
    }
}

// A panic leaves nothing half done in the queue: values are moved in and out whole, and none of
// their code runs inside.
impl<T, E> UnwindSafe for Producer<T, E> {}
impl<T, E> RefUnwindSafe for Producer<T, E> {}
impl<T, E> UnwindSafe for Consumer<T, E> {}
impl<T, E> RefUnwindSafe for Consumer<T, E> {}
