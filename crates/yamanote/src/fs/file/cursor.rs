//! What a file handle remembers between calls: the operation in flight at the cursor, and what
//! earlier ones left.
//!
//! ```text
//!            begin(..)                      finish(..), queue empty
//!   Idle ---------------> Busy(operation) ---------------------------> Idle
//!                          |          ^
//!                          | queue()  | finish(..), queue not empty: the same
//!                          +----------+ worker goes on with the queued bytes
//! ```
//!
//! Rules, cited by the code as C1 to C7:
//!
//! 1. At most one operation of a handle is at the kernel's cursor. A call that needs the next one
//!    waits until the handle is idle ([`super::shared`]); the operation's worker publishes its end
//!    and wakes all.
//! 2. Bytes that a read brought belong to the handle, not to the future that asked: they wait in
//!    `ahead` for the next read, as do those in the pipe of a copy. Until then the kernel's
//!    cursor is further than the user's by their number. An operation that moves the cursor or
//!    writes at it first takes the cursor back.
//! 3. Bytes that a write accepted are on their way without another call on the handle. Later writes
//!    may be queued only behind a write in flight, and go to the kernel when it ends.
//! 4. When a write fails, what was queued behind it is dropped: it would end up at the wrong place
//!    in the file. The error is reported once, by the next write, flush or sync.
//! 5. A positioned write whose future was dropped still runs. It counts as an orphan until it ends,
//!    and no operation of the handle starts before that.
//! 6. An operation whose job never ran, because the runtime shut down, ends as failed.
//! 7. A sync that is asked for while a write is in flight is done by that write's worker, after it
//!    has published the write's end: one thread is woken for both, and nobody else waits for the
//!    disk.
#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};

use crate::fs::pool::background_task_failed;

/// The operation in flight at the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
    Seek,
    /// A change of the file as a whole (`set_len`): later operations come after it.
    Whole,
    /// A copy by the kernel, to or from another file.
    Copy,
}

/// Bytes read and not yet delivered.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    bytes: Vec<u8>,
    taken: usize,
    /// Bytes in the pipe of a copy, which has not delivered them yet. If it never does, because it
    /// was dropped, they have to be read again.
    in_pipe: u64,
}

impl ReadAhead {
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }

    pub(super) fn consume(&mut self, n: usize) {
        assert!(n <= self.unread().len(), "delivered more than was read");
        self.taken += n;
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.taken = 0;
        self.in_pipe = 0;
    }

    /// How far the kernel's cursor is ahead of the user's (C2).
    pub(super) fn distance(&self) -> i64 {
        self.unread().len() as i64 + self.in_pipe as i64
    }

    /// The kernel put `count` bytes into the pipe of a copy.
    pub(super) fn put_in_pipe(&mut self, count: u64) {
        assert!(self.is_empty(), "the bytes that are here come first");
        self.in_pipe += count;
    }

    /// The copy delivered `count` bytes of its pipe.
    pub(super) fn deliver(&mut self, count: u64) {
        // A write at the cursor may have taken it back meanwhile.
        self.in_pipe = self.in_pipe.saturating_sub(count);
    }
}

#[derive(Debug, Default)]
pub(super) struct Cursor {
    busy: Option<Operation>,
    pub(super) ahead: ReadAhead,
    /// How the last read ended, if not with bytes, and until it is reported: end of file or an
    /// error.
    pub(super) read_end: Option<io::Result<()>>,
    /// Bytes accepted behind the write in flight.
    queued: Vec<u8>,
    /// What the worker of the write in flight does afterwards (C7).
    followers: Vec<Follower>,
    pub(super) write_error: Option<io::Error>,
    pub(super) seek_end: Option<io::Result<u64>>,
    /// Where the last seek led.
    pub(super) position: u64,
    /// The positioned writes under way (C5).
    positioned_writes: Vec<PositionedWrite>,
    next_ticket: u64,
}

#[derive(Debug)]
struct PositionedWrite {
    ticket: u64,
    /// Its future is gone.
    is_orphan: bool,
}

/// Why a seek failed.
#[derive(Debug)]
pub(super) struct SeekError {
    pub(super) error: io::Error,
    /// Whether the first of two steps was made, which took the cursor back over what was read
    /// ahead.
    pub(super) has_moved: bool,
}

impl SeekError {
    /// The cursor did not move.
    pub(super) fn before(error: io::Error) -> SeekError {
        SeekError {
            error,
            has_moved: false,
        }
    }
}

/// A call on the file, which sends its result to the future that asked for it.
pub(super) struct Follower(pub(super) Box<dyn FnOnce() + Send>);

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Follower")
    }
}

impl Cursor {
    pub(super) fn is_idle(&self) -> bool {
        self.busy.is_none()
    }

    /// Whether an operation at the cursor may begin.
    pub(super) fn is_free(&self) -> bool {
        self.is_idle() && !self.has_orphans()
    }

    pub(super) fn operation(&self) -> Option<Operation> {
        self.busy
    }

    /// Whether the handle's operations have to wait for an orphan (C5).
    pub(super) fn has_orphans(&self) -> bool {
        self.positioned_writes.iter().any(|write| write.is_orphan)
    }

    /// Idle to busy.
    pub(super) fn begin(&mut self, operation: Operation) {
        assert!(self.busy.is_none(), "one cursor operation at a time");
        assert!(self.queued.is_empty());
        self.busy = Some(operation);
        self.seek_end = None;
        if operation != Operation::Read {
            // Nobody will ask how the last read ended.
            self.read_end = None;
        }
    }

    /// An empty buffer for a read.
    pub(super) fn take_read_buffer(&mut self) -> Vec<u8> {
        assert!(self.ahead.is_empty());
        self.ahead.taken = 0;
        let mut bytes = std::mem::take(&mut self.ahead.bytes);
        bytes.clear();
        bytes
    }

    /// An empty buffer for a write.
    pub(super) fn take_write_buffer(&mut self) -> Vec<u8> {
        assert!(self.queued.is_empty());
        std::mem::take(&mut self.queued)
    }

    pub(super) fn finish_read(&mut self, bytes: Vec<u8>, result: io::Result<usize>) {
        self.finish(Operation::Read);
        (self.ahead.bytes, self.ahead.taken) = (bytes, 0);
        match result {
            Ok(0) => self.read_end = Some(Ok(())),
            Ok(n) => assert_eq!(n, self.ahead.unread().len()),
            Err(error) => self.read_end = Some(Err(error)),
        }
    }

    /// Queues the beginning of `bufs` behind the write in flight, up to `max` queued bytes in all;
    /// returns how much. 0: the queue is full.
    pub(super) fn queue(&mut self, bufs: &[IoSlice<'_>], max: usize) -> usize {
        assert_eq!(self.busy, Some(Operation::Write));
        copy_bounded(&mut self.queued, bufs, max)
    }

    /// A write of `written` ended. Returns the bytes to write next, if there are any: the same
    /// worker goes on, and the handle stays busy.
    #[must_use = "queued bytes have to be written"]
    pub(super) fn finish_write(
        &mut self,
        mut written: Vec<u8>,
        result: io::Result<()>,
    ) -> Option<Vec<u8>> {
        match result {
            Ok(()) if !self.queued.is_empty() => {
                written.clear();
                return Some(std::mem::replace(&mut self.queued, written));
            }
            Ok(()) => {
                written.clear();
                self.queued = written; // For the next write's bytes.
            }
            Err(error) => {
                self.queued = Vec::new(); // C4
                self.write_error.get_or_insert(error);
            }
        }
        self.finish(Operation::Write);
        None
    }

    /// Leaves `follower` to the worker of the write in flight (C7).
    pub(super) fn follow_write(&mut self, follower: Follower) {
        assert_eq!(self.busy, Some(Operation::Write));
        self.followers.push(follower);
    }

    /// To be called when the write has ended, under the same lock.
    #[must_use = "somebody waits for them"]
    pub(super) fn take_followers(&mut self) -> Vec<Follower> {
        std::mem::take(&mut self.followers)
    }

    /// A seek ended. If it moved the cursor at all, it has accounted for what was read ahead.
    pub(super) fn set_seek_end(&mut self, end: Result<u64, SeekError>) {
        self.read_end = None;
        let has_moved = match &end {
            Ok(_) => true,
            Err(error) => error.has_moved,
        };
        if has_moved {
            self.ahead.clear();
        }
        self.seek_end = Some(end.map_err(|error| error.error));
    }

    pub(super) fn finish(&mut self, operation: Operation) {
        assert_eq!(
            self.busy.take(),
            Some(operation),
            "the end of another operation"
        );
    }

    /// C6. The followers have to be dropped outside the lock.
    #[must_use = "their drop tells those who wait for them"]
    pub(super) fn abandon(&mut self) -> Vec<Follower> {
        match self.busy.take() {
            Some(Operation::Read) => self.read_end = Some(Err(background_task_failed())),
            Some(Operation::Write) => {
                self.queued = Vec::new();
                self.write_error.get_or_insert_with(background_task_failed);
            }
            Some(Operation::Seek) => {
                self.set_seek_end(Err(SeekError::before(background_task_failed())));
            }
            Some(Operation::Whole | Operation::Copy) => {}
            None => unreachable!("an idle handle has no job to lose"),
        }
        self.take_followers()
    }

    pub(super) fn begin_write_at(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.positioned_writes.push(PositionedWrite {
            ticket,
            is_orphan: false,
        });
        ticket
    }

    /// The future of a positioned write is gone. Does nothing if the write has ended before.
    pub(super) fn orphan_write_at(&mut self, ticket: u64) {
        let mut writes = self.positioned_writes.iter_mut();
        if let Some(write) = writes.find(|write| write.ticket == ticket) {
            write.is_orphan = true;
        }
    }

    /// Returns whether somebody may be waiting for this write's end.
    #[must_use = "wake the waiters"]
    pub(super) fn finish_write_at(&mut self, ticket: u64) -> bool {
        let mut writes = self.positioned_writes.iter();
        let at = writes.position(|write| write.ticket == ticket);
        let at = at.expect("a positioned write ends once");
        self.positioned_writes.swap_remove(at).is_orphan
    }
}

/// Appends the beginning of `bufs` to `to`, until that is `max` long; returns how much.
pub(super) fn copy_bounded(to: &mut Vec<u8>, bufs: &[IoSlice<'_>], max: usize) -> usize {
    let before = to.len();
    for buf in bufs {
        let room = max.saturating_sub(to.len());
        to.extend_from_slice(&buf[..buf.len().min(room)]);
    }
    to.len() - before
}

/// The user's `seek` for the kernel's cursor, which is `ahead` bytes further (C2).
///
/// A `Current` that would underflow is made in two steps, of which the first takes `ahead` back.
pub(super) fn account_for_ahead(seek: SeekFrom, ahead: i64) -> (Option<SeekFrom>, SeekFrom) {
    match seek {
        SeekFrom::Current(offset) if ahead > 0 => match offset.checked_sub(ahead) {
            Some(offset) => (None, SeekFrom::Current(offset)),
            None => (Some(SeekFrom::Current(-ahead)), seek),
        },
        _ => (None, seek),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_queue_behind_the_one_in_flight_and_follow_it() {
        let mut cursor = Cursor::default();
        cursor.begin(Operation::Write);
        assert_eq!(
            cursor.queue(&[IoSlice::new(b"abc"), IoSlice::new(b"def")], 4),
            4
        );
        assert_eq!(cursor.queue(&[IoSlice::new(b"x")], 4), 0);
        let next = cursor.finish_write(Vec::new(), Ok(()));
        assert_eq!(next.as_deref(), Some(&b"abcd"[..]));
        assert!(!cursor.is_idle());
        assert!(cursor.finish_write(next.unwrap(), Ok(())).is_none());
        assert!(cursor.is_idle());
    }

    #[test]
    fn what_follows_a_failed_write_is_dropped_and_the_first_error_kept() {
        let mut cursor = Cursor::default();
        cursor.begin(Operation::Write);
        cursor.queue(&[IoSlice::new(b"abc")], 64);
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        assert!(cursor.finish_write(Vec::new(), Err(full)).is_none());
        assert!(cursor.is_idle());
        let error = cursor.write_error.take().unwrap();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    }

    #[test]
    fn a_read_nobody_waited_for_is_kept() {
        let mut cursor = Cursor::default();
        cursor.begin(Operation::Read);
        let mut bytes = cursor.take_read_buffer();
        bytes.extend_from_slice(b"hello");
        cursor.finish_read(bytes, Ok(5));
        cursor.ahead.consume(2);
        assert_eq!(cursor.ahead.unread(), b"llo");
        assert_eq!(cursor.ahead.distance(), 3);
    }

    #[test]
    fn seeks_account_for_bytes_read_ahead() {
        let current = SeekFrom::Current;
        assert_eq!(account_for_ahead(current(10), 3), (None, current(7)));
        assert_eq!(
            account_for_ahead(SeekFrom::Start(5), 3),
            (None, SeekFrom::Start(5))
        );
        assert_eq!(
            account_for_ahead(current(i64::MIN), 3),
            (Some(current(-3)), current(i64::MIN))
        );
    }

    #[test]
    fn an_orphan_counts_until_it_ends() {
        let mut cursor = Cursor::default();
        let (a, b) = (cursor.begin_write_at(), cursor.begin_write_at());
        assert!(!cursor.has_orphans());
        cursor.orphan_write_at(a);
        assert!(cursor.has_orphans());
        assert!(!cursor.finish_write_at(b));
        assert!(cursor.finish_write_at(a));
        assert!(!cursor.has_orphans());
        cursor.orphan_write_at(a); // It has ended before: nothing happens.
        assert!(!cursor.has_orphans());
    }

    #[test]
    fn a_lost_job_ends_its_operation_as_failed() {
        let mut cursor = Cursor::default();
        cursor.begin(Operation::Read);
        assert!(cursor.abandon().is_empty());
        assert!(matches!(cursor.read_end.take(), Some(Err(_))));
        cursor.begin(Operation::Write);
        cursor.queue(&[IoSlice::new(b"abc")], 64);
        assert!(cursor.abandon().is_empty());
        assert!(cursor.write_error.take().is_some());
        cursor.begin(Operation::Seek);
        assert!(cursor.abandon().is_empty());
        assert!(matches!(cursor.seek_end, Some(Err(_))));
    }
}
