//! What a file handle remembers between calls: the cursor operation in flight and what it left.
//!
//! ```text
//!            begin(..)                      finish(..), queue empty
//!   Idle ---------------> Busy(operation) ---------------------------> Idle
//!                          |          ^
//!                          | queue()  | finish(..), queue not empty: the same
//!                          +----------+ worker goes on with the queued bytes
//! ```
//!
//! Rules, cited by the code as C1 to C6:
//!
//! 1. At most one operation of a handle is at the kernel's cursor. Whoever wants the next one
//!    waits until the handle is idle; the operation's worker publishes the end and wakes all.
//! 2. Bytes that a read brought belong to the handle, not to the future that asked: they wait in
//!    `ahead` for the next read. Until then the kernel's cursor is `ahead.len()` further than the
//!    user's, which whoever moves or writes at the cursor first takes back.
//! 3. Bytes that a write accepted are on their way without another call on the handle. Only while
//!    an earlier write is in flight may later ones be queued behind it, and they go to the kernel
//!    when it ends.
//! 4. When a write fails, what was queued behind it is dropped: at its place in the file it would
//!    be wrong. The error is told once, by the next write, flush or sync.
//! 5. A positioned write whose future was dropped still runs. It is counted as an orphan until it
//!    ends, and no operation of the handle starts before.
//! 6. An operation whose job never ran, because the runtime shut down, ends as failed.
#![forbid(unsafe_code)]

use std::fs::File as StdFile;
use std::io::{self, IoSlice, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use super::jobs::Sought;
use super::ring_read::RingRead;
use crate::fs::pool::background_task_failed;
use crate::fs::strategy::Facts;
use crate::runtime::Handle;

/// The operation in flight at the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
    Seek,
    /// One that changes the file as a whole (`set_len`): later operations come after it.
    Whole,
}

/// Bytes read and not yet delivered.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    bytes: Vec<u8>,
    taken: usize,
}

impl Ahead {
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
    }

    /// How far the kernel's cursor is ahead of the user's (C2).
    pub(super) fn distance(&self) -> i64 {
        self.unread().len() as i64
    }
}

#[derive(Debug, Default)]
pub(super) struct Cursor {
    busy: Option<Operation>,
    pub(super) ahead: Ahead,
    /// How a read that nobody has heard of yet ended, if not with bytes: end of file or an error.
    pub(super) read_end: Option<io::Result<()>>,
    /// Bytes accepted behind the write in flight.
    queued: Vec<u8>,
    /// The read in flight, if it is one of the ring.
    ring_read: Option<RingRead>,
    pub(super) write_error: Option<io::Error>,
    pub(super) seek_end: Option<io::Result<u64>>,
    /// Where the last seek led.
    pub(super) position: u64,
    /// Positioned operations that were begun, by ticket; `true`: the future is gone (C5).
    writes_at: Vec<(u64, bool)>,
    next_ticket: u64,
    /// Counts whatever a waiting task may have waited for.
    ends: u64,
}

impl Cursor {
    pub(super) fn is_idle(&self) -> bool {
        self.busy.is_none()
    }

    pub(super) fn operation(&self) -> Option<Operation> {
        self.busy
    }

    /// Whether positioned operations and cursor operations have to wait for an orphan (C5).
    pub(super) fn has_orphans(&self) -> bool {
        self.writes_at.iter().any(|&(_, orphan)| orphan)
    }

    /// Idle to busy.
    pub(super) fn begin(&mut self, operation: Operation) {
        assert!(self.busy.is_none(), "one cursor operation at a time");
        assert!(self.queued.is_empty());
        self.busy = Some(operation);
        self.seek_end = None;
        if operation != Operation::Read {
            // Nobody asks any more how the last read ended.
            self.read_end = None;
        }
    }

    /// Gives the buffer for a read, empty.
    pub(super) fn take_read_buffer(&mut self) -> Vec<u8> {
        assert!(self.ahead.is_empty());
        let mut bytes = std::mem::take(&mut self.ahead).bytes;
        bytes.clear();
        bytes
    }

    /// Gives the buffer for a write, empty.
    pub(super) fn take_write_buffer(&mut self) -> Vec<u8> {
        assert!(self.queued.is_empty());
        std::mem::take(&mut self.queued)
    }

    pub(super) fn finish_read(&mut self, bytes: Vec<u8>, result: io::Result<usize>) {
        self.finish(Operation::Read);
        self.ahead = Ahead { bytes, taken: 0 };
        match result {
            Ok(0) => self.read_end = Some(Ok(())),
            Ok(n) => assert_eq!(n, self.ahead.unread().len()),
            Err(error) => self.read_end = Some(Err(error)),
        }
    }

    /// Takes as much of `bufs` behind the write in flight as leaves at most `max` queued; 0: full.
    pub(super) fn queue(&mut self, bufs: &[IoSlice<'_>], max: usize) -> usize {
        assert_eq!(self.busy, Some(Operation::Write));
        copy_bounded(&mut self.queued, bufs, max)
    }

    /// A write (of the accepted bytes in `written`) ended. Returns the bytes to write next: the
    /// same worker goes on and the handle stays busy.
    #[must_use = "queued bytes have to be written"]
    pub(super) fn finish_write(
        &mut self,
        mut written: Vec<u8>,
        result: io::Result<()>,
    ) -> Option<Vec<u8>> {
        match result {
            Ok(()) if !self.queued.is_empty() => {
                self.ends += 1; // There is room in the queue again.
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

    /// A seek ended, which has accounted for what was read ahead if it moved the cursor at all.
    pub(super) fn set_seek_end(&mut self, sought: Sought) {
        self.read_end = None;
        if matches!(sought, Ok(_) | Err((_, true))) {
            self.ahead.clear();
        }
        self.seek_end = Some(sought.map_err(|(error, _)| error));
    }

    pub(super) fn finish(&mut self, operation: Operation) {
        self.ends += 1;
        assert_eq!(self.busy.take(), Some(operation), "the end of another one");
    }

    /// C6.
    pub(super) fn abandon(&mut self) {
        self.ends += 1;
        match self.busy.take() {
            Some(Operation::Read) => self.read_end = Some(Err(background_task_failed())),
            Some(Operation::Write) => {
                self.queued = Vec::new();
                self.write_error.get_or_insert_with(background_task_failed);
            }
            Some(Operation::Seek) => self.set_seek_end(Err((background_task_failed(), false))),
            Some(Operation::Whole) => {}
            None => unreachable!("an idle handle has no job to lose"),
        }
    }

    pub(super) fn begin_write_at(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.writes_at.push((ticket, false));
        ticket
    }

    /// The future of a positioned write is gone; a no-op if the write ended before.
    pub(super) fn orphan_write_at(&mut self, ticket: u64) {
        if let Some(entry) = self.writes_at.iter_mut().find(|entry| entry.0 == ticket) {
            entry.1 = true;
        }
    }

    /// Returns whether somebody may be waiting for this end.
    #[must_use = "wake the waiters"]
    pub(super) fn finish_write_at(&mut self, ticket: u64) -> bool {
        let at = self.writes_at.iter().position(|entry| entry.0 == ticket);
        let at = at.expect("a positioned write ends once");
        self.ends += 1;
        self.writes_at.swap_remove(at).1
    }
}

/// Appends the beginning of `bufs` to `to`, up to a length of `max`; returns how much.
pub(super) fn copy_bounded(to: &mut Vec<u8>, bufs: &[IoSlice<'_>], max: usize) -> usize {
    let before = to.len();
    for buf in bufs {
        let room = max.saturating_sub(to.len());
        to.extend_from_slice(&buf[..buf.len().min(room)]);
    }
    to.len() - before
}

/// Where the user's `seek` leads the kernel's cursor, which is `ahead` bytes further (C2).
///
/// A `Current` so small that it underflows is made in two steps: first `ahead` back.
pub(super) fn account_for_ahead(seek: SeekFrom, ahead: i64) -> (Option<SeekFrom>, SeekFrom) {
    match seek {
        SeekFrom::Current(offset) if ahead > 0 => match offset.checked_sub(ahead) {
            Some(offset) => (None, SeekFrom::Current(offset)),
            None => (Some(SeekFrom::Current(-ahead)), seek),
        },
        _ => (None, seek),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The cursor and the tasks that wait for it to be idle.
#[derive(Debug, Default)]
pub(super) struct Shared {
    cursor: Mutex<Cursor>,
    /// A lock of its own: the operation in flight may wake while `cursor` is held.
    waiters: Mutex<Vec<Waker>>,
    /// Learned when first needed, or when the file was opened.
    pub(super) facts: OnceLock<Facts>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Cursor> {
        lock(&self.cursor)
    }

    /// Registers the task for the next end of an operation, which the caller has seen to be needed
    /// under the lock it hands over.
    pub(super) fn wait<T>(&self, seen: MutexGuard<'_, Cursor>, cx: &mut Context<'_>) -> Poll<T> {
        let ends = seen.ends;
        // A waker is foreign code: it is cloned, woken and dropped outside the lock. If an
        // operation ends meanwhile, the task looks again.
        drop(seen);
        let waker = cx.waker().clone();
        let cursor = self.lock();
        if cursor.ends == ends {
            // Under the cursor's lock, so the next end is published after it and finds it.
            lock(&self.waiters).push(waker);
        } else {
            drop(cursor);
            waker.wake();
        }
        Poll::Pending
    }

    /// To be called after the cursor's lock is let go.
    pub(super) fn wake_all(&self) {
        let waiters = std::mem::take(&mut *lock(&self.waiters));
        for waker in waiters {
            waker.wake();
        }
    }

    /// Ready when no cursor operation is in flight and no orphan writes. A read of the ring makes
    /// progress by this.
    pub(super) fn poll_idle<'a>(&'a self, cx: &mut Context<'_>) -> Poll<MutexGuard<'a, Cursor>> {
        loop {
            let mut cursor = self.lock();
            if cursor.is_idle() && !cursor.has_orphans() {
                return Poll::Ready(cursor);
            }
            // Polled outside the lock, for it may wake; others meanwhile see the handle busy.
            let Some(mut read) = cursor.ring_read.take() else {
                return self.wait(cursor, cx);
            };
            drop(cursor);
            // Before it is polled: its end may wake at once.
            let waker = cx.waker().clone();
            lock(&self.waiters).push(waker);
            match read.poll() {
                Poll::Pending => {
                    self.lock().ring_read = Some(read);
                    return Poll::Pending;
                }
                Poll::Ready((bytes, result)) => {
                    self.lock().finish_read(bytes, result);
                    self.wake_all();
                }
            }
        }
    }

    /// Starts a read of the ring into `buf`, of at most `max` bytes. The handle is busy with it.
    pub(super) fn begin_ring_read(
        self: &Arc<Self>,
        mut cursor: MutexGuard<'_, Cursor>,
        runtime: &Handle,
        std: Arc<StdFile>,
        max: usize,
    ) {
        cursor.begin(Operation::Read);
        let waker = Waker::from(Arc::new(WakeAll(Arc::downgrade(self))));
        let buf = cursor.take_read_buffer();
        cursor.ring_read = Some(RingRead::new(runtime, waker, std, buf, max));
    }
}

/// Wakes whoever waits for the handle, if it is still there.
struct WakeAll(Weak<Shared>);

impl Wake for WakeAll {
    fn wake(self: Arc<Self>) {
        if let Some(shared) = self.0.upgrade() {
            shared.wake_all();
        }
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
        cursor.orphan_write_at(a); // Ended before: nothing.
        assert!(!cursor.has_orphans());
    }

    #[test]
    fn a_lost_job_ends_its_operation_as_failed() {
        let mut cursor = Cursor::default();
        cursor.begin(Operation::Read);
        cursor.abandon();
        assert!(matches!(cursor.read_end.take(), Some(Err(_))));
        cursor.begin(Operation::Write);
        cursor.queue(&[IoSlice::new(b"abc")], 64);
        cursor.abandon();
        assert!(cursor.write_error.take().is_some());
        cursor.begin(Operation::Seek);
        cursor.abandon();
        assert!(matches!(cursor.seek_end, Some(Err(_))));
    }
}
