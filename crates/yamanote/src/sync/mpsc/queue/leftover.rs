//! The blocks and values of a queue without a consumer: dropped with the queue.

use std::ptr::NonNull;

use super::block::{self, Block, CELLS};

pub(super) struct Leftover<T> {
    head: NonNull<Block<T>>,
    cell: usize,
    oldest: NonNull<Block<T>>,
}

impl<T> Leftover<T> {
    /// The values from `cell` of `head` on; the blocks begin with `oldest`. Nobody else may know
    /// them when this is dropped.
    pub(super) fn new(head: NonNull<Block<T>>, cell: usize, oldest: NonNull<Block<T>>) -> Self {
        Leftover { head, cell, oldest }
    }

    fn next_value(&mut self) -> Option<T> {
        if self.cell == CELLS {
            // SAFETY: nobody has the blocks but whoever drops the queue.
            self.head = unsafe { self.head.as_ref() }.next()?;
            self.cell = 0;
        }
        // SAFETY: as above.
        let head = unsafe { self.head.as_ref() };
        if !block::is_filled(head.word(), self.cell) {
            return None;
        }
        self.cell += 1;
        // SAFETY: filled, and left behind at once.
        Some(unsafe { head.take(self.cell - 1) })
    }
}

impl<T> Drop for Leftover<T> {
    fn drop(&mut self) {
        // A guard, because dropping a value may panic.
        let _blocks = Blocks(self.oldest);
        while let Some(value) = self.next_value() {
            drop(value);
        }
    }
}

struct Blocks<T>(NonNull<Block<T>>);

impl<T> Drop for Blocks<T> {
    fn drop(&mut self) {
        let mut at = Some(self.0);
        while let Some(block) = at {
            // SAFETY: nobody has the blocks but whoever drops the queue.
            at = unsafe { block.as_ref() }.next();
            // SAFETY: as above.
            unsafe { Block::free(block) };
        }
    }
}
