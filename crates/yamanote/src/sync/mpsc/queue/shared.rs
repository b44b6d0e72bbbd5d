//! What all ends of a queue share: the tail, from which tickets come, and the way to the blocks.

use std::ptr::{self, NonNull};

use super::block::{self, Block, CELLS};
use super::leftover::Leftover;
use crate::loom::cell::UnsafeCell;
use crate::loom::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use crate::sync::mpsc::padded::Padded;

/// The tail is `tickets << 2 | PRODUCERS_GONE | CLOSED`.
pub(super) const CLOSED: u64 = 1;
pub(super) const PRODUCERS_GONE: u64 = 2;
const TICKET: u64 = 4;
pub(super) const TICKET_SHIFT: u32 = 2;

/// `E` is what the user of the queue keeps beside it.
pub(super) struct Shared<T, E> {
    tail: Padded<AtomicU64>,
    blocks: Padded<Blocks<T>>,
    /// What the consumer left behind.
    leftover: UnsafeCell<Option<Leftover<T>>>,
    extra: E,
}

struct Blocks<T> {
    hint: AtomicPtr<Block<T>>,
    /// A block nobody uses, or null.
    spare: AtomicPtr<Block<T>>,
}

// SAFETY: a value is written by one thread and read by another, never looked at by two: it must be
// Send. Blocks are shared by rules 1 and 2. `leftover` is written by the consumer, which goes, and
// read by the last owner. `extra` is shared as it is.
unsafe impl<T: Send, E: Send> Send for Shared<T, E> {}
// SAFETY: as above.
unsafe impl<T: Send, E: Sync> Sync for Shared<T, E> {}

impl<T, E> Shared<T, E> {
    pub(super) fn new(first: NonNull<Block<T>>, extra: E) -> Self {
        Shared {
            tail: Padded(AtomicU64::new(0)),
            blocks: Padded(Blocks {
                hint: AtomicPtr::new(first.as_ptr()),
                spare: AtomicPtr::new(ptr::null_mut()),
            }),
            leftover: UnsafeCell::new(None),
            extra,
        }
    }

    pub(super) fn extra(&self) -> &E {
        &self.extra
    }

    pub(super) fn tail(&self, ordering: Ordering) -> u64 {
        self.tail.0.load(ordering)
    }

    /// Sets a flag of the tail; returns the tail before.
    pub(super) fn mark(&self, flag: u64, ordering: Ordering) -> u64 {
        self.tail.0.fetch_or(flag, ordering)
    }

    /// Takes a ticket; returns the tail before, which has its number and the flags.
    pub(super) fn take_ticket(&self) -> u64 {
        // Acquire: pairs with the Release in `move_hint`: an older `hint` is not seen any more
        // (rule 2).
        self.tail.0.fetch_add(TICKET, Ordering::Acquire)
    }

    pub(super) fn position(&self) -> (*const (), u64) {
        let hint = self.blocks.0.hint.load(Ordering::Relaxed); // not followed
        let tail = self.tail(Ordering::Relaxed); // only shown
        (hint.cast_const().cast(), tail >> TICKET_SHIFT)
    }

    /// Puts the value of `ticket` into its cell; returns whether the consumer awaits it.
    ///
    /// # Safety
    ///
    /// The caller has taken `ticket`, not void, and calls this once for it.
    pub(super) unsafe fn fill(&self, ticket: u64, value: T) -> bool {
        let block = self.find(ticket);
        // SAFETY: the block is not freed before this ticket is filled (rule 2), which happens
        // here, once.
        unsafe { Block::fill(block, block::cell_of(ticket), value) }
    }

    /// The block of a ticket that the caller has taken and not filled.
    fn find(&self, ticket: u64) -> NonNull<Block<T>> {
        let wanted = block::first_of(ticket);
        // Acquire: pairs with the Release in `move_hint`, for what `Block::allocate` and
        // `Block::set_first` wrote.
        let hint = self.blocks.0.hint.load(Ordering::Acquire);
        let mut at = NonNull::new(hint).expect("the hint is never null");
        let mut at_hint = true;
        loop {
            // SAFETY: `at` was reached from a hint loaded after the ticket was taken, so it is not
            // freed before the ticket is filled (rule 2).
            let block = unsafe { at.as_ref() };
            debug_assert!(block.first() <= wanted, "the hint has passed a cell in use");
            if block.first() == wanted {
                return at;
            }
            let next = self.next_or_append(block);
            at_hint = at_hint && block.is_full() && self.move_hint(block, next);
            at = next;
        }
    }

    /// Moves the hint from a full block to the next one, if it is still there, and notes when the
    /// block is free (rule 2). By the consumer, or with a ticket that is not filled: the block
    /// lives until then.
    pub(super) fn move_hint(&self, full: &Block<T>, next: NonNull<Block<T>>) -> bool {
        // Release: hands on what made `next`. Relaxed: a failure is not looked into.
        let moved = self.blocks.0.hint.compare_exchange(
            ptr::from_ref(full).cast_mut(),
            next.as_ptr(),
            Ordering::Release,
            Ordering::Relaxed,
        );
        if moved.is_ok() {
            // A read-modify-write, for rule 2. Release: pairs with the Acquire in `take_ticket`.
            full.set_free_at(self.mark(0, Ordering::Release) >> TICKET_SHIFT);
        }
        moved.is_ok()
    }

    pub(super) fn next_or_append(&self, block: &Block<T>) -> NonNull<Block<T>> {
        if let Some(next) = block.next() {
            return next;
        }
        let first = block.first() + CELLS as u64;
        let spare = &self.blocks.0.spare;
        // Acquire: pairs with the Release in `keep`.
        let fresh = match NonNull::new(spare.swap(ptr::null_mut(), Ordering::Acquire)) {
            Some(spare) => {
                // SAFETY: a spare block is known to nobody, and was just taken.
                unsafe { Block::set_first(spare, first) };
                spare
            }
            None => Block::allocate(first),
        };
        match block.append(fresh) {
            Ok(()) => fresh,
            Err(next) => {
                // SAFETY: `fresh` was not appended, so nobody else knows it; its cells are empty.
                unsafe { self.keep(fresh) };
                next
            }
        }
    }

    /// Keeps a block for the next to be appended, or frees it if there is one already.
    ///
    /// # Safety
    ///
    /// Nobody else knows the block, and its cells are empty.
    pub(super) unsafe fn keep(&self, block: NonNull<Block<T>>) {
        // SAFETY: the caller's promise.
        unsafe { Block::reset(block) };
        // Release: pairs with the Acquire in `next_or_append`. Relaxed: a failure is not looked
        // into.
        let kept = self.blocks.0.spare.compare_exchange(
            ptr::null_mut(),
            block.as_ptr(),
            Ordering::Release,
            Ordering::Relaxed,
        );
        if kept.is_err() {
            // SAFETY: the caller's promise.
            unsafe { Block::free(block) };
        }
    }

    /// The consumer goes, and leaves its blocks to be freed with the queue.
    ///
    /// # Safety
    ///
    /// The caller is the consumer, and calls this once; `leftover` is of this queue.
    pub(super) unsafe fn leave(&self, leftover: Leftover<T>) {
        // SAFETY: written once, here, and read by the last owner only.
        self.leftover
            .with_mut(|place| unsafe { *place = Some(leftover) });
    }
}

impl<T, E> Drop for Shared<T, E> {
    fn drop(&mut self) {
        // Relaxed: the last owner has seen, through the count of owners, all that was done.
        if let Some(spare) = NonNull::new(self.blocks.0.spare.load(Ordering::Relaxed)) {
            // SAFETY: a spare block is known to nobody.
            unsafe { Block::free(spare) };
        }
        // SAFETY: the last owner, so the consumer is gone too.
        drop(self.leftover.with_mut(|place| unsafe { (*place).take() }));
    }
}
