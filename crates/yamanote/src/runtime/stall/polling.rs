//! What a worker is polling, as other threads see it.
//!
//! # The promise
//!
//! [`Polling::look`] returns what was polled at one moment, id and location of the same task, or
//! nothing; and it touches no task, so it may be called however long ago that task has ended. Two
//! looks that return the same `count` have seen the same poll.
//!
//! # How it is kept
//!
//! The id and the location are copied into the cell: a location lives as long as the program. The
//! count of begins and ends, odd inside of a poll, stands around them:
//!
//! ```text
//!   owner                                look
//!   ----------------------------------   ------------------------
//!   count := even        (end)           count, must be odd     A
//!   id, location         (begin)   B     id, location
//!   count := odd         (begin)   A     fence                  B
//!                                        count, must be the same
//! ```
//!
//! A: the Release store of an odd count and the Acquire load that reads it. What is read then is of
//! that poll or of a later one. B: if it is of a later one, the Release store that was read and the
//! fence let the last load see at least the even count before it.

use crate::loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};
use crate::runtime::task::{Id, Meta};
use std::panic::Location;
use std::ptr;

use super::Rouser;

/// Written by the thread that is the worker. When another thread becomes it, a lock hands the cell
/// over.
pub(crate) struct Polling {
    /// Begins and ends of polls.
    count: AtomicUsize,
    /// 0 for a future that is no task: that of `block_on`.
    id: AtomicU64,
    spawned_at: AtomicPtr<Location<'static>>,
    /// The thread that is the worker; 0 before there was one.
    thread: AtomicUsize,
    /// The worker runs tasks, or is about to: it was not put to sleep.
    awake: AtomicBool,
    rouser: Option<&'static Rouser>,
}

/// A future as a worker polls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Polled {
    /// `None` for the future of `block_on`.
    pub(crate) id: Option<Id>,
    /// Where it was spawned, or `block_on` called.
    pub(crate) spawned_at: &'static Location<'static>,
}

impl From<&Meta> for Polled {
    fn from(meta: &Meta) -> Polled {
        Polled {
            id: Some(meta.id),
            spawned_at: meta.spawned_at,
        }
    }
}

/// What a look has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) count: usize,
    /// `None` between two polls.
    pub(crate) polled: Option<Polled>,
}

impl Polling {
    /// Of a worker that the watchdog, if there is one, looks after.
    pub(crate) fn new(rouser: Option<&'static Rouser>) -> Polling {
        Polling {
            count: AtomicUsize::new(0),
            id: AtomicU64::new(0),
            spawned_at: AtomicPtr::new(ptr::null_mut()),
            thread: AtomicUsize::new(0),
            awake: AtomicBool::new(false),
            rouser,
        }
    }

    /// A poll begins.
    #[inline]
    pub(crate) fn begin(&self, polled: Polled) {
        let count = self.count.load(Relaxed); // the owner's
        debug_assert!(count & 1 == 0, "a poll within a poll");
        // Release, both: B, with the fence in `look`.
        self.id.store(polled.id.map_or(0, Id::number), Release);
        let spawned_at = ptr::from_ref(polled.spawned_at).cast_mut();
        self.spawned_at.store(spawned_at, Release);
        // Release: A, with the first load in `look`.
        self.count.store(count | 1, Release);
    }

    /// It is over. Does nothing outside of a poll.
    #[inline]
    pub(crate) fn end(&self) {
        let count = self.count.load(Relaxed); // the owner's
        // Relaxed: the stores of the next `begin` publish it (B).
        self.count.store(count.wrapping_add(count & 1), Relaxed);
    }

    /// As [`end`](Self::end), inside of a poll.
    #[inline]
    pub(crate) fn end_begun(&self) {
        let count = self.count.load(Relaxed); // the owner's
        debug_assert!(count & 1 == 1, "no poll has begun");
        // Relaxed: as above.
        self.count.store(count.wrapping_add(1), Relaxed);
    }

    /// Begins and ends of polls so far, odd inside of one. A number that nothing is published with.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// For polls inside of this one, until it is dropped.
    pub(crate) fn inside(polling: Option<&Polling>) -> Inside<'_> {
        let inside = polling.and_then(|polling| Some((polling, polling.look().polled?)));
        Inside(inside)
    }

    pub(crate) fn look(&self) -> Sight {
        // Acquire: A, with the last store in `begin`.
        let count = self.count.load(Acquire);
        let nothing = Sight {
            count,
            polled: None,
        };
        if count & 1 == 0 {
            return nothing;
        }
        let id = self.id.load(Relaxed); // the fence
        let spawned_at = self.spawned_at.load(Relaxed); // the fence
        // B, with the first two stores in `begin`.
        fence(Acquire);
        if self.count.load(Relaxed) != count {
            return nothing;
        }
        // SAFETY: null, or from a `&'static`; the pointee is never written.
        let spawned_at = unsafe { spawned_at.as_ref() };
        let polled = spawned_at.map(|spawned_at| Polled {
            id: Id::from_number(id),
            spawned_at,
        });
        Sight { count, polled }
    }

    /// The calling thread is the worker from now on.
    pub(crate) fn enter(&self, thread: i32) {
        // Relaxed: for reports, which may err where the worker changes threads.
        self.thread.store(thread as usize, Relaxed);
    }

    /// The kernel's number of the thread that is, or was last, the worker.
    pub(crate) fn thread(&self) -> Option<i32> {
        match self.thread.load(Relaxed) {
            0 => None,
            thread => Some(thread as i32),
        }
    }

    /// The worker has something to do, perhaps after a sleep.
    pub(crate) fn wake_up(&self) {
        let Some(rouser) = self.rouser else {
            return;
        };
        // Relaxed: the fence in `rouse`.
        self.awake.store(true, Relaxed);
        rouser.rouse();
    }

    /// The worker goes to sleep, or ends.
    pub(crate) fn fall_asleep(&self) {
        self.awake.store(false, Relaxed); // the watchdog looks again, in vain
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.awake.load(Relaxed) // the fence in `Rouser::lie_down`
    }
}

/// Tasks that are polled by a task, as those of a `LocalSet` are: the innermost poll counts. Its
/// drop goes back to the outer one.
pub(crate) struct Inside<'a>(Option<(&'a Polling, Polled)>);

impl Inside<'_> {
    /// A poll begins, and the one before it, of the same task or of another one inside, is over.
    #[inline]
    pub(crate) fn begin(&self, polled: Polled) {
        if let Some((polling, _)) = self.0 {
            polling.end();
            polling.begin(polled);
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if let Some((_, outer)) = self.0 {
            self.begin(outer);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::thread;

    #[track_caller]
    fn task(number: u64) -> Polled {
        Polled {
            id: Id::from_number(number),
            spawned_at: Location::caller(),
        }
    }

    /// The promise, as far as this machine's reordering puts it to the test.
    #[test]
    fn a_look_sees_one_task_or_none() {
        const POLLS: usize = if cfg!(miri) { 200 } else { 1_000_000 };
        let (tasks, polling) = ([task(1), task(2)], Polling::new(None));
        let mut seen = 0;
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                for poll in 0..POLLS {
                    polling.begin(tasks[poll % 2]);
                    polling.end();
                }
            });
            while !worker.is_finished() {
                let sight = polling.look();
                if let Some(polled) = sight.polled {
                    assert_eq!(polled, tasks[sight.count / 2 % 2]);
                    seen += 1;
                }
            }
        });
        assert_eq!((polling.count(), polling.look().polled), (2 * POLLS, None));
        polling.begin(tasks[0]);
        assert_eq!(
            polling.look().polled,
            Some(tasks[0]),
            "seen {seen} times before"
        );
    }
}
