//! Faults, as the seed says.
#![forbid(unsafe_code)]

mod draw;
mod fault;

pub use fault::FaultKind;

use std::sync::Mutex;
use std::time::Duration;

use yamanote_sim::{HostId, Rng, Stream, note_as, with_rng};

use super::experiment::Sim;
use super::harness;
use super::marks;
use crate::task::JoinHandle;
use crate::util::poison::unpoisoned;
use fault::Fault;

/// Which faults there may be, and how many: see [`Sim::chaos`].
///
/// The seed first decides which kinds take part in the run at all, each with even chances, and how
/// frequent they are. So some runs are mild, some see nothing but crashes, some a bit of all; that
/// finds more than a bit of all in each. Then all faults are drawn into a list, with their times
/// and victims, before anything happens. The report of a failing run has the list, and
/// `YAMANOTE_SIM_WITHOUT` leaves out of it what the failure does not need.
#[derive(Debug, Clone)]
pub struct Chaos {
    during: Duration,
    every: Duration,
    longest: Duration,
    kinds: Vec<FaultKind>,
    spared: Vec<String>,
    most_down: usize,
}

impl Default for Chaos {
    fn default() -> Chaos {
        Chaos::new()
    }
}

impl Chaos {
    /// All kinds of faults, for a minute, one in three seconds or so, none for longer than ten
    /// seconds, to any number of hosts.
    pub fn new() -> Chaos {
        Chaos {
            during: Duration::from_secs(60),
            every: Duration::from_secs(3),
            longest: Duration::from_secs(10),
            kinds: FaultKind::ALL.to_vec(),
            spared: Vec::new(),
            most_down: usize::MAX,
        }
    }

    /// For how long new faults begin.
    #[must_use]
    pub fn during(mut self, time: Duration) -> Chaos {
        self.during = time;
        self
    }

    /// The time between two faults, in the mean. The seed doubles or halves it.
    #[must_use]
    pub fn every(mut self, time: Duration) -> Chaos {
        self.every = time;
        self
    }

    /// No fault lasts for longer.
    #[must_use]
    pub fn longest(mut self, time: Duration) -> Chaos {
        self.longest = time;
        self
    }

    /// Only these kinds.
    #[must_use]
    pub fn only(mut self, kinds: impl IntoIterator<Item = FaultKind>) -> Chaos {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Not these kinds.
    #[must_use]
    pub fn without(mut self, kinds: impl IntoIterator<Item = FaultKind>) -> Chaos {
        let kinds: Vec<FaultKind> = kinds.into_iter().collect();
        self.kinds.retain(|kind| !kinds.contains(kind));
        self
    }

    /// Nothing happens to that host but what happens to the links to it.
    #[must_use]
    pub fn spare(mut self, host: impl Into<String>) -> Chaos {
        self.spared.push(host.into());
        self
    }

    /// No more hosts than these are down or paused at a time.
    #[must_use]
    pub fn most_down(mut self, hosts: usize) -> Chaos {
        self.most_down = hosts;
        self
    }
}

impl Sim {
    /// Has faults happen, as the seed says, from now on: to the hosts that there are by now.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use yamanote::sim::{Chaos, FaultKind, Sim};
    ///
    /// #[yamanote::sim::test(seeds = 1000)]
    /// async fn survives_everything(sim: Sim) {
    ///     for n in 0..3 {
    ///         sim.host(format!("n{n}")).start(|| async { /* ... */ });
    ///     }
    ///     sim.chaos(Chaos::new().during(Duration::from_secs(30)).without([FaultKind::FullDisk]));
    ///     sim.sleep(Duration::from_secs(40)).await;
    ///     sim.heal();
    ///     // From here on everything works again, and the cluster should, before long.
    /// }
    /// ```
    pub fn chaos(&self, chaos: Chaos) {
        self.keep_faults(begin(self, &chaos));
    }

    /// Ends all that is wrong: [`chaos`](Self::chaos), partitions, holds, what was set for links
    /// and disks, pauses, wrong clocks. Hosts that are down are restarted if they had a program
    /// that can be. [`buggify`](super::buggify) is false from now on.
    ///
    /// What comes after it is the test of liveness: the program has no excuse any more.
    pub fn heal(&self) {
        self.take_faults().iter().for_each(JoinHandle::abort);
        marks::heal();
        self.net().heal();
        self.net().calm();
        for host in self.hosts() {
            host.disk().heal();
            host.resume();
            host.skew(0);
            host.restart_if_crashed();
        }
    }
}

/// A fault, its time and its length.
#[derive(Debug, Clone)]
struct Planned {
    at: Duration,
    length: Duration,
    fault: Fault,
}

/// All that were drawn in this run, described.
static DRAWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The faults that were drawn, for the report.
pub(super) fn drawn() -> Vec<String> {
    unpoisoned(DRAWN.lock()).clone()
}

/// Draws the faults, and has them happen. The tasks end with the last of them.
fn begin(sim: &Sim, chaos: &Chaos) -> Vec<JoinHandle<()>> {
    let seed = with_rng(Stream::Chaos, Rng::next);
    let planned = draw::all(&mut Rng::new(seed), sim, chaos);
    let without = harness::without();
    let mut tasks = Vec::new();
    for planned in planned {
        let number = {
            let mut drawn = unpoisoned(DRAWN.lock());
            let (from, to) = (planned.at, planned.at + planned.length);
            let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
            drawn.push(format!("{from:.3} s to {to:.3} s: {}", planned.fault));
            drawn.len() - 1
        };
        if !without.contains(&number) {
            tasks.push(crate::spawn(happen(sim.clone(), number, planned)));
        }
    }
    tasks
}

async fn happen(sim: Sim, number: usize, planned: Planned) {
    let Planned { at, length, fault } = planned;
    crate::time::sleep(at.saturating_sub(sim.now())).await;
    let end = sim.now() + length;
    let (text, end_ns) = (fault.fields(), end.as_nanos());
    note_as(
        HostId::DRIVER,
        "fault",
        &format!("id={number} {text} until={end_ns}"),
    );
    fault.begin(&sim);
    crate::time::sleep(length).await;
    fault.end(&sim);
    note_as(HostId::DRIVER, "over", &format!("id={number}"));
}
