//! The loop of the driving thread.
//!
//! The main future is polled if it was woken. Then tasks run, those that were spawned or woken
//! meanwhile included, until there is none or `event_interval` of them ran. Then it is the driver's
//! turn; after that those are woken who have yielded, the last one first; and so on. This is the
//! order of Tokio's current-thread scheduler, step by step, for there are programs, tests above all,
//! that depend on it (`cargo xtask order` compares).
//!
//! A turn fires the timers that are due; one that is set for a time that has passed by its first poll
//! waits for the next turn. It asks the kernel, as Tokio's does, where there are sockets: what has
//! happened to one is known when those who yielded go on. Where there are none it is our own choice,
//! for asking costs a system call, and a lone yield would pay it every time. It does so then
//!
//! - after `event_interval` polls,
//! - at one of [`YIELDS`] turns that came because something yielded: whoever yields waits for
//!   something, perhaps for what the driver has to tell. But the first [`EARLY_YIELDS`] ask each time:
//!   who yields a few times expects to see what has just happened. And
//! - after a poll that spent its whole cooperative budget, which is so much work that the turn is not
//!   dear.
//!
//! When nothing is runnable and nobody has yielded, the thread blocks in the driver.
#![forbid(unsafe_code)]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::local::Entered;
use super::shared::{Core, Notified, SLOT, Shared};
use crate::runtime::driver::{Driver, PollIo, Role, SlotGuard};
use crate::util::coop;
use crate::util::defer::Collecting;
use crate::util::first_panic::FirstPanic;

/// Turns of the driver, for those who yield, of which one asks the kernel.
const YIELDS: u32 = 8;

/// Such turns that ask each, at the start of a streak. A streak ends when the thread blocks.
const EARLY_YIELDS: u32 = 4;

/// Looks for a task of which one looks into the injection queue first.
const DEFAULT_GLOBAL_QUEUE_INTERVAL: u32 = 31;

/// This thread runs the scheduler. Dropping it lays the core back on its seat.
pub(super) struct Driving<'a> {
    shared: &'a Arc<Shared>,
    local: Entered,
    /// Who has yielded. Ended before the queue is left, for it wakes what is in it.
    yielded: Option<Collecting>,
    tick: u32,
    global_queue_interval: u32,
    /// Polls since the kernel was asked.
    polls: u32,
    /// Turns for those who yield since the kernel was asked, and since the thread blocked.
    yields: u32,
    streak: u32,
    /// Left before the core is laid down, for the next thread enters it then.
    slot: Option<SlotGuard>,
}

impl<'a> Driving<'a> {
    pub(super) fn start(shared: &'a Arc<Shared>, core: Core) -> Self {
        shared.load().resume(Instant::now());
        Driving {
            shared,
            local: Entered::new(shared, core.queue),
            yielded: Some(Collecting::begin()),
            tick: core.tick,
            global_queue_interval: shared
                .config
                .global_queue_interval
                .unwrap_or(DEFAULT_GLOBAL_QUEUE_INTERVAL),
            polls: 0,
            yields: 0,
            streak: 0,
            slot: Some(shared.driver().enter_slot(SLOT)),
        }
    }

    pub(super) fn block_on<F: Future>(mut self, mut future: Pin<&mut F>) -> F::Output {
        let shared = self.shared;
        let waker = Waker::from(shared.clone());
        let mut cx = Context::from_waker(&waker);
        // The first poll needs no wake-up, and nobody to be told.
        let _ = shared.main_woken.set();
        loop {
            let mut main_yielded = false;
            if shared.main_woken.take() {
                self.polls += 1;
                if let Poll::Ready(output) = poll_main(future.as_mut(), &mut cx) {
                    // What the last poll handed to the driver must not lie there until the next
                    // thread comes.
                    shared.driver().submit(SLOT);
                    return output;
                }
                main_yielded = shared.main_woken.is_set();
            }
            if self.run_tasks() {
                self.ask_kernel();
                self.wake_yielded();
            } else if self.has_yielded() || shared.main_woken.is_set() {
                self.turn(main_yielded);
                self.wake_yielded();
            } else {
                self.park();
            }
        }
    }

    /// Runs tasks until there is none, or enough have run: then `true`.
    fn run_tasks(&mut self) -> bool {
        for _ in 0..self.shared.config.event_interval {
            self.tick = self.tick.wrapping_add(1);
            let Some(task) = self.next_task() else {
                return false;
            };
            self.polls += 1;
            let task = self.shared.owned.assert_owner(task);
            coop::budget(|| task.run());
        }
        true
    }

    fn next_task(&mut self) -> Option<Notified> {
        let inject = &self.shared.inject;
        if self.tick % self.global_queue_interval == 0 {
            // A thread of the pool would tell of an end through the injection queue.
            self.look_at_ops();
            inject.pop().or_else(|| self.local.pop())
        } else {
            self.local.pop().or_else(|| inject.pop())
        }
    }

    fn yielded(&self) -> &Collecting {
        self.yielded.as_ref().expect("taken in the drop only")
    }

    fn has_yielded(&self) -> bool {
        !self.yielded().is_empty()
    }

    fn wake_yielded(&self) {
        self.yielded().wake_all();
    }

    /// A turn of the driver without blocking, for a thread that has something to do.
    fn ask_kernel(&mut self) {
        let driver = self.shared.driver();
        self.polls = 0;
        self.yields = 0;
        self.note_turn();
        let now = Instant::now();
        self.shared.load().account(now);
        driver.note_time(SLOT, now);
        driver.take_token(SLOT);
        driver.turn(SLOT, PollIo::Drain);
    }

    /// As [`ask_kernel`](Self::ask_kernel), for a thread that perhaps asked a moment ago.
    fn turn(&mut self, main_yielded: bool) {
        if self.shared.driver().watches_sockets() {
            return self.ask_kernel();
        }
        if main_yielded || self.has_yielded() {
            self.streak = self.streak.saturating_add(1);
            self.yields += 1;
            if self.streak <= EARLY_YIELDS || self.yields >= YIELDS || self.yielded().take_spent() {
                return self.ask_kernel();
            }
        }
        if self.polls >= self.shared.config.event_interval {
            return self.ask_kernel();
        }
        self.note_turn();
        let driver = self.shared.driver();
        driver.take_token(SLOT);
        if !self.look_at_ops() {
            driver.fire_timers(SLOT);
        }
    }

    /// A turn for the operations in the ring; `false` if there are none.
    fn look_at_ops(&self) -> bool {
        let driver = self.shared.driver();
        let has_ops = driver.has_own_ops(SLOT);
        if has_ops {
            driver.turn(SLOT, PollIo::Skip);
        }
        has_ops
    }

    /// A turn that comes when a paused clock might have moved takes note of what was told.
    fn note_turn(&self) {
        let driver = self.shared.driver();
        if driver.clock().can_auto_advance() && !driver.has_overdue_timer(SLOT) {
            self.shared.take_news();
        }
    }

    /// Blocks until there is something to do, unless the hook made something runnable.
    fn park(&mut self) {
        let Shared { config, .. } = &**self.shared;
        let driver = self.shared.driver();
        if let Some(before_park) = &config.before_park {
            before_park();
        }
        if !self.local.is_empty() || self.has_yielded() || self.shared.main_woken.is_set() {
            self.ask_kernel();
        } else if driver.clock().can_auto_advance()
            && driver.has_timer_ahead(SLOT)
            && self.shared.take_news()
        {
            // Looked once more before the clock moves, as Tokio does.
            self.ask_kernel();
        } else {
            self.polls = 0;
            self.yields = 0;
            self.streak = 0;
            self.local.free_excess();
            self.yielded().free_excess();
            self.shared.load().park();
            driver.park(SLOT, Role::Watcher, None);
            driver.note_time(SLOT, Instant::now());
            self.shared.load().unpark();
        }
        self.wake_yielded();
        if let Some(after_unpark) = &config.after_unpark {
            after_unpark();
        }
    }

    /// Drops every task here, then stops the driver, then drops what that woke.
    pub(super) fn shutdown(mut self, stop_driver: impl FnOnce(&Arc<Driver>)) {
        let shared = self.shared;
        // Destructors may block on another runtime, and yield there: nobody would wake them later.
        drop(self.yielded.take());
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

/// Polls a future given to `block_on`.
pub(super) fn poll_main<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    coop::budget(|| future.poll(cx))
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        let mut panics = FirstPanic::default();
        // Whoever yielded in the last poll of the main future; as a rule that future itself, which is
        // over: no reason for a paused clock to wait.
        let had_news = self.shared.has_news();
        panics.catch(|| drop(self.yielded.take()));
        if !had_news {
            self.shared.take_news();
        }
        self.shared.load().account(Instant::now());
        drop(self.slot.take());
        let core = Core {
            queue: self.local.leave(),
            tick: self.tick,
        };
        self.shared.seat.give_back(core);
        panics.resume();
    }
}
