//! Whether a worker gets through its queue so fast that nobody should help it.
//!
//! A task that another worker takes brings its data along, cache line by cache line, and so do the
//! locks and queues that it shares with those left behind. To be woken for it costs both workers some
//! 20 µs besides. Tasks that wait for each other and run for a tenth of a microsecond at a time are
//! therefore done sooner by one worker than by two: eight at one semaphore ten times so.
//!
//! So a searcher takes only tasks that it has seen waiting, as the load balancer of Linux leaves
//! processes alone that ran a moment ago (`sched_migration_cost_ns` in sched(7)):
//!
//! ```text
//!              what was there is taken by its own worker
//!              within WAITING, in short polls
//!    steady --------------------------------------------> brisk
//!      ^                                                    |
//!      +----------------------------------------------------+
//!         the worker sleeps, or its polls get longer, or a turn of the driver has woken several
//!         tasks, or it is found stuck
//! ```
//!
//! A brisk worker calls nobody for what it puts in its own queue, and nobody takes anything from it,
//! unless that queue gets long. That is safe as long as it goes on like this: it is awake and comes to
//! each task in a moment. Should its next poll be a long one, the sentry finds it stuck (`sentry.rs`),
//! in a fifth of the usual time. A searcher may come too late with its verdict, when the worker has
//! slept or is in other work already; that, too, lasts until the worker's next lap or the sentry.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::queue::{Pointer, Thief};
use crate::loom::hint::spin_loop;

/// For so long a task must wait under a searcher's eyes before it is taken. Half of what it costs to
/// wake a worker for it.
const WAITING: Duration = Duration::from_micros(8);

/// Between two looks, each of which takes a cache line from the worker that is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_nanos(500);

/// Polls of a brisk worker are shorter on average.
const SHORT_POLL_NS: f32 = 1_000.0;

/// A queue of this length is no brisk worker's: it takes some microseconds even with the shortest polls.
const LONG_QUEUE: usize = 64;

/// After it has watched in vain a searcher takes so many tasks at sight.
const HASTE: u8 = 15;

/// What a worker does at the moment. Numbers and flags that nothing is published with, hence Relaxed;
/// where a wake-up depends on them, the fences of `idle.rs` order them.
pub(super) struct Pace {
    /// Begins and ends of polls: odd inside of one. Written by the worker.
    polls: AtomicU32,
    /// Set by a searcher, cleared by the worker and by the sentry.
    brisk: AtomicBool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Pace {
            polls: AtomicU32::new(0),
            brisk: AtomicBool::new(false),
        }
    }

    pub(super) fn begin_poll(&self) {
        self.polls.store(self.polls.load(Relaxed) | 1, Relaxed);
    }

    /// Does nothing if it was told already.
    pub(super) fn end_poll(&self) {
        let polls = self.polls.load(Relaxed);
        self.polls.store(polls.wrapping_add(polls & 1), Relaxed);
    }

    /// The worker is inside a task's poll, so what is in its queue waits. Otherwise it is about to take
    /// the next task itself.
    pub(super) fn is_polling(&self) -> bool {
        self.polls.load(Relaxed) & 1 == 1
    }

    /// Whether the worker is done with `queued` tasks in a moment.
    pub(super) fn is_brisk(&self, queued: usize) -> bool {
        self.brisk.load(Relaxed) && queued < LONG_QUEUE
    }

    pub(super) fn set_steady(&self) {
        if self.brisk.load(Relaxed) {
            self.brisk.store(false, Relaxed);
        }
    }

    /// The worker's polls took `mean_ns` lately.
    pub(super) fn note_polls(&self, mean_ns: f32) {
        if mean_ns > SHORT_POLL_NS {
            self.set_steady();
        }
    }
}

/// A searcher's patience.
pub(super) struct Patience {
    /// So many tasks are still taken at sight.
    haste: u8,
}

impl Patience {
    pub(super) fn new() -> Self {
        Patience { haste: 0 }
    }

    /// Watches the worker that `pace` and `queue` are of. Returns whether to leave it alone: because it
    /// takes itself what is there now, and then it is brisk from now on, or because there is something
    /// else to do, as `is_wanted` says.
    pub(super) fn leaves_alone<T: Pointer>(
        &mut self,
        pace: &Pace,
        queue: &Thief<T>,
        is_wanted: impl Fn() -> bool,
    ) -> bool {
        if self.haste > 0 {
            self.haste -= 1;
            return false;
        }
        let (taken, waiting) = (queue.taken(), queue.len());
        if waiting >= LONG_QUEUE {
            return false;
        }
        let polls = pace.polls.load(Relaxed);
        let start = Instant::now();
        let mut look = BETWEEN_LOOKS;
        while look <= WAITING {
            while start.elapsed() < look {
                (0..8).for_each(|_| spin_loop());
            }
            look += BETWEEN_LOOKS;
            if is_wanted() {
                return true;
            }
            if queue.taken().wrapping_sub(taken) < waiting {
                continue;
            }
            // Others may have taken them, from a worker in a long poll; and this thread may not have
            // run for a while.
            let polled = pace.polls.load(Relaxed).wrapping_sub(polls) / 2;
            if start.elapsed().as_nanos() as f32 > polled as f32 * SHORT_POLL_NS {
                break;
            }
            pace.brisk.store(true, Relaxed);
            return true;
        }
        self.haste = HASTE;
        false
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::queue;
    use super::*;
    use std::thread;

    fn waiting(tasks: u32) -> (queue::Local<Box<u32>>, Thief<Box<u32>>) {
        let (local, thief) = queue::new(256);
        for task in 0..tasks {
            assert!(local.push_back(Box::new(task)).is_none());
        }
        (local, thief)
    }

    fn run_one(pace: &Pace, local: &queue::Local<Box<u32>>) {
        let task = local.pop().expect("it never runs out");
        pace.begin_poll();
        assert!(local.push_back(task).is_none());
        pace.end_poll();
    }

    #[test]
    fn who_takes_its_tasks_itself_is_brisk() {
        let pace = Pace::new();
        let (local, thief) = waiting(8);
        thread::scope(|scope| {
            let searcher = scope.spawn(|| {
                // One of the two threads may be kept from running at any moment.
                let give_up = Instant::now() + Duration::from_secs(10);
                while !Patience::new().leaves_alone(&pace, &thief, || false) {
                    assert!(Instant::now() < give_up, "no task was taken");
                }
            });
            while !searcher.is_finished() {
                run_one(&pace, &local);
            }
        });
        assert!(pace.is_brisk(8) && !pace.is_brisk(LONG_QUEUE));
        pace.note_polls(SHORT_POLL_NS / 2.0);
        assert!(pace.is_brisk(8), "polls are short");
        pace.note_polls(SHORT_POLL_NS * 2.0);
        assert!(!pace.is_brisk(0), "a poll was long");
    }

    #[test]
    fn who_is_in_a_long_poll_is_not_brisk_though_others_take_its_tasks() {
        let pace = Pace::new();
        let (_local, thief) = waiting(8);
        let (other, _) = queue::new(256);
        pace.begin_poll();
        let take_all = || {
            drop(thief.steal_into(&other));
            false
        };
        assert!(!Patience::new().leaves_alone(&pace, &thief, take_all));
        assert!(!pace.is_brisk(0));
    }

    #[test]
    fn who_waited_in_vain_does_not_wait_again_soon() {
        let pace = Pace::new();
        let (_local, thief) = waiting(1);
        let mut patience = Patience::new();
        assert!(!patience.leaves_alone(&pace, &thief, || false));
        for _ in 0..HASTE {
            assert!(!patience.leaves_alone(&pace, &thief, || unreachable!("it does not wait")));
        }
        let looks = std::cell::Cell::new(0);
        let something_else = || {
            looks.set(looks.get() + 1);
            true
        };
        assert!(patience.leaves_alone(&pace, &thief, something_else));
        assert_eq!(looks.get(), 1, "it waits again, but not for long");
        assert!(!pace.is_brisk(0), "that says nothing of the worker");
    }

    #[test]
    fn nobody_waits_beside_a_long_queue() {
        let (_local, thief) = waiting(LONG_QUEUE as u32);
        let wait = || unreachable!("it does not wait");
        assert!(!Patience::new().leaves_alone(&Pace::new(), &thief, wait));
    }

    /// Told twice, the end of a poll counts once.
    #[test]
    fn polls_begin_and_end() {
        let pace = Pace::new();
        for _ in 0..3 {
            assert!(!pace.is_polling());
            pace.begin_poll();
            assert!(pace.is_polling());
            pace.end_poll();
            pace.end_poll();
        }
        assert_eq!(pace.polls.load(Relaxed), 6);
    }
}
