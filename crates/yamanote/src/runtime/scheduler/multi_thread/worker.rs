//! A worker's loop: run tasks, look at the driver in passing, look for work elsewhere, sleep.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Instant;

use super::core::Public;
use super::current::{self, State, Worker};
use super::role::{Call, Report};
use super::shared::{Core, Notified, Shared};
use super::tuning::MIN_INTERVAL;
use crate::runtime::driver::{PollIo, Role};
use crate::runtime::task::take_blocks;
use crate::simulation;
use crate::util::coop::{BetweenPolls, Left};

/// Yields of a task that is alone, between two turns of the driver. A turn costs a system call, but
/// a task that yields probably waits for something the driver knows.
const LONE_YIELDS: u8 = 8;

/// What a worker does between two polls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aside {
    Nothing,
    /// It looks at its operations.
    Reap,
    /// It looks at the driver.
    Turn,
    /// The same, and at everything else that it looks at now and then.
    Lap,
    /// It ends: the core was lent in that poll, and is another thread's business by now.
    Leave,
}

/// The life of a thread that is launched to be a worker: it runs whatever worker needs a thread.
pub(super) fn life(shared: &Arc<Shared>) -> impl FnOnce() + Send + use<> {
    let shared = shared.clone();
    move || {
        shared.handover.arrive();
        while let Some(core) = shared.handover.take(shared.driver()) {
            let worker = Worker::new(&shared, core);
            take_blocks();
            current::enter(&worker, || worker.work());
        }
    }
}

/// Tasks that a worker takes from the injection queue at once: whoever pushes waits meanwhile.
const LARGEST_SHARE: usize = 256;

impl Worker<'_> {
    /// Works until the runtime shuts down or the core is lent to another thread for good.
    fn work(&self) {
        self.public().pace.polling().end();
        let between_polls = BetweenPolls::begin();
        loop {
            if self.shared.is_shutdown() {
                return self.retire();
            }
            let Some(task) = self.next_task().or_else(|| self.search()) else {
                self.sleep();
                continue;
            };
            let left = self.run(task, &between_polls);
            match self.end_poll(left) {
                Aside::Nothing => {}
                Aside::Reap => self.turn(PollIo::Skip),
                Aside::Turn => self.turn(PollIo::Drain),
                Aside::Lap => self.lap(),
                Aside::Leave => return,
            }
        }
    }

    fn run(&self, task: Notified, between_polls: &BetweenPolls) -> Left {
        if self.state.get() == State::Looking {
            self.begin_work();
        }
        let task = self.shared.owned.assert_owner(task);
        let waits = || self.public().meter.latencies.as_ref();
        let waited = self.shared.latency.measure(&task, waits);
        self.public().pace.polling().begin(task.meta().into());
        simulation::step_before(task.meta().spawned_at);
        let poll = || match self.shared.hooks() {
            None => task.run(),
            Some(hooks) => hooks.run_contained(task, waited),
        };
        between_polls.poll(poll).1
    }

    /// Before the first task after a sleep or a search.
    fn begin_work(&self) {
        self.state.set(State::Running);
        self.public().load.unpark();
        self.public().pace.polling().wake_up();
        self.public().pace.clear_short_polls();
        let (searching, queued) = self.with_core(|core| {
            core.report = Report::NoWatch;
            core.poll_timer.begin(core.tick);
            (std::mem::take(&mut core.searching), core.queued())
        });
        let last = searching && self.shared.idle.stop_searching();
        // More than the task in hand: share it at once. A worker that is called takes some, and
        // watches readiness if nobody does.
        let more = queued > 0 || (last && self.shared.has_work_for(self.index.get()));
        if !(more && self.shared.call_searcher()) {
            self.shared.call_sentry();
        }
    }

    /// The poll that has left so much of its budget is over: what is to be done before the next.
    fn end_poll(&self, left: Left) -> Aside {
        let mut core = self.core.borrow_mut();
        let Some(core) = core.as_deref_mut() else {
            return Aside::Leave;
        };
        let public = self.public();
        public.pace.polling().end();
        if core.poll_timer.is_running() {
            core.poll_timer
                .end(core.tick, public.meter.poll_times.as_ref());
        }
        let yielded = self.state.replace(State::Running) == State::Yielded;
        let alone = yielded && core.queued() == 1;
        core.lone_yields = if alone { core.lone_yields + 1 } else { 0 };
        // A poll that spent a whole budget was long enough for the turn to cost little beside it.
        let lone_yield = core.lone_yields == LONE_YIELDS || (alone && left == Left::Nothing);
        if lone_yield {
            core.lone_yields = 0;
        }
        core.until_turn = core.until_turn.saturating_sub(1);
        if core.until_turn == 0 {
            core.until_turn = self.shared.config.event_interval;
            Aside::Lap
        } else if lone_yield {
            Aside::Turn
        } else if self.ring_is_due(core) {
            Aside::Reap
        } else {
            Aside::Nothing
        }
    }

    /// Once in a while: publishes what was counted, and looks at the driver and at the siblings.
    fn lap(&self) {
        let now = Instant::now();
        let mean_ns = self.with_core(|core| {
            core.poll_timer.adjust(now);
            core.tuning.lap(now, core.tick)
        });
        if let Some(mean_ns) = mean_ns {
            self.public().pace.note_polls(mean_ns);
        }
        self.publish_tally();
        self.public().load.account(now);
        self.turn(PollIo::Drain);
        self.check_siblings_in_passing(now);
    }

    /// Whether it is time to look at operations. That is as often as at the injection queue, which
    /// is where a thread of the pool would announce their ends. But all workers look at that queue,
    /// and an operation waits for two looks of one worker. So beside long polls, where looks cost
    /// little, it is after each.
    fn ring_is_due(&self, core: &Core) -> bool {
        (core.unlooked == 0 || core.tuning.has_long_polls())
            && self.shared.driver().has_own_ops(core.index)
    }

    /// Polls between two looks into the injection queue. Not at each: its own tasks would starve.
    fn injection_interval(&self, core: &Core) -> u32 {
        let interval = self.shared.config.global_queue_interval;
        interval.unwrap_or(core.tuning.interval()).max(MIN_INTERVAL)
    }

    /// Looks at the driver without blocking.
    fn turn(&self, poll_io: PollIo) {
        let mut woken = 0;
        let state = match poll_io {
            PollIo::Drain => State::Turning,
            PollIo::Skip => State::Reaping,
        };
        self.outside_tasks_as(state, |worker| {
            let driver = worker.shared.driver();
            woken = driver.turn(worker.index.get(), poll_io);
        });
        if woken > 1 {
            // The pace so far says nothing about how long those will run.
            self.public().pace.clear_short_polls();
        }
        let queued = self.with_core(|core| {
            core.poll_timer.pause();
            core.queued()
        });
        if queued > 1 && self.public().pace.needs_help_with(queued) {
            self.shared.call_searcher();
        }
    }

    /// The next task of this worker's own. Now and then it takes a share of the injection queue
    /// into its line, so that what is in there waits for a bounded number of later ones.
    fn next_task(&self) -> Option<Notified> {
        self.with_core(|core| {
            core.tick = core.tick.wrapping_add(1);
            core.unlooked += 1;
            let mut first = None;
            if core.unlooked >= self.injection_interval(core) {
                core.unlooked = 0;
                first = self.take_injected(core);
            }
            let task = first
                .or_else(|| core.pop())
                .or_else(|| self.take_injected(core))?;
            core.poll_timer.begin(core.tick);
            Some(task)
        })
    }

    /// Puts a share of the injection queue in line, but for the first, which is returned.
    fn take_injected(&self, core: &Core) -> Option<Notified> {
        let inject = &self.shared.inject;
        let share = (inject.len() / self.shared.num_workers()).min(LARGEST_SHARE);
        let first = inject.pop()?;
        if share > 0 {
            core.local.append(inject, share);
        }
        Some(first)
    }

    /// Looks into the siblings' queues.
    fn search(&self) -> Option<Notified> {
        let idle = &self.shared.idle;
        let start = self.with_core(|core| {
            core.poll_timer.pause();
            core.searching = core.searching || idle.start_searching();
            core.searching
                .then(|| core.rng.below(self.shared.num_workers() as u32) as usize)
        })?;
        self.state.set(State::Looking);
        self.with_core(|core| {
            let workers = self.shared.num_workers();
            let is_wanted = || !self.shared.inject.is_empty();
            (start..start + workers)
                .map(|i| i % workers)
                .filter(|sibling| *sibling != core.index)
                .map(|sibling| &self.shared.workers[sibling])
                .filter(|sibling| sibling.has_spare_work())
                .filter(|Public { pace, queue, .. }| {
                    !core.steal_delay.leaves_alone(pace, queue, is_wanted)
                })
                .find_map(|sibling| {
                    core.tally
                        .note_stolen(sibling.queue.steal_into(&core.local));
                    core.local.pop()
                })
        })
        // Producers rely on a searcher to see this too.
        .or_else(|| self.with_core(|core| self.take_injected(core)))
    }

    /// Sleeps, unless there is something to do after all.
    fn sleep(&self) {
        let config = &self.shared.config;
        if let Some(before_park) = &config.before_park {
            self.outside_tasks(|_| before_park());
        }
        // The hook may have made something runnable.
        if self.with_core(|core| core.queued()) == 0 {
            self.sleep_now();
        }
        if let Some(after_unpark) = &config.after_unpark {
            self.outside_tasks(|_| after_unpark());
        }
    }

    fn sleep_now(&self) {
        let (shared, index) = (&self.shared, self.index.get());
        let (searching, report) =
            self.with_core(|core| (std::mem::take(&mut core.searching), core.report));
        self.with_core(|core| core.tuning.rest());
        self.public().pace.clear_short_polls();
        self.public().pace.polling().fall_asleep();
        let sleep = shared.idle.begin_sleep(index, searching, report);
        let is_wanted = !shared.idle.has_searcher() && shared.has_work_for(index);
        if !is_wanted && !shared.is_shutdown() {
            let role = match sleep.watches {
                true => Role::Watcher,
                false => Role::None,
            };
            let nap = sleep.naps.then(|| self.begin_nap());
            let polls = self.publish_tally();
            self.public().load.park(polls);
            self.outside_tasks(|_| {
                shared.driver().park(index, role, nap);
            });
        }
        self.state.set(State::Looking);
        let call = shared.idle.end_sleep(index);
        // Also if it was called: it may be called so often that no nap ever runs out.
        let seen = match sleep.naps {
            true => self.check_siblings(Instant::now()),
            false => Report::NoWatch,
        };
        let report = match call {
            Some(Call::Search) => Report::NoWatch,
            Some(Call::StandSentry) => Report::AllWell { lively: true },
            None => seen,
        };
        self.with_core(|core| {
            core.searching = call == Some(Call::Search);
            core.report = report;
        });
    }
}
