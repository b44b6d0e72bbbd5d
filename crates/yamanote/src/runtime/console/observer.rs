//! What only repeated looks tell: for how long a worker has been in one poll, and which tasks take
//! its time.
//!
//! While somebody asks, the console's thread looks at what each worker polls some hundred times a
//! second. From that it estimates how the time is spent; the workers do nothing for it.
#![forbid(unsafe_code)]

use crate::runtime::parts::Parts;
use crate::runtime::stall::Polled;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than that is not the time between two looks of a series.
const LONGEST_GAP: Duration = Duration::from_millis(200);

#[derive(Default)]
pub(super) struct Observer {
    /// By runtime and worker.
    polls: HashMap<(u64, usize), Poll>,
    /// By runtime and place.
    busy: HashMap<(u64, &'static Location<'static>), Duration>,
    last_look: Option<Instant>,
}

/// The poll that a worker is in.
#[derive(Clone, Copy)]
pub(super) struct Poll {
    /// Differs from one poll of the worker to the next.
    pub(super) number: usize,
    pub(super) polled: Polled,
    /// When it was first seen.
    pub(super) since: Instant,
    /// The kernel's number of the thread.
    pub(super) thread: Option<i32>,
}

impl Observer {
    pub(super) fn look(&mut self, runtimes: &[Arc<Parts>]) {
        let now = Instant::now();
        let passed = self.last_look.replace(now).map(|last| now - last);
        // The first look of a series says nothing of the time before.
        let passed = passed.filter(|passed| *passed < LONGEST_GAP);
        let mut polls = HashMap::new();
        for parts in runtimes {
            let runtime = parts.id.number();
            let seen = (parts.scheduler).pollings(|polling| (polling.look(), polling.thread()));
            for (worker, (sight, thread)) in seen.into_iter().enumerate() {
                let Some(polled) = sight.polled else {
                    continue;
                };
                let before = self.polls.get(&(runtime, worker));
                let same = before.filter(|before| before.number == sight.count);
                let poll = Poll {
                    number: sight.count,
                    polled,
                    since: same.map_or(now, |same| same.since),
                    thread,
                };
                polls.insert((runtime, worker), poll);
                *self.busy.entry((runtime, polled.spawned_at)).or_default() +=
                    passed.unwrap_or_default();
            }
        }
        self.polls = polls;
        self.busy.retain(|(runtime, _), _| {
            let mut ids = runtimes.iter().map(|parts| parts.id.number());
            ids.any(|id| id == *runtime)
        });
    }

    /// What a worker was polling at the last look.
    pub(super) fn poll(&self, runtime: u64, worker: usize) -> Option<&Poll> {
        self.polls.get(&(runtime, worker))
    }

    /// How much time the tasks of a place were seen to take.
    pub(super) fn busy(&self, runtime: u64, place: &'static Location<'static>) -> Duration {
        self.busy
            .get(&(runtime, place))
            .copied()
            .unwrap_or_default()
    }
}
