//! Whether a worker gets through its queue so fast that nobody should help it.
//!
//! A task that another worker takes brings its data along, cache line by cache line, and so do the
//! locks and queues that it shares with those left behind. Waking a worker for it costs both
//! workers some 20 µs besides. Tasks that wait for each other and run for a tenth of a microsecond
//! at a time are therefore done sooner by one worker than by two: eight at one semaphore, ten times
//! sooner.
//!
//! So a searcher takes only tasks that it has seen waiting, as the load balancer of Linux leaves
//! processes alone that ran a moment ago (`sched_migration_cost_ns` in sched(7)):
//!
//! ```text
//!              its worker took all that was there
//!              within WAITING, in short polls
//!   ordinary --------------------------------------> short polls
//!      ^                                                  |
//!      +--------------------------------------------------+
//!         the worker sleeps, or its polls get longer, or a turn of the driver has woken several
//!         tasks, or it is found stuck
//! ```
//!
//! A worker with short polls calls nobody for what it puts in its own queue, and nobody takes
//! anything from it, unless that queue gets long. That is safe while its polls stay short: it is
//! awake and comes to each task in a moment. Should its next poll be a long one, the sentry finds
//! it stuck (`sentry.rs`), in a fifth of the usual time. A searcher's verdict may come too late,
//! when the worker has slept or does other work already; that, too, lasts until the worker's next
//! lap or the sentry.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::queue::{Pointer, Thief};
use crate::runtime::stall::{Polling, Rouser};
use crate::util::spin::spin_until;

/// A searcher takes a task only after it has watched it wait this long: half of what it costs to
/// wake a worker for it.
const WAITING: Duration = Duration::from_micros(8);

/// Between two looks, each of which takes a cache line from the worker looked at.
const BETWEEN_LOOKS: Duration = Duration::from_nanos(500);

/// Polls are short if they take less on average.
const SHORT_POLL_NS: f32 = 1_000.0;

/// With a queue of this length a worker needs help: it takes some microseconds even with the
/// shortest polls.
const LONG_QUEUE: usize = 64;

/// After a searcher has watched in vain, it takes this many tasks without watching.
const UNWATCHED: u8 = 15;

/// What a worker does at the moment. A number and a flag that nothing is published with, hence
/// Relaxed; where a wake-up depends on them, the fences of `idle/mod.rs` order them.
pub(super) struct Pace {
    /// Written by the worker.
    polling: Polling,
    /// Set by a searcher, cleared by the worker and by the sentry.
    short_polls: AtomicBool,
}

impl Pace {
    pub(super) fn new(rouser: Option<&'static Rouser>) -> Self {
        Pace {
            polling: Polling::new(rouser),
            short_polls: AtomicBool::new(false),
        }
    }

    pub(super) fn polling(&self) -> &Polling {
        &self.polling
    }

    /// Twice the polls begun so far; wraps.
    pub(super) fn begun(&self) -> u32 {
        let polls = self.polling.count() as u32;
        polls.wrapping_add(polls & 1)
    }

    /// The worker is inside a task's poll, so what is in its queue waits. Otherwise it is about to
    /// take the next task itself.
    pub(super) fn is_polling(&self) -> bool {
        self.polling.count() & 1 == 1
    }

    /// Whether siblings should come, or be called, for the `queued` tasks of this worker. With
    /// short polls it is done with them in a moment.
    pub(super) fn needs_help_with(&self, queued: usize) -> bool {
        !self.has_short_polls() || queued >= LONG_QUEUE
    }

    pub(super) fn has_short_polls(&self) -> bool {
        self.short_polls.load(Relaxed)
    }

    pub(super) fn clear_short_polls(&self) {
        if self.has_short_polls() {
            self.short_polls.store(false, Relaxed);
        }
    }

    /// The worker's polls took `mean_ns` lately.
    pub(super) fn note_polls(&self, mean_ns: f32) {
        if mean_ns > SHORT_POLL_NS {
            self.clear_short_polls();
        }
    }
}

/// What makes a searcher watch before it takes tasks.
pub(super) struct StealDelay {
    /// How many more tasks are taken without watching.
    unwatched: u8,
}

impl StealDelay {
    pub(super) fn new() -> Self {
        StealDelay { unwatched: 0 }
    }

    /// Watches the worker that `pace` and `queue` belong to. Returns whether to leave it alone:
    /// because it takes itself what is there now, and then it has short polls from now on, or
    /// because there is something else to do, as `is_wanted` says.
    pub(super) fn leaves_alone<T: Pointer>(
        &mut self,
        pace: &Pace,
        queue: &Thief<T>,
        is_wanted: impl Fn() -> bool,
    ) -> bool {
        if self.unwatched > 0 {
            self.unwatched -= 1;
            return false;
        }
        let (taken, waiting) = (queue.taken(), queue.len());
        if waiting >= LONG_QUEUE {
            return false;
        }
        let polls = pace.polling.count();
        let start = Instant::now();
        let mut look = BETWEEN_LOOKS;
        while look <= WAITING {
            spin_until(start + look);
            look += BETWEEN_LOOKS;
            if is_wanted() {
                return true;
            }
            if queue.taken().wrapping_sub(taken) < waiting {
                continue;
            }
            // Others may have taken them, from a worker in a long poll; and this thread may not
            // have run for a while.
            let polled = pace.polling.count().wrapping_sub(polls) / 2;
            if start.elapsed().as_nanos() as f32 > polled as f32 * SHORT_POLL_NS {
                break;
            }
            pace.short_polls.store(true, Relaxed);
            return true;
        }
        self.unwatched = UNWATCHED;
        false
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::queue;
    use super::*;
    use crate::runtime::stall::Polled;
    use crate::runtime::task::Meta;
    use std::thread;

    fn waiting(tasks: u32) -> (queue::Local<Box<u32>>, Thief<Box<u32>>) {
        let (local, thief) = queue::new(256);
        for task in 0..tasks {
            local.push_back(Box::new(task));
        }
        (local, thief)
    }

    #[track_caller]
    fn task_here() -> Polled {
        (&Meta::here()).into()
    }

    fn run_one(pace: &Pace, local: &queue::Local<Box<u32>>) {
        let task = local.pop().expect("it never runs out");
        pace.polling.begin(task_here());
        local.push_back(task);
        pace.polling.end();
    }

    #[test]
    fn a_worker_that_takes_its_tasks_itself_needs_no_help() {
        let pace = Pace::new(None);
        let (local, thief) = waiting(8);
        thread::scope(|scope| {
            let searcher = scope.spawn(|| {
                // One of the two threads may be kept from running at any moment.
                let give_up = Instant::now() + Duration::from_secs(10);
                while !StealDelay::new().leaves_alone(&pace, &thief, || false) {
                    assert!(Instant::now() < give_up, "no task was taken");
                }
            });
            while !searcher.is_finished() {
                run_one(&pace, &local);
            }
        });
        assert!(!pace.needs_help_with(8) && pace.needs_help_with(LONG_QUEUE));
        pace.note_polls(SHORT_POLL_NS / 2.0);
        assert!(!pace.needs_help_with(8), "polls are short");
        pace.note_polls(SHORT_POLL_NS * 2.0);
        assert!(!pace.has_short_polls(), "a poll was long");
    }

    #[test]
    fn a_worker_in_a_long_poll_needs_help_though_others_take_its_tasks() {
        let pace = Pace::new(None);
        let (_local, thief) = waiting(8);
        let (other, _) = queue::new(256);
        pace.polling.begin(task_here());
        let take_all = || {
            assert!(thief.steal_into(&other) > 0 || thief.len() == 0);
            false
        };
        assert!(!StealDelay::new().leaves_alone(&pace, &thief, take_all));
        assert!(!pace.has_short_polls());
    }

    #[test]
    fn a_searcher_that_waited_in_vain_does_not_wait_again_soon() {
        let pace = Pace::new(None);
        let (_local, thief) = waiting(1);
        let mut delay = StealDelay::new();
        assert!(!delay.leaves_alone(&pace, &thief, || false));
        for _ in 0..UNWATCHED {
            assert!(!delay.leaves_alone(&pace, &thief, || unreachable!("it does not wait")));
        }
        let looks = std::cell::Cell::new(0);
        let something_else = || {
            looks.set(looks.get() + 1);
            true
        };
        assert!(delay.leaves_alone(&pace, &thief, something_else));
        assert_eq!(looks.get(), 1, "it waits again, but not for long");
        assert!(!pace.has_short_polls(), "that says nothing of the worker");
    }

    #[test]
    fn nobody_waits_beside_a_long_queue() {
        let (_local, thief) = waiting(LONG_QUEUE as u32);
        let wait = || unreachable!("it does not wait");
        assert!(!StealDelay::new().leaves_alone(&Pace::new(None), &thief, wait));
    }

    /// Reported twice, the end of a poll counts once.
    #[test]
    fn polls_begin_and_end() {
        let pace = Pace::new(None);
        for _ in 0..3 {
            assert!(!pace.is_polling());
            pace.polling.begin(task_here());
            assert!(pace.is_polling());
            pace.polling.end();
            pace.polling.end();
        }
        assert_eq!(pace.polling.count(), 6);
    }
}
