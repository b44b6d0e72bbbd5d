//! A handle's cursor, and the tasks that wait for what happens to it.
//!
//! 1. A waiting task first leaves its waker and then looks at the cursor. A change of the cursor is
//!    made under its lock, and the wake-up follows. So one of the two sees the other.
//! 2. The poll functions have a place for one waker per side, because their traits promise to wake
//!    only the last caller. There are two sides, because the halves of a split file may be polled
//!    by two tasks.
//! 3. The other methods wait in futures of their own, which take their wakers with them when they
//!    are dropped. So nothing grows with the number of polls or of waits that were given up.
#![forbid(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use super::cursor::Cursor;
use crate::fs::mount::Mount;
use crate::fs::strategy::Facts;
use crate::loom::sync::{Mutex, MutexGuard};
use crate::sync::Notify;
use crate::sync::atomic_waker::AtomicWaker;
use crate::util::first_panic::FirstPanic;
use crate::util::poison::unpoisoned;
use crate::util::trace::trace_leaf;

#[cfg(all(test, loom))]
mod loom_tests;

/// Who polls: the reader, or the task that writes, flushes or seeks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Reader,
    Writer,
}

/// What the handle shares with its operations.
#[derive(Debug)]
pub(super) struct Shared {
    cursor: Mutex<Cursor>,
    reader: AtomicWaker,
    writer: AtomicWaker,
    /// The waiting futures of rule 3.
    futures: Notify,
    /// Learned when first needed, or when the file was opened.
    pub(super) facts: OnceLock<Facts>,
    /// Whether handing an operation to the ring was ever timed.
    was_timed: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        Shared {
            cursor: Mutex::new(Cursor::default()),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            futures: Notify::new(),
            facts: OnceLock::new(),
            was_timed: AtomicBool::new(false),
        }
    }
}

impl Shared {
    /// Whether the next hand-over of an operation to the ring should be timed: the first one of
    /// each file is, and now and then another.
    pub(super) fn is_timing_due(&self, mount: &Mount) -> bool {
        // Relaxed: two at the same time both count as the first.
        let is_first = !self.was_timed.load(Relaxed);
        if is_first {
            self.was_timed.store(true, Relaxed);
        }
        mount.is_timing_due() || is_first
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Cursor> {
        unpoisoned(self.cursor.lock())
    }

    /// Ready as soon as `look` finds an answer. For one task per side at a time.
    pub(super) fn poll_until<'a, T>(
        &'a self,
        side: Side,
        cx: &mut Context<'_>,
        mut look: impl FnMut(MutexGuard<'a, Cursor>) -> Option<T>,
    ) -> Poll<T> {
        if let Some(answer) = look(self.lock()) {
            return Poll::Ready(answer);
        }
        ready!(trace_leaf(cx));
        match side {
            Side::Reader => self.reader.register(cx.waker()),
            Side::Writer => self.writer.register(cx.waker()),
        }
        // Rule 1.
        look(self.lock()).map_or(Poll::Pending, Poll::Ready)
    }

    /// Ready, with the cursor, when the next operation may begin.
    pub(super) fn poll_free(
        &self,
        side: Side,
        cx: &mut Context<'_>,
    ) -> Poll<MutexGuard<'_, Cursor>> {
        self.poll_until(side, cx, |cursor| cursor.is_free().then_some(cursor))
    }

    /// Waits until `look` finds an answer. Any number of tasks.
    pub(super) async fn until<T>(
        &self,
        mut look: impl FnMut(MutexGuard<'_, Cursor>) -> Option<T>,
    ) -> T {
        loop {
            if let Some(answer) = look(self.lock()) {
                return answer;
            }
            // It is notified of what happens from now on.
            let changed = self.futures.notified();
            if let Some(answer) = look(self.lock()) {
                return answer;
            }
            changed.await;
        }
    }

    /// Wakes all who wait, to look again. To be called after the cursor's lock was let go.
    pub(super) fn wake_all(&self) {
        let mut panics = FirstPanic::default();
        panics.catch(|| self.reader.wake());
        panics.catch(|| self.writer.wake());
        panics.catch(|| self.futures.notify_waiters());
        panics.resume();
    }
}
