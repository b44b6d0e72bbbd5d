//! A row of cells, and the word that says what is in them.
//!
//! ```text
//! word: | cell 31 is awaited ... cell 0 is awaited | cell 31 is filled ... cell 0 is filled |
//! ```
//!
//! A cell is used once in the life of its block: a producer writes the value and sets "filled"; the
//! consumer reads it. Before it goes to sleep the consumer sets "awaited" on the cell that comes
//! next. Both are one operation on one word, so either the consumer sees the value or the producer
//! sees that it is awaited, and the producers of all other cells know that there is nobody to wake.

use std::alloc::{Layout, alloc, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use crate::loom::cell::UnsafeCell;
use crate::loom::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// As many as one word has bits for.
#[cfg(not(all(test, loom)))]
pub(super) const CELLS: usize = 32;
/// Few, so that a model meets the seam between blocks.
#[cfg(all(test, loom))]
pub(super) const CELLS: usize = 2;

/// The hint has not passed the block: no ticket is so high.
const NOT_PASSED: u64 = u64::MAX;

const FILLED: u64 = (1 << CELLS) - 1;
const AWAITED_SHIFT: usize = 32;

pub(super) struct Block<T> {
    /// The ticket of cell 0. Written only while nobody else knows the block.
    first: u64,
    /// The block after this one, put there once by whoever needs it first.
    next: AtomicPtr<Block<T>>,
    word: AtomicU64,
    /// See `Shared::move_hint`. Written once in the life of the block, by whoever moves the hint
    /// on.
    free_at: AtomicU64,
    cells: [UnsafeCell<MaybeUninit<T>>; CELLS],
}

/// The ticket of cell 0 of the block that `ticket` belongs to.
pub(super) fn first_of(ticket: u64) -> u64 {
    ticket - ticket % CELLS as u64
}

pub(super) fn cell_of(ticket: u64) -> usize {
    (ticket % CELLS as u64) as usize
}

/// Whether a word says that `cell` was filled.
pub(super) fn is_filled(word: u64, cell: usize) -> bool {
    word & (1 << cell) != 0
}

impl<T> Block<T> {
    /// A new block. Made in place: with big values it is too big for a stack.
    pub(super) fn allocate(first: u64) -> NonNull<Block<T>> {
        let layout = Layout::new::<Block<T>>();
        // SAFETY: a block has at least its header, so the size is not zero.
        let block = unsafe { alloc(layout) }.cast::<Block<T>>();
        let Some(allocated) = NonNull::new(block) else {
            handle_alloc_error(layout)
        };
        // SAFETY: `block` is fresh memory for a Block; every field is written once.
        unsafe {
            (&raw mut (*block).first).write(first);
            (&raw mut (*block).next).write(AtomicPtr::new(ptr::null_mut()));
            (&raw mut (*block).word).write(AtomicU64::new(0));
            (&raw mut (*block).free_at).write(AtomicU64::new(NOT_PASSED));
            for cell in 0..CELLS {
                (&raw mut (*block).cells[cell]).write(UnsafeCell::new(MaybeUninit::uninit()));
            }
        }
        allocated
    }

    /// Makes an emptied block as good as new, but for its place in the row.
    ///
    /// # Safety
    ///
    /// The block is from `allocate`, nobody else knows it, and no cell has a value.
    pub(super) unsafe fn reset(block: NonNull<Block<T>>) {
        // SAFETY: the caller's promise.
        let block = unsafe { block.as_ref() };
        // Relaxed: the block is handed on by the Release in `Shared::keep` or `append`.
        block.next.store(ptr::null_mut(), Ordering::Relaxed);
        block.word.store(0, Ordering::Relaxed);
        block.free_at.store(NOT_PASSED, Ordering::Relaxed);
    }

    /// # Safety
    ///
    /// The block is from `allocate` and nobody else knows it.
    pub(super) unsafe fn set_first(block: NonNull<Block<T>>, first: u64) {
        // SAFETY: the caller's promise.
        unsafe { (&raw mut (*block.as_ptr()).first).write(first) }
    }

    /// Gives the memory back. Values in cells are not dropped.
    ///
    /// # Safety
    ///
    /// The block is from `allocate` and nobody else knows it.
    pub(super) unsafe fn free(block: NonNull<Block<T>>) {
        // SAFETY: `allocate` made it with the global allocator and the layout of its type, as Box
        // does. The cells are MaybeUninit, so no value is dropped.
        drop(unsafe { Box::from_raw(block.as_ptr()) });
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn next(&self) -> Option<NonNull<Block<T>>> {
        // Acquire: pairs with the Release in `append`, for what is in the next block.
        NonNull::new(self.next.load(Ordering::Acquire))
    }

    /// Puts `next` behind this block, unless there is one: then that one is returned.
    pub(super) fn append(&self, next: NonNull<Block<T>>) -> Result<(), NonNull<Block<T>>> {
        // Release: pairs with the Acquire in `next` and here.
        let appended = self.next.compare_exchange(
            ptr::null_mut(),
            next.as_ptr(),
            Ordering::Release,
            Ordering::Acquire,
        );
        match appended {
            Ok(_) => Ok(()),
            Err(other) => Err(NonNull::new(other).expect("the exchange found a block")),
        }
    }

    /// Whether all cells were filled, so that no producer will look for this block again.
    pub(super) fn is_full(&self) -> bool {
        // Relaxed: a full block stays full, and nothing is read because of it.
        self.word.load(Ordering::Relaxed) & FILLED == FILLED
    }

    pub(super) fn word(&self) -> u64 {
        // Acquire: pairs with the Release in `fill`, for the values.
        self.word.load(Ordering::Acquire)
    }

    /// Writes the value of a cell and says so; returns whether the consumer awaits it.
    ///
    /// # Safety
    ///
    /// * The block is alive when this begins. It may be gone when this returns.
    /// * The caller has the cell's ticket, and calls this once for it.
    pub(super) unsafe fn fill(block: NonNull<Block<T>>, cell: usize, value: T) -> bool {
        let block = block.as_ptr();
        // SAFETY: alive, and the cell is the caller's until it says "filled".
        let place = unsafe { &(&(*block).cells)[cell] };
        // SAFETY: as above.
        place.with_mut(|place| unsafe { (*place).write(value) });
        // SAFETY: alive. Only the word is borrowed: once it says "filled" the rest may be gone.
        let word = unsafe { &(*block).word };
        // Release: pairs with the Acquire in `word` and `awaiting`, for the value.
        // Acquire: pairs with the Release in `awaiting`, for the waker registered before it.
        let before = word.fetch_or(1 << cell, Ordering::AcqRel);
        before & (1 << (AWAITED_SHIFT + cell)) != 0
    }

    /// Says that the consumer awaits a cell; returns the word.
    pub(super) fn awaiting(&self, cell: usize) -> u64 {
        // See `fill`.
        self.word
            .fetch_or(1 << (AWAITED_SHIFT + cell), Ordering::AcqRel)
    }

    /// Takes the value out of a cell.
    ///
    /// # Safety
    ///
    /// The cell was seen filled, and is taken once, by the consumer.
    pub(super) unsafe fn take(&self, cell: usize) -> T {
        // SAFETY: filled: the producer is through with it, and the value is there.
        self.cells[cell].with(|place| unsafe { (*place).assume_init_read() })
    }

    pub(super) fn set_free_at(&self, ticket: u64) {
        // Relaxed: the writer has a lower ticket to fill, which orders it, or is the consumer.
        self.free_at.store(ticket, Ordering::Relaxed);
    }

    /// When this many values have been taken nobody uses the block any more.
    pub(super) fn free_at(&self) -> u64 {
        self.free_at.load(Ordering::Relaxed) // see `set_free_at`
    }
}
