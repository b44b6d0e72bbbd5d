//! The loop of the driving thread.
//!
//! The main future is polled if it was woken. Then tasks run, including those that were spawned or
//! woken meanwhile, until there is none or `event_interval` of them ran. Then the driver has its
//! turn. After that the tasks that have yielded are woken, the last one first; and so on. This is
//! the order of Tokio's current-thread scheduler, step by step, because programs, above all tests,
//! depend on it (`cargo xtask order` compares).
//!
//! A turn fires the timers that are due; a timer whose time has passed by its first poll waits for
//! the next turn. If there are sockets, a turn asks the kernel, as Tokio's does, so that what has
//! happened to one is known when the tasks that yielded go on. If there are none we may choose, and
//! asking costs a system call, which a lone yield would pay every time. A turn then asks
//!
//! - after `event_interval` polls,
//! - at one in [`YIELDS`] turns that came because something yielded: a task that yields waits for
//!   something, perhaps for what the driver knows. But each of the first [`EARLY_YIELDS`] asks: a
//!   task that yields a few times expects to see what has just happened. And
//! - after a poll that spent its whole cooperative budget: it was long enough for the turn to cost
//!   little beside it.
//!
//! When nothing is runnable and nobody has yielded, the thread blocks in the driver.
#![forbid(unsafe_code)]

use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::local;
use super::shared::{Core, Notified, SLOT, Shared, global_queue_interval};
use super::tally::Tally;
use crate::runtime::driver::{Driver, PollIo, Role, SlotGuard};
use crate::runtime::scheduler::poll_timer::PollTimer;
use crate::runtime::stall::{Polled, Polling};
use crate::runtime::task::NearTo;
use crate::simulation;
use crate::sys::thread;
use crate::sys::ticks::{Reading, calibrate};
use crate::util::coop::{self, BetweenPolls};
use crate::util::defer::Collecting;
use crate::util::first_panic::FirstPanic;

/// Of this many turns that came because something yielded, one asks the kernel.
const YIELDS: u32 = 32;

/// Of such turns, how many ask one after the other at the start of a streak. A streak ends when the
/// thread blocks.
const EARLY_YIELDS: u32 = 4;

/// Of this many drives, one has the cheap clock learn how fast it goes. Only a program that enters
/// `block_on` often can gain by it, and the first lesson takes long.
const LEARNS_CLOCK: u32 = 1024;

/// This thread runs the scheduler. Dropping it puts the core back on its seat.
pub(super) struct Driving<'a> {
    shared: &'a Shared,
    /// That of `shared`.
    polling: &'a Polling,
    /// Its queue is in the cell of [`local`], and its key here. `None` in the drop only, as those
    /// below.
    core: Option<Box<Core>>,
    near: Option<NearTo>,
    /// The tasks that have yielded. Ended before the queue is left, because it wakes them.
    yielded: Collecting,
    tick: u32,
    next_injected: u32,
    tally: Tally,
    poll_timer: PollTimer,
    global_queue_interval: u32,
    /// Polls since the kernel was asked.
    polls: u32,
    /// Turns that came because something yielded, since the kernel was asked.
    yields: u32,
    /// The same since the thread blocked.
    streak: u32,
    /// Left before the core is put back, because the next thread then enters it.
    slot: Option<SlotGuard>,
    between_polls: BetweenPolls,
    /// When it began, as long as nothing was done but the first poll of the main future. For a
    /// `block_on` that ends with it the exact time would cost as much as all the rest.
    entered: Option<Reading>,
}

impl<'a> Driving<'a> {
    pub(super) fn start(shared: &'a Shared, mut core: Box<Core>) -> Self {
        local::swap(&mut core);
        let near_key = core.near_key.take().expect("it lies on the seat");
        let drives = core.drives.wrapping_add(1);
        core.drives = drives;
        if shared.meter().note_thread() {
            shared.polling.enter(thread::id());
        }
        shared.polling.wake_up();
        Driving {
            shared,
            polling: &shared.polling,
            near: Some(near_key.come_near()),
            yielded: Collecting::begin(&mut core.yielded),
            tick: core.tick,
            next_injected: core.next_injected,
            tally: mem::take(&mut core.tally),
            poll_timer: core.poll_timer.clone(),
            core: Some(core),
            global_queue_interval: global_queue_interval(&shared.config),
            polls: 0,
            yields: 0,
            streak: 0,
            slot: Some(shared.driver().enter_slot(SLOT)),
            between_polls: BetweenPolls::begin(),
            entered: Some(read_clock(drives)),
        }
    }

    /// `waker` is the scheduler itself; the future was given to `block_on` at `called_at`.
    pub(super) fn block_on<F: Future>(
        mut self,
        mut future: Pin<&mut F>,
        waker: &Waker,
        called_at: &'static Location<'static>,
    ) -> F::Output {
        let shared = self.shared;
        let mut cx = Context::from_waker(waker);
        let mut is_first = true;
        let main = Polled {
            id: None,
            spawned_at: called_at,
        };
        loop {
            let mut main_yielded = false;
            // The first poll needs no wake-up; one that came before it is answered by it.
            if shared.main_woken.take() | std::mem::take(&mut is_first) {
                self.polls += 1;
                self.polling.begin(main);
                let poll = || future.as_mut().poll(&mut cx);
                simulation::step_before(called_at);
                let (polled, _) = self.between_polls.poll(poll);
                self.polling.end_begun();
                if let Poll::Ready(output) = polled {
                    // What the last poll handed to the driver must not wait there for the next
                    // thread.
                    shared.driver().submit(SLOT);
                    return output;
                }
                main_yielded = shared.main_woken.is_set();
                if self.entered.is_some() {
                    self.account_first_poll();
                }
            }
            if self.run_tasks() {
                self.ask_kernel();
                self.wake_yielded();
                continue;
            }
            let has_yielded = self.has_yielded();
            if has_yielded || shared.main_woken.is_set() {
                self.turn(main_yielded || has_yielded);
                self.wake_yielded();
            } else {
                self.park();
            }
        }
    }

    /// From here on busy time is what passes between two looks at the clock.
    #[cold]
    fn account_first_poll(&mut self) {
        if let Some(entered) = self.entered.take() {
            self.shared.load().add_busy(entered.elapsed_ns());
            self.shared.load().resume(Instant::now());
        }
    }

    /// Runs tasks until there is none, or until enough have run: then `true`.
    fn run_tasks(&mut self) -> bool {
        let (shared, polling) = (self.shared, self.polling);
        self.poll_timer.pause();
        for _ in 0..shared.config.event_interval {
            self.tick = self.tick.wrapping_add(1);
            let Some(task) = self.next_task() else {
                shared.end_if_panicked();
                return false;
            };
            self.polls += 1;
            self.tally.polls += 1;
            let task = shared.owned.assert_owner(task);
            self.poll_timer.begin(self.tick);
            let waited = (shared.latency).measure(&task, || shared.meter().latencies.as_ref());
            polling.begin(task.meta().into());
            simulation::step_before(task.meta().spawned_at);
            self.between_polls.poll(|| match shared.is_plain {
                true => task.run(),
                false => shared.run_watched(task, waited),
            });
            polling.end_begun();
            if self.poll_timer.is_running() {
                let times = shared.meter().poll_times.as_ref();
                self.poll_timer.end(self.tick, times);
            }
        }
        true
    }

    fn next_task(&mut self) -> Option<Notified> {
        if self.tick == self.next_injected {
            self.next_injected = self.tick.wrapping_add(self.global_queue_interval);
            // A thread of the pool would announce an end through the injection queue.
            self.look_at_ops();
            self.pop_injected().or_else(local::pop)
        } else {
            local::pop().or_else(|| self.pop_injected())
        }
    }

    fn pop_injected(&mut self) -> Option<Notified> {
        let Shared { inject, owned, .. } = self.shared;
        let task = std::iter::from_fn(|| inject.pop()).find_map(|task| owned.admit(task))?;
        self.tally.injected += 1;
        Some(task)
    }

    fn has_yielded(&self) -> bool {
        !self.yielded.is_empty()
    }

    /// Wakes them for the last time.
    fn end_yielded(&mut self) {
        if let Some(core) = &mut self.core {
            self.yielded.end(&mut core.yielded);
        }
    }

    fn wake_yielded(&self) {
        self.yielded.wake_all();
    }

    /// A turn of the driver without blocking, for a thread that has something to do.
    fn ask_kernel(&mut self) {
        let driver = self.shared.driver();
        self.polls = 0;
        self.yields = 0;
        self.note_turn();
        let now = Instant::now();
        self.poll_timer.adjust(now);
        self.shared.load().account(now);
        self.publish_tally();
        driver.note_time(SLOT, now);
        driver.take_token(SLOT);
        driver.turn(SLOT, PollIo::Drain);
        self.shared.answer_census();
    }

    /// As [`ask_kernel`](Self::ask_kernel), for a thread that may have asked a moment ago.
    fn turn(&mut self, has_yielded: bool) {
        if self.shared.driver().watches_sockets() {
            return self.ask_kernel();
        }
        if has_yielded {
            self.streak = self.streak.saturating_add(1);
            self.yields += 1;
            if self.streak <= EARLY_YIELDS || self.yields >= YIELDS || self.yielded.take_spent() {
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

    /// Lets everybody see what this thread has counted.
    fn publish_tally(&self) {
        self.tally.publish(local::len(), self.shared.meter());
    }

    /// A turn that comes when a paused clock might have moved takes note of the news.
    fn note_turn(&self) {
        let driver = self.shared.driver();
        if driver.clock().can_auto_advance() && !driver.has_overdue_timer(SLOT) {
            self.shared.take_news();
        }
    }

    /// Blocks until there is something to do, unless the hook made something runnable.
    fn park(&mut self) {
        let Shared { config, .. } = self.shared;
        let driver = self.shared.driver();
        if let Some(before_park) = &config.before_park {
            before_park();
        }
        if !local::is_empty() || self.has_yielded() || self.shared.main_woken.is_set() {
            self.ask_kernel();
        } else if driver.clock().can_auto_advance()
            && driver.has_timer_ahead(SLOT)
            && self.shared.take_news()
        {
            // One more look before the clock moves, as in Tokio.
            self.ask_kernel();
        } else {
            self.polls = 0;
            self.yields = 0;
            self.streak = 0;
            local::free_excess();
            self.yielded.free_excess();
            self.publish_tally();
            self.shared.load().park(self.tally.polls);
            self.shared.polling.fall_asleep();
            driver.park(SLOT, Role::Watcher, None);
            self.shared.polling.wake_up();
            let now = Instant::now();
            driver.note_time(SLOT, now);
            self.shared.load().unpark_at(now);
            self.shared.answer_census();
        }
        self.wake_yielded();
        if let Some(after_unpark) = &config.after_unpark {
            after_unpark();
        }
    }

    /// Drops every task here, then stops the driver, then drops what that woke.
    pub(super) fn shutdown(mut self, stop_driver: impl FnOnce(&Arc<Driver>)) {
        let shared = self.shared;
        // Destructors may block on another runtime and yield there; nobody would wake them later.
        self.end_yielded();
        shared.owned.close_and_shutdown_all();
        self.drop_queued();
        drop(shared.inject.close());
        stop_driver(shared.driver());
        self.drop_queued();
    }

    /// Frees tasks that are over but still queued.
    fn drop_queued(&mut self) {
        // One at a time: freeing a task may run a destructor that wakes another.
        while let Some(task) = local::pop() {
            self.tally.freed += 1;
            drop(task);
        }
    }
}

/// The time for the `drives`th drive of a scheduler.
#[inline]
fn read_clock(drives: u32) -> Reading {
    let now = Reading::now();
    if drives % LEARNS_CLOCK == 0 {
        if let Reading::Instant(now) = now {
            calibrate(now);
        }
    }
    now
}

/// Polls a future given to `block_on`.
pub(super) fn poll_main<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    simulation::step();
    coop::budget(|| future.poll(cx))
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        let mut panics = FirstPanic::default();
        if !self.yielded.end_if_bare() {
            // This wakes what yielded in the last poll of the main future, usually that future
            // itself. It is over, which is no reason for a paused clock to wait.
            let had_news = self.shared.has_news();
            panics.catch(|| self.end_yielded());
            if !had_news {
                self.shared.take_news();
            }
        }
        // A poll that panicked has not ended by itself.
        self.shared.polling.end();
        self.shared.polling.fall_asleep();
        match self.entered.take() {
            Some(entered) => self.shared.load().add_busy(entered.elapsed_ns()),
            None => self.shared.load().account(Instant::now()),
        }
        self.publish_tally();
        drop(self.slot.take());
        local::free_excess();
        let mut core = self.core.take().expect("not taken before");
        local::swap(&mut core);
        core.near_key = self.near.take().map(NearTo::leave);
        core.tick = self.tick;
        core.next_injected = self.next_injected;
        core.tally = mem::take(&mut self.tally);
        self.shared.seat.give_back(core);
        panics.resume();
    }
}
