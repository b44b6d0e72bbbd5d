//! A bounded pipe of bytes between one writer and one reader, without locks.
//!
//! ```text
//!              head (reader's)                             tail (writer's)
//!                 |                                           |
//!            +----v------+   next    +-----------+   next   +-v---------+
//!            | segment   | --------> | segment   | -------> | segment   |
//!            +-----------+           +-----------+          +-----------+
//!   read -------^                                               ^-------- written
//! ```
//!
//! The bytes lie in a segment, which is a ring. If the writer has more to write than fits into it,
//! while the pipe as a whole has room, it links a larger segment behind it and goes on there; the
//! reader frees the old one when it has read its last byte. So memory grows with what is in the
//! pipe, not with its bound, and in the long run there is one segment and no allocation.
//!
//! Two [`Signal`]s say how far each side has come; each is moved by its own side alone, and is
//! where the other side parks. Bytes are copied first and published, all at once, after that:
//! [`Producer::push`] and [`Producer::publish`], [`Consumer::pop`] and [`Consumer::release`].
//!
//! # Rules
//!
//! 1. A byte between `read` and `written`, as published, belongs to the reader. All others, in the
//!    tail segment, belong to the writer.
//! 2. The writer touches only the tail segment. Its last access to a segment is the store to
//!    `next`.
//! 3. The reader touches `head` and the segments before the tail; it frees a segment when it has
//!    read up to its `end` and `next` is set. Before that, the writer (rule 2) is done with it.
//! 4. A byte is published only after the segment it lies in is linked.

mod cells;
#[cfg(all(test, loom))]
mod loom_tests;
mod signal;
#[cfg(all(test, not(loom)))]
mod tests;

use std::ptr;
use std::task::Waker;

use crate::loom::sync::Arc;
use crate::loom::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use cells::Cells;
pub(crate) use signal::Park;
use signal::{Position, Signal};

/// The first segment is not smaller than this, unless the pipe is.
const SMALLEST_SEGMENT: usize = if cfg!(all(test, loom)) { 2 } else { 256 };

/// A larger bound would be none: this is beyond what can be addressed. Positions keep their meaning
/// as long as they are not further apart.
const MAX_CAPACITY: usize = usize::MAX >> 5;

/// Makes a pipe that holds at most `capacity` bytes.
pub(crate) fn byte_pipe(capacity: usize) -> (Producer, Consumer) {
    assert!(capacity > 0);
    let pipe = Arc::new(Pipe {
        written: OwnLine(Signal::new()),
        read: OwnLine(Signal::new()),
        head: AtomicPtr::new(ptr::null_mut()),
        capacity: capacity.min(MAX_CAPACITY),
    });
    let producer = Producer {
        pipe: Arc::clone(&pipe),
        tail: ptr::null_mut(),
        tail_floor: Position::START,
        written: Position::START,
        published: Position::START,
        read: Position::START,
    };
    let consumer = Consumer {
        pipe,
        read: Position::START,
        released: Position::START,
        written: Position::START,
        ended: false,
    };
    (producer, consumer)
}

/// Keeps what one side writes all the time out of the cache line of the other.
#[repr(align(64))]
#[derive(Debug)]
struct OwnLine<T>(T);

#[derive(Debug)]
struct Pipe {
    /// Moved by the writer; its end is the end of the pipe, whoever caused it.
    written: OwnLine<Signal>,
    /// Moved by the reader.
    read: OwnLine<Signal>,
    /// The segment that is read from; null before the first byte. Set first by the writer, then by
    /// the reader.
    head: AtomicPtr<Segment>,
    capacity: usize,
}

#[derive(Debug)]
struct Segment {
    cells: Cells,
    /// Null while this is the tail.
    next: AtomicPtr<Segment>,
    /// The position where `next` begins, once that is set.
    end: AtomicU64,
}

/// The writing side.
#[derive(Debug)]
pub(crate) struct Producer {
    pipe: Arc<Pipe>,
    /// The segment that is written to; null before the first byte.
    tail: *mut Segment,
    /// A position in the tail segment before which nothing is left to read: its beginning, or, once
    /// the reader has come there, where the reader was seen.
    tail_floor: Position,
    /// Where the next byte goes.
    written: Position,
    /// How far the reader may read.
    published: Position,
    /// Where the reader was seen. It may be further.
    read: Position,
}

/// The reading side.
#[derive(Debug)]
pub(crate) struct Consumer {
    pipe: Arc<Pipe>,
    /// Where the next byte comes from.
    read: Position,
    /// How far the writer may overwrite.
    released: Position,
    /// Where the writer was seen. It may be further.
    written: Position,
    /// The writer was seen not to go further.
    ended: bool,
}

/// What is left to do when one side has gone away.
#[must_use = "the other side has to be woken"]
pub(crate) struct HangUp {
    /// The other side, if it is parked.
    pub(crate) to_wake: Option<Waker>,
    /// This side, if it had parked. Nobody waits there any more, but dropping a waker may run any
    /// code.
    pub(crate) to_drop: Option<Waker>,
}

// SAFETY: there is one producer for a pipe; `tail` points to a segment that this side may touch by
// rule 2 from whatever thread it is on, and the segment is Sync. `&self` gives access to atomics
// only.
unsafe impl Send for Producer {}
// SAFETY: as for Send.
unsafe impl Sync for Producer {}

impl Producer {
    /// Whether either side has closed the pipe, so that writing makes no sense any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.pipe.written.0.is_closed()
    }

    /// Copies as much from the front of `data` as there is room for, and returns how many bytes
    /// that is. The reader sees them after [`publish`](Producer::publish).
    pub(crate) fn push(&mut self, data: &[u8]) -> usize {
        let n = data.len().min(self.room_for(data.len()));
        if n == 0 {
            return 0;
        }
        if self.room_in_tail() < n {
            self.look_at_reader();
            if self.room_in_tail() < n {
                self.grow(n);
            }
        }
        // SAFETY: not null: there is room in it. The writer's by rule 2.
        let cells = unsafe { &(*self.tail).cells };
        let at = self.written.index(cells.capacity());
        let (before_wrap, after_wrap) = data[..n].split_at(n.min(cells.capacity() - at));
        // SAFETY: `index` is below the capacity, and neither part reaches beyond its end. They are
        // the next `n` bytes of the ring, of which at least `n` are the writer's by rule 1. What
        // the reader did there happened before it released them, which `look_at_reader` has
        // acquired.
        unsafe {
            cells.write(at, before_wrap);
            cells.write(0, after_wrap);
        }
        self.written = self.written.plus(n);
        n
    }

    /// Lets the reader see what was pushed. Returns it if it is parked, to be woken.
    #[must_use = "the reader has to be woken"]
    pub(crate) fn publish(&mut self) -> Option<Waker> {
        let n = self.written.since(self.published);
        self.published = self.written;
        self.pipe.written.0.advance(n)
    }

    /// Parks the writer until there is room, if there is none.
    pub(crate) fn park(&mut self, waker: &Waker) -> Park {
        if self.room_for(1) > 0 {
            return Park::Moved;
        }
        self.pipe.read.0.park(self.read, waker)
    }

    /// The end: the reader gets what was published and nothing more. Returns it if it is parked, to
    /// be woken.
    #[must_use = "the reader has to be woken"]
    pub(crate) fn close(&mut self) -> Option<Waker> {
        self.pipe.written.0.close()
    }

    /// The writer goes away: the end, as by [`close`](Producer::close), and nobody will wait for
    /// room.
    pub(crate) fn hang_up(&mut self) -> HangUp {
        HangUp {
            to_wake: self.pipe.written.0.close(),
            to_drop: self.pipe.read.0.unwait(),
        }
    }

    /// How many bytes the pipe takes; exact if it is less than `wanted`.
    fn room_for(&mut self, wanted: usize) -> usize {
        let room = self.pipe.capacity - self.written.since(self.read);
        if room >= wanted {
            return room;
        }
        self.look_at_reader();
        self.pipe.capacity - self.written.since(self.read)
    }

    fn room_in_tail(&self) -> usize {
        if self.tail.is_null() {
            return 0;
        }
        // SAFETY: not null, and the writer's by rule 2.
        let capacity = unsafe { (*self.tail).cells.capacity() };
        capacity - self.written.since(self.tail_floor)
    }

    fn look_at_reader(&mut self) {
        // The end of the reader's moves is of no interest here: it ends the writer's as well.
        (self.read, _) = self.pipe.read.0.load();
        if self.written.since(self.read) < self.written.since(self.tail_floor) {
            self.tail_floor = self.read;
        }
    }

    /// Links a segment with room for `n` bytes and makes it the tail.
    #[cold]
    fn grow(&mut self, n: usize) {
        let in_pipe = self.written.since(self.read);
        let bound = self.pipe.capacity.next_power_of_two();
        // What is in the pipe now will be read elsewhere, but counting it makes this the last
        // growth of a pipe that stays as full. It is at least a doubling: the tail is too small for
        // a part of it.
        let capacity = (in_pipe + n)
            .max(SMALLEST_SEGMENT)
            .next_power_of_two()
            .min(bound);
        let segment = Box::into_raw(Box::new(Segment {
            cells: Cells::new(capacity),
            next: AtomicPtr::new(ptr::null_mut()),
            end: AtomicU64::new(0),
        }));
        if self.tail.is_null() {
            // Relaxed: the reader looks here only after it has seen a published byte (rule 4), by
            // the Release of `Signal::advance`.
            self.pipe.head.store(segment, Ordering::Relaxed);
        } else {
            // SAFETY: not null, and the writer's by rule 2 until the store to `next`.
            let tail = unsafe { &*self.tail };
            tail.end.store(self.written.to_bits(), Ordering::Relaxed);
            // Release: pairs with the Acquire in `Consumer::pop`, which may see this before a byte
            // in the new segment is published. The last access to the old segment.
            tail.next.store(segment, Ordering::Release);
        }
        self.tail = segment;
        self.tail_floor = self.written;
    }
}

impl Consumer {
    /// Shows at most `max` bytes to `sink`, in order, in as many pieces as it takes, and counts
    /// them as read. The writer may use their room after [`release`](Consumer::release).
    ///
    /// Returns their number; 0 at the end (or if `max` is 0), `None` if there are none now.
    pub(crate) fn pop(&mut self, max: usize, mut sink: impl FnMut(&[u8])) -> Option<usize> {
        if self.written.since(self.read) < max {
            (self.written, self.ended) = self.pipe.written.0.load();
        }
        let n = self.written.since(self.read).min(max);
        if n == 0 && max > 0 && !self.ended {
            return None;
        }
        let mut left = n;
        while left > 0 {
            let head = self.pipe.head.load(Ordering::Relaxed);
            // SAFETY: not null, since a byte was published (rule 4), and the reader's by rule 3.
            let segment = unsafe { &*head };
            // Acquire: pairs with the Release in `Producer::grow`.
            let next = segment.next.load(Ordering::Acquire);
            let here = if next.is_null() {
                // Then all bytes that are published lie here, by rule 4.
                left
            } else {
                Position::from_bits(segment.end.load(Ordering::Relaxed)).since(self.read)
            };
            if here == 0 {
                self.pipe.head.store(next, Ordering::Relaxed);
                // SAFETY: made by `Box::into_raw`, and the reader's alone by rule 3.
                drop(unsafe { Box::from_raw(head) });
                continue;
            }
            let at = self.read.index(segment.cells.capacity());
            let piece = left.min(here).min(segment.cells.capacity() - at);
            // SAFETY: `piece` bytes from `at` do not reach beyond the end, and they are published:
            // written, and the reader's by rule 1 as long as it does not release them.
            unsafe { segment.cells.read(at, piece, &mut sink) };
            self.read = self.read.plus(piece);
            left -= piece;
        }
        Some(n)
    }

    /// Gives the room of what was read back to the writer. Returns it if it is parked, to be woken.
    #[must_use = "the writer has to be woken"]
    pub(crate) fn release(&mut self) -> Option<Waker> {
        let n = self.read.since(self.released);
        self.released = self.read;
        self.pipe.read.0.advance(n)
    }

    /// Parks the reader until there is something to read, if there is nothing.
    pub(crate) fn park(&mut self, waker: &Waker) -> Park {
        self.pipe.written.0.park(self.read, waker)
    }

    /// The reader goes away: the end, and nobody will wait for bytes.
    pub(crate) fn hang_up(&mut self) -> HangUp {
        // First what the writer looks at before each write, then what it waits for.
        let to_drop = self.pipe.written.0.close();
        HangUp {
            to_wake: self.pipe.read.0.close(),
            to_drop,
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut segment = self.head.load(Ordering::Relaxed);
        while !segment.is_null() {
            // SAFETY: made by `Box::into_raw`; both sides are gone, and the segments before it,
            // which the reader freed, are not in this list.
            let freed = unsafe { Box::from_raw(segment) };
            segment = freed.next.load(Ordering::Relaxed);
        }
    }
}
