//! The loop of the driving thread.
//!
//! Work goes in **rounds**: the main future if it was woken, then the tasks that were runnable when
//! the round began. So a task that yields runs again after the others, and the main future runs
//! between rounds. The driver gets a turn (without blocking)
//!
//! - after `event_interval` polls,
//! - after [`YIELD_ROUNDS`] rounds in which something yielded: whoever yields waits for something,
//!   perhaps for what the driver has to tell. Not after each: a turn may cost a system call, and a
//!   lone yield would pay it every time. But the first [`EARLY_TURNS`] rounds of a streak get a turn
//!   each: who yields a few times expects to see what has just happened. And
//! - after a round in which a poll spent its whole cooperative budget, which is so much work that
//!   the turn is not dear.
//!
//! When nothing is runnable the thread blocks in the driver.
#![forbid(unsafe_code)]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::local::Entered;
use super::main_future::Main;
use super::seat::Core;
use super::shared::{Notified, Shared};
use super::{SLOT, poll_main};
use crate::runtime::driver::{Driver, PollIo, Role, SlotGuard};
use crate::util::coop;

/// Rounds with a yield between two turns of the driver.
const YIELD_ROUNDS: u32 = 8;

/// Rounds at the start of a streak of yields that get a turn of the driver each. A streak ends when
/// a round goes by without a yield.
const EARLY_TURNS: u32 = 4;

/// Polls between two looks at the injection queue while the local queue never runs dry.
const DEFAULT_GLOBAL_QUEUE_INTERVAL: u32 = 31;

/// Tasks taken from the injection queue at once when the local queue is dry.
const INJECTED_AT_ONCE: usize = 64;

struct Round {
    polls: u32,
    spent_a_budget: bool,
}

/// This thread runs the scheduler. Dropping it lays the core back on its seat.
pub(super) struct Driving<'a> {
    shared: &'a Arc<Shared>,
    local: Entered,
    tick: u32,
    /// Left before the core is laid down, for the next thread enters it then.
    slot: Option<SlotGuard>,
}

impl<'a> Driving<'a> {
    pub(super) fn start(shared: &'a Arc<Shared>, core: Core) -> Self {
        shared.load().resume(Instant::now());
        Driving {
            shared,
            local: Entered::new(shared, core.queue),
            tick: core.tick,
            slot: Some(shared.driver().enter_slot(SLOT)),
        }
    }

    pub(super) fn block_on<F: Future>(
        mut self,
        main: &Main,
        mut future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> F::Output {
        let event_interval = self.shared.config.event_interval;
        let mut polls = 0;
        let mut yield_rounds = 0;
        let mut streak = 0;
        main.set_driving();
        loop {
            if main.take_woken() {
                if let Poll::Ready(output) = poll_main(future.as_mut(), cx) {
                    // What the last poll handed to the driver must not lie there until the next
                    // thread comes.
                    self.shared.driver().turn(SLOT, PollIo::Skip);
                    return output;
                }
                polls += 1;
            }
            let main_yielded = main.is_woken();
            let round = self.run_round(event_interval.saturating_sub(polls).max(1));
            polls += round.polls;
            if round.spent_a_budget {
                yield_rounds = YIELD_ROUNDS;
            } else if self.local.take_yields() | main_yielded {
                streak += 1;
                yield_rounds = match streak <= EARLY_TURNS {
                    true => YIELD_ROUNDS,
                    false => yield_rounds + 1,
                };
            } else {
                streak = 0;
            }

            let runnable = self.has_tasks() || main.is_woken();
            if !runnable {
                self.park(main);
            } else if polls >= event_interval || yield_rounds >= YIELD_ROUNDS {
                self.shared.load().account(Instant::now());
                self.shared.driver().turn(SLOT, PollIo::Drain);
                // From here on what came from outside is in line with the rest.
                self.take_injected();
            } else {
                continue;
            }
            polls = 0;
            yield_rounds = 0;
        }
    }

    /// Runs the tasks that are runnable now, at most `max`.
    fn run_round(&mut self, max: u32) -> Round {
        let mut runnable = self.local.len();
        if runnable == 0 {
            runnable = self.take_injected();
        }
        let mut round = Round {
            polls: 0,
            spent_a_budget: false,
        };
        while round.polls < max && (round.polls as usize) < runnable {
            let Some(task) = self.next_task() else {
                break;
            };
            let task = self.shared.owned.assert_owner(task);
            round.polls += 1;
            round.spent_a_budget |= coop::budget(|| {
                task.run();
                !coop::has_budget_remaining()
            });
        }
        round
    }

    fn next_task(&mut self) -> Option<Notified> {
        let interval = self
            .shared
            .config
            .global_queue_interval
            .unwrap_or(DEFAULT_GLOBAL_QUEUE_INTERVAL);
        self.tick = self.tick.wrapping_add(1);
        if self.tick % interval == 0 {
            if let Some(task) = self.shared.inject.pop() {
                return Some(task);
            }
        }
        self.local.pop()
    }

    fn take_injected(&mut self) -> usize {
        let inject = &self.shared.inject;
        if inject.is_empty() {
            return 0;
        }
        self.local
            .with_queue(|queue| inject.pop_batch(INJECTED_AT_ONCE, queue))
    }

    fn has_tasks(&self) -> bool {
        self.local.len() > 0 || !self.shared.inject.is_empty()
    }

    /// Blocks until there is something to do, unless the hook made something runnable.
    fn park(&mut self, main: &Main) {
        let Shared { config, .. } = &**self.shared;
        let driver = self.shared.driver();
        if let Some(before_park) = &config.before_park {
            before_park();
        }
        if self.has_tasks() || main.is_woken() {
            driver.turn(SLOT, PollIo::Drain);
        } else {
            self.local.free_excess();
            self.shared.load().park();
            driver.park(SLOT, Role::Driver, None);
            self.shared.load().unpark();
        }
        if let Some(after_unpark) = &config.after_unpark {
            after_unpark();
        }
    }

    /// Drops every task here, then stops the driver, then drops what that woke.
    pub(super) fn shutdown(mut self, stop_driver: impl FnOnce(&Arc<Driver>)) {
        let shared = self.shared;
        shared.owned.close_and_shutdown_all();
        self.drop_queued();
        drop(shared.inject.close());
        stop_driver(shared.driver());
        self.drop_queued();
    }

    /// Frees tasks that are over but still queued.
    fn drop_queued(&mut self) {
        // One at a time: freeing a task may run a destructor that wakes another.
        while let Some(task) = self.local.pop() {
            drop(task);
        }
    }
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        self.shared.load().account(Instant::now());
        drop(self.slot.take());
        let core = Core {
            queue: self.local.leave(),
            tick: self.tick,
        };
        self.shared.seat.give_back(core);
    }
}
