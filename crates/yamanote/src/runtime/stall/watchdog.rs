//! The thread that looks at all workers of the process from time to time.
//!
//! It is made when a worker first runs, and ends when there is no runtime any more. While workers
//! run, it looks once in each limit. It has seen a stall when two looks, a limit or more apart,
//! have seen one and the same poll. So a stall is noticed after one to two limits, and the path of
//! a poll knows nothing of it.
//!
//! # Idle programs
//!
//! ```text
//!             nothing was polled between two looks, nobody is awake
//!   watching ---------------------------------------------------> lying: sleeping without limit
//!       ^                                                           |
//!       +-----------------------------------------------------------+
//!             a worker wakes up, and finds it lying
//! ```
//!
//! The promise: no worker is awake for long while the watchdog lies. It says that it lies, then
//! looks who is awake; a worker says that it is awake, then looks whether it lies. Each has a fence
//! (SeqCst) in between, in `Rouser::lie_down` and `Rouser::rouse`, which are each other's partners:
//! one of the two sees the other.
#![forbid(unsafe_code)]

use super::activity::{self, Activity};
use super::polling::{Polled, Polling, Sight};
use super::rouser::Rouser;
use super::stack::Stack;
use crate::loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use crate::runtime::task::name_of;
use crate::sys::fork::Origin;
use crate::sys::{futex, thread};
use crate::util::contained::contained;
use crate::util::poison::unpoisoned;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

/// The workers of a runtime.
pub(crate) trait Workers: Send + Sync {
    /// `None`: there are no more.
    fn polling(&self, worker: usize) -> Option<&Polling>;
}

impl dyn Workers {
    /// What each of them polls, by worker.
    pub(crate) fn pollings(&self) -> impl Iterator<Item = &Polling> {
        (0..).map_while(|worker| self.polling(worker))
    }
}

/// How a runtime is watched.
#[derive(Clone)]
pub(crate) struct Settings {
    /// A poll that takes longer is a stall. Not zero.
    pub(crate) limit: Duration,
    /// Threads are asked for their stacks.
    pub(crate) with_stacks: bool,
    /// Called by the watchdog's thread, for the beginning and the end of each stall.
    pub(crate) tell: Arc<dyn Fn(Finding) + Send + Sync>,
}

/// A stall, at its beginning or at its end.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) worker: usize,
    pub(crate) polled: Polled,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) thread: Option<i32>,
    pub(crate) thread_name: Option<String>,
    /// The poll has taken at least this long, and up to a limit more.
    pub(crate) age: Duration,
    /// At the beginning, also in what tells of the end.
    pub(crate) activity: Activity,
    /// At the beginning, if it was asked for.
    pub(crate) stack: Option<Stack>,
    pub(crate) is_over: bool,
}

/// One per process: a forked child has its own.
pub(crate) struct Watchdog {
    origin: Origin,
    rouser: Rouser,
    /// Counts what its thread must not sleep through: somebody woke up while it lay, a runtime was
    /// registered.
    calls: AtomicU32,
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    runtimes: Vec<Watched>,
    next_number: u64,
    /// How the thread rests after its last look; `None`: there is no thread.
    rest: Option<Rest>,
}

impl Registry {
    /// Of all runtimes, also of those that are idle: they do not call the thread while it is up.
    fn shortest_limit(&self) -> Option<Duration> {
        let limits = self.runtimes.iter().map(|watched| watched.settings.limit);
        limits.min()
    }
}

struct Watched {
    number: u64,
    workers: Weak<dyn Workers>,
    settings: Settings,
    /// By worker.
    sightings: Vec<Sighting>,
}

/// What the last looks have seen of a worker.
struct Sighting {
    count: usize,
    /// When that count was first seen.
    since: Instant,
    /// The time on a processor that the thread had had by then, if it was in a poll.
    cpu: Option<Duration>,
    stall: Option<Finding>,
}

/// A runtime is watched until this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    watchdog: &'static Watchdog,
    number: u64,
}

impl std::fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watchdog").finish_non_exhaustive()
    }
}

static HERE: Mutex<Option<&'static Watchdog>> = Mutex::new(None);

impl Watchdog {
    /// That of this process. `None` where there can be none: Miri has no `/proc`, and wants all
    /// threads to end.
    pub(crate) fn here() -> Option<&'static Watchdog> {
        if cfg!(any(miri, all(test, loom))) {
            return None;
        }
        let mut here = unpoisoned(HERE.lock());
        match *here {
            Some(watchdog) if watchdog.origin.is_here() => Some(watchdog),
            // In a forked child the parent's stays as it was, its lock perhaps held for ever.
            _ => {
                let watchdog = Box::leak(Box::new(Watchdog {
                    origin: Origin::here(),
                    rouser: Rouser::new(|| {
                        if let Some(watchdog) = Watchdog::here() {
                            watchdog.get_up();
                        }
                    }),
                    calls: AtomicU32::new(0),
                    registry: Mutex::default(),
                }));
                *here = Some(watchdog);
                Some(watchdog)
            }
        }
    }

    /// Watches workers. Where a thread cannot be had for that, nobody does, until another runtime
    /// is built.
    pub(crate) fn watch(
        &'static self,
        workers: Weak<dyn Workers>,
        settings: Settings,
    ) -> Registration {
        let limit = settings.limit;
        let mut registry = self.lock();
        let number = registry.next_number;
        registry.next_number += 1;
        registry.runtimes.push(Watched {
            number,
            workers,
            settings,
            sightings: Vec::new(),
        });
        let rest = registry.rest;
        drop(registry);
        match rest {
            // The runtime's workers start later, and one of them gets it up.
            None => self.rouser.lie_down(),
            // It lies: likewise.
            Some(Rest::Unlimited) => {}
            // A call costs two switches of threads, which is much for a short runtime.
            Some(rest) if rest.limit() <= Some(limit) => {}
            Some(_) => self.call(),
        }
        Registration {
            watchdog: self,
            number,
        }
    }

    /// What its workers are to have.
    pub(crate) fn rouser(&'static self) -> &'static Rouser {
        &self.rouser
    }

    /// Somebody has woken up.
    fn get_up(&'static self) {
        let mut registry = self.lock();
        if registry.rest.is_some() {
            drop(registry);
            self.call();
        } else if !registry.runtimes.is_empty() {
            // If it is refused nobody asks again and again: it does not lie.
            registry.rest = self.start().is_ok().then_some(Rest::BEFORE_THE_FIRST_LOOK);
        }
    }

    fn start(&'static self) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("yamanote-stalls".to_owned());
        let (begins, has_begun) = std::sync::mpsc::channel::<()>();
        thread.spawn(move || {
            drop(begins);
            self.live();
        })?;
        // Until then it has the name of this thread, and whoever lists threads would wonder.
        let _ = has_begun.recv();
        Ok(())
    }

    /// Ends the thread's sleep, or the next one.
    fn call(&self) {
        // Relaxed: the lock of the registry, which it takes next, has what it is called for.
        self.calls.fetch_add(1, Relaxed);
        futex::wake_one(&self.calls);
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        unpoisoned(self.registry.lock())
    }

    /// The life of the thread.
    fn live(&self) {
        let mut rest = Rest::Unlimited;
        let mut planned = Instant::now();
        loop {
            let calls = self.calls.load(Relaxed); // see `call`
            let now = Instant::now();
            let (next, findings) = self.look(now, rest.was_too_long(planned, now), rest);
            for (tell, finding) in findings {
                contained(|| tell(finding));
            }
            let Some(next) = next else {
                return;
            };
            futex::wait(&self.calls, calls, next.limit());
            planned = now + next.limit().unwrap_or_default();
            rest = next;
        }
    }

    /// Looks at all workers. Returns how to rest, `None` to end, and what was found.
    fn look(&self, now: Instant, is_late: bool, rest: Rest) -> (Option<Rest>, Vec<Told>) {
        let mut registry = self.lock();
        let mut findings = Vec::new();
        let mut is_active = false;
        for watched in &mut registry.runtimes {
            is_active |= watched.look(now, is_late, &mut findings);
        }
        let next = match registry.shortest_limit() {
            Some(limit) if is_active => Some(Rest::Limited(limit)),
            Some(limit) => Some(self.lie_down(&registry, limit)),
            None if rest != Rest::Lingering => Some(Rest::Lingering),
            None => {
                // For whoever is watched next.
                self.rouser.lie_down();
                None
            }
        };
        registry.rest = next;
        (next, findings)
    }

    /// See "Idle programs".
    fn lie_down(&self, registry: &Registry, shortest_limit: Duration) -> Rest {
        self.rouser.lie_down();
        match registry.runtimes.iter().any(Watched::is_awake) {
            false => Rest::Unlimited,
            true => {
                self.rouser.stay_up();
                Rest::Limited(shortest_limit)
            }
        }
    }
}

/// What a runtime is told through, and what it is told.
type Told = (Arc<dyn Fn(Finding) + Send + Sync>, Finding);

/// How the thread rests between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Somebody is awake.
    Limited(Duration),
    /// It lies.
    Unlimited,
    /// There is no runtime. The next one, which comes soon in tests, need not make a thread.
    Lingering,
}

impl Rest {
    /// The thread is about to look.
    const BEFORE_THE_FIRST_LOOK: Rest = Rest::Limited(Duration::ZERO);

    fn limit(self) -> Option<Duration> {
        match self {
            Rest::Limited(limit) => Some(limit),
            Rest::Unlimited => None,
            Rest::Lingering => Some(LINGER),
        }
    }

    /// Whether the thread was kept from running after it, for as long again. Then the workers may
    /// have been kept from it, too: by a busy machine, a stop signal or a debugger.
    fn was_too_long(self, planned: Instant, now: Instant) -> bool {
        let late = now.saturating_duration_since(planned);
        matches!(self, Rest::Limited(limit) if late > limit)
    }
}

impl Watched {
    /// Looks at the workers of this runtime; whether one of them is awake, or was since the last
    /// look.
    fn look(&mut self, now: Instant, is_late: bool, findings: &mut Vec<Told>) -> bool {
        let Some(workers) = self.workers.upgrade() else {
            return false;
        };
        let mut is_active = false;
        for (worker, polling) in workers.pollings().enumerate() {
            if self.sightings.len() == worker {
                self.sightings.push(Sighting::new(now));
            }
            let sighting = &mut self.sightings[worker];
            let before = sighting.count;
            let finding = sighting.look(worker, polling, now, is_late, &self.settings);
            findings.extend(finding.map(|finding| (self.settings.tell.clone(), finding)));
            is_active |= sighting.count != before || polling.is_awake();
        }
        is_active
    }

    fn is_awake(&self) -> bool {
        let Some(workers) = self.workers.upgrade() else {
            return false;
        };
        workers.pollings().any(Polling::is_awake)
    }
}

impl Sighting {
    fn new(now: Instant) -> Sighting {
        Sighting {
            count: 0,
            since: now,
            cpu: None,
            stall: None,
        }
    }

    /// Notes what this worker does.
    fn look(
        &mut self,
        worker: usize,
        polling: &Polling,
        now: Instant,
        is_late: bool,
        settings: &Settings,
    ) -> Option<Finding> {
        let limit = settings.limit;
        let sight = polling.look();
        let age = now.saturating_duration_since(self.since);
        if sight.count != self.count || (is_late && self.stall.is_none()) {
            let over = self.stall.take();
            self.restart(sight, polling, now);
            return over.map(|stall| Finding {
                age,
                stack: None,
                is_over: true,
                ..stall
            });
        }
        let polled = sight.polled?;
        if self.stall.is_some() || age < limit {
            return None;
        }
        let thread = polling.thread();
        let activity = thread.map_or(Activity::Unknown, activity::of);
        // A thread that could run and was not let run is not held up by its task.
        let had_cpu = thread.and_then(thread::cpu_time).zip(self.cpu);
        let had_cpu = had_cpu.is_none_or(|(now, before)| now.saturating_sub(before) >= limit / 2);
        if activity == Activity::Runs && !had_cpu {
            return None;
        }
        let stall = Finding {
            worker,
            polled,
            name: polled.id.and_then(name_of),
            thread,
            thread_name: thread.and_then(activity::name_of),
            age,
            activity,
            // Last, because it interrupts the thread.
            stack: thread.filter(|_| settings.with_stacks).map(Stack::of),
            is_over: false,
        };
        // What was read belongs to the poll only if it has not ended meanwhile.
        if polling.look() != sight {
            return None;
        }
        self.stall = Some(stall.clone());
        Some(stall)
    }

    fn restart(&mut self, sight: Sight, polling: &Polling, now: Instant) {
        let thread = polling.thread().filter(|_| sight.polled.is_some());
        *self = Sighting {
            count: sight.count,
            since: now,
            cpu: thread.and_then(thread::cpu_time),
            stall: None,
        };
    }
}

/// How long the thread waits for another runtime before it ends.
const LINGER: Duration = Duration::from_millis(200);

impl Drop for Registration {
    fn drop(&mut self) {
        // In a forked child the lock may be held for ever, by a thread that is not there.
        if !self.watchdog.origin.is_here() {
            return;
        }
        let mut registry = self.watchdog.lock();
        let number = self.number;
        registry.runtimes.retain(|watched| watched.number != number);
        // The thread ends with the last of them, and so must not sleep for long. It need not know
        // at once: the next runtime may come soon.
        let sleeps_long = |rest: Rest| rest.limit().is_none_or(|limit| limit > LINGER);
        let is_missed = registry.runtimes.is_empty() && registry.rest.is_some_and(sleeps_long);
        drop(registry);
        if is_missed {
            self.watchdog.call();
        }
    }
}
