//! What a worker has counted, as everybody sees it.
//!
//! Whoever is the worker counts in its core, where nobody else looks, and brings this up to date
//! when it parks and about once every `event_interval` polls.
#![forbid(unsafe_code)]

use std::sync::Mutex;
use std::thread::{self, ThreadId};

use super::Config;
use super::histogram::Histogram;
use super::poll_timer::PollTimes;
use crate::util::coop;
use crate::util::counter::Counter;
use crate::util::owner_cell::ThreadNumber;
use crate::util::poison::unpoisoned;

/// One worker's counts. Written by the thread that is the worker; when another one becomes it, a
/// lock hands the counts over.
pub(crate) struct Meter {
    /// Polls of tasks.
    pub(crate) polls: Counter,
    /// Tasks that were made runnable on the worker's thread, and queued there.
    pub(crate) local_schedules: Counter,
    /// Tasks taken from siblings.
    pub(crate) steals: Counter,
    /// How often some were.
    pub(crate) steal_operations: Counter,
    /// Polls that have used up their budget.
    pub(crate) forced_yields: Counter,
    /// How long a poll takes, by a mean that forgets. Zero on a current-thread runtime.
    pub(crate) mean_poll_ns: Counter,
    /// How long polls took, those that were timed; `None`: none is.
    pub(crate) poll_times: Option<Histogram>,
    /// How long the tasks that it ran had waited, if that is counted.
    pub(crate) latencies: Option<Histogram>,
    /// Tasks in line, where only the worker's thread can count them.
    pub(crate) queued: Counter,
    /// The number of the thread that is the worker, or was last; 0 for none.
    thread_number: Counter,
    thread: Mutex<Option<ThreadId>>,
}

/// What threads have counted that drive no worker and poll a future of the runtime, in `block_on`.
pub(crate) struct Outside {
    forced_yields: Counter,
}

impl Outside {
    pub(crate) fn new() -> Outside {
        Outside {
            forced_yields: Counter::new(),
        }
    }

    /// Called by such a thread after a poll, or several.
    pub(crate) fn note_polls(&self) {
        let used_up = coop::take_used_up();
        if used_up > 0 {
            self.forced_yields.add_shared(used_up);
        }
    }

    /// Polls that have used up their budget.
    pub(crate) fn forced_yields(&self) -> u64 {
        self.forced_yields.get()
    }
}

impl Meter {
    pub(crate) fn new(config: &Config) -> Meter {
        let is_timed = config.poll_times != PollTimes::Off;
        Meter {
            polls: Counter::new(),
            local_schedules: Counter::new(),
            steals: Counter::new(),
            steal_operations: Counter::new(),
            forced_yields: Counter::new(),
            mean_poll_ns: Counter::new(),
            poll_times: is_timed.then(|| Histogram::new(config.poll_time_layout.clone())),
            latencies: config.latency_layout.clone().map(Histogram::new),
            queued: Counter::new(),
            thread_number: Counter::new(),
            thread: Mutex::new(None),
        }
    }

    /// This thread is the worker from now on. Returns whether it was not the last one to be it.
    #[inline]
    pub(crate) fn note_thread(&self) -> bool {
        let number = ThreadNumber::current().get();
        // A thread that comes again, as with each short `block_on`, leaves the lock alone.
        let is_new = self.thread_number.get() != number;
        if is_new {
            self.thread_number.set(number);
            *unpoisoned(self.thread.lock()) = Some(thread::current().id());
        }
        is_new
    }

    /// The thread that is the worker, or was last.
    pub(crate) fn thread(&self) -> Option<ThreadId> {
        *unpoisoned(self.thread.lock())
    }
}
