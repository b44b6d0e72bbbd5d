//! Faults, as the seed says.
#![forbid(unsafe_code)]

mod draw;
mod fault;

pub use fault::FaultKind;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
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
    /// Of some kinds: least and most.
    lengths: BTreeMap<FaultKind, (Duration, Duration)>,
    kinds: Vec<FaultKind>,
    /// Who may be hit; `None`: all.
    hit: Option<Vec<String>>,
    spared: Vec<String>,
    /// Between whom the network may fail; `None`: all.
    cut: Option<Vec<String>>,
    most_down: usize,
    most_skew: Duration,
    slowest_link: Duration,
    slowest_disk: Duration,
    most_lost: f64,
    most_failing: f64,
}

impl Default for Chaos {
    fn default() -> Chaos {
        Chaos::new()
    }
}

impl Chaos {
    /// All kinds of faults but [lying syncs](FaultKind::LyingSync), for a minute, one in three
    /// seconds or so, none for longer than ten seconds, to any number of hosts.
    pub fn new() -> Chaos {
        let mut kinds = FaultKind::ALL.to_vec();
        kinds.retain(|kind| *kind != FaultKind::LyingSync);
        Chaos {
            during: Duration::from_secs(60),
            every: Duration::from_secs(3),
            longest: Duration::from_secs(10),
            lengths: BTreeMap::new(),
            kinds,
            hit: None,
            spared: Vec::new(),
            cut: None,
            most_down: usize::MAX,
            most_skew: Duration::from_secs(5),
            slowest_link: Duration::from_millis(500),
            slowest_disk: Duration::from_millis(200),
            most_lost: 0.3,
            most_failing: 1.0,
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

    /// A fault of that kind lasts for a time in this range, however long the others do. For
    /// crashes it is how long the host is down.
    #[must_use]
    pub fn lasting(mut self, kind: FaultKind, range: RangeInclusive<Duration>) -> Chaos {
        self.lengths.insert(kind, range.into_inner());
        self
    }

    /// Only these kinds.
    #[must_use]
    pub fn only(mut self, kinds: impl IntoIterator<Item = FaultKind>) -> Chaos {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// These kinds too.
    #[must_use]
    pub fn and(mut self, kinds: impl IntoIterator<Item = FaultKind>) -> Chaos {
        for kind in kinds {
            if !self.kinds.contains(&kind) {
                self.kinds.push(kind);
            }
        }
        self
    }

    /// Not these kinds.
    #[must_use]
    pub fn without(mut self, kinds: impl IntoIterator<Item = FaultKind>) -> Chaos {
        let kinds: Vec<FaultKind> = kinds.into_iter().collect();
        self.kinds.retain(|kind| !kinds.contains(kind));
        self
    }

    /// Crashes, pauses, wrong clocks and faults of disks happen to these hosts only. If it is not
    /// said: to all. A host whose program runs [once](super::Host::run) never crashes.
    #[must_use]
    pub fn hit(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Chaos {
        self.hit = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Partitions and holds are between these hosts only. If it is not said: between all.
    #[must_use]
    pub fn cut(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Chaos {
        self.cut = Some(hosts.into_iter().map(Into::into).collect());
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

    /// No wall clock is further ahead or behind. The default is five seconds.
    #[must_use]
    pub fn most_skew(mut self, time: Duration) -> Chaos {
        self.most_skew = time;
        self
    }

    /// No packet takes longer. The default is half a second.
    #[must_use]
    pub fn slowest_link(mut self, time: Duration) -> Chaos {
        self.slowest_link = time;
        self
    }

    /// No call of a slow disk takes longer. The default is 200 ms.
    #[must_use]
    pub fn slowest_disk(mut self, time: Duration) -> Chaos {
        self.slowest_disk = time;
        self
    }

    /// No packet is more likely to be lost. The default is 0.3.
    #[must_use]
    pub fn most_lost(mut self, probability: f64) -> Chaos {
        self.most_lost = probability.clamp(0.0, 1.0);
        self
    }

    /// No call of a disk is more likely to fail, or to lie. The default is 1.
    #[must_use]
    pub fn most_failing(mut self, probability: f64) -> Chaos {
        self.most_failing = probability.clamp(0.0, 1.0);
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

    /// Has [`chaos`](Self::chaos), waits until its time is over, and [heals](Self::heal).
    pub async fn storm(&self, chaos: Chaos) {
        let time = chaos.during;
        self.chaos(chaos);
        self.sleep(time).await;
        self.heal();
    }

    /// Ends all that is wrong: [`chaos`](Self::chaos), partitions, holds, what was set for links
    /// and disks, pauses, wrong clocks. Hosts that have crashed are restarted if their programs can
    /// be; those whose processes have ended are if they have a
    /// [supervisor](super::Host::restarts_after). [`buggify`](super::buggify) is false from now on.
    ///
    /// What comes after it is the test of liveness: the program has no excuse any more.
    pub fn heal(&self) {
        self.take_faults().iter().for_each(JoinHandle::abort);
        unpoisoned(UNDER_WAY.lock()).clear();
        marks::heal();
        self.net().heal();
        self.net().calm();
        for host in self.hosts() {
            host.disk().heal();
            host.resume();
            host.skew(0);
            yamanote_sim::hosts::crash_at(host.id(), None);
            host.restart_if_down();
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

/// The faults that have begun and not ended, with their numbers.
static UNDER_WAY: Mutex<Vec<(usize, Fault)>> = Mutex::new(Vec::new());

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

/// Those under way but for that one, which is not any more.
fn others(number: usize) -> Vec<Fault> {
    let mut under_way = unpoisoned(UNDER_WAY.lock());
    under_way.retain(|(other, _)| *other != number);
    under_way.iter().map(|(_, fault)| fault.clone()).collect()
}

async fn happen(sim: Sim, number: usize, planned: Planned) {
    let Planned {
        at,
        length,
        mut fault,
    } = planned;
    crate::time::sleep(at.saturating_sub(sim.now())).await;
    let end = sim.now() + length;
    let (text, end_ns) = (fault.fields(), end.as_nanos());
    note_as(
        HostId::DRIVER,
        "fault",
        &format!("id={number} {text} until={end_ns}"),
    );
    unpoisoned(UNDER_WAY.lock()).push((number, fault.clone()));
    fault.begin(&sim);
    if let Some(moment) = fault.kind.moment() {
        // It is down for as long as it was meant to be.
        let host = sim.host(&fault.these[0]);
        if host.crash_at(moment, fault::WAITS).await {
            crate::time::sleep(length).await;
        }
    } else {
        let next = std::mem::take(&mut fault.next);
        let part = length / (next.len() as u32 + 1);
        for sides in next {
            crate::time::sleep(part).await;
            let others = others(number);
            fault.shift(&sim, sides, &others);
            unpoisoned(UNDER_WAY.lock()).push((number, fault.clone()));
        }
        crate::time::sleep(end.saturating_sub(sim.now())).await;
    }
    fault.end(&sim, &others(number));
    note_as(HostId::DRIVER, "over", &format!("id={number}"));
}
