//! Which faults a seed means.
#![forbid(unsafe_code)]

use std::time::Duration;

use yamanote_sim::Rng;

use super::fault::{Fault, FaultKind, Sides};
use super::{Chaos, Planned};
use crate::sim::Sim;

/// Who may be concerned by a fault.
struct Hosts {
    /// Those that may be hit, and which of them can be restarted.
    victims: Vec<String>,
    repeatable: Vec<String>,
    /// Those between which the network may fail.
    connected: Vec<String>,
}

impl Hosts {
    fn of(sim: &Sim, chaos: &Chaos) -> Hosts {
        let mut hosts = sim.hosts();
        let is_one = |names: &Option<Vec<String>>, name: &str| {
            let names = names.as_ref();
            names.is_none_or(|names| names.iter().any(|it| it == name))
        };
        let name = |host: &crate::sim::Host| host.name().to_owned();
        let connected = hosts.iter().map(name);
        let connected = connected.filter(|name| is_one(&chaos.cut, name)).collect();
        hosts.retain(|host| {
            let is_spared = chaos.spared.iter().any(|it| it == host.name());
            !is_spared && is_one(&chaos.hit, host.name())
        });
        let repeatable = hosts.iter().filter(|it| it.is_repeatable()).map(name);
        Hosts {
            victims: hosts.iter().map(name).collect(),
            repeatable: repeatable.collect(),
            connected,
        }
    }
}

/// All of them, in order of their times.
pub(super) fn all(rng: &mut Rng, sim: &Sim, chaos: &Chaos) -> Vec<Planned> {
    let hosts = Hosts::of(sim, chaos);
    let kinds = swarm(rng, &chaos.kinds);
    if kinds.is_empty() {
        return Vec::new();
    }
    let every = match rng.below(3) {
        0 => chaos.every / 2,
        1 => chaos.every,
        _ => chaos.every * 2,
    };
    let begin = sim.now();
    let mut planned: Vec<Planned> = Vec::new();
    let mut at = begin;
    loop {
        // Four times, since most are shortened: half of that is the mean.
        at += up_to(rng, every * 4).max(Duration::from_millis(1));
        if at >= begin + chaos.during {
            return planned;
        }
        let kind = kinds[rng.below(kinds.len() as u64) as usize];
        let Some(fault) = draw(rng, kind, &hosts, chaos) else {
            continue;
        };
        let length = length(rng, kind, chaos);
        let new = Planned { at, length, fault };
        if !is_too_much(&planned, &new, chaos.most_down) {
            planned.push(new);
        }
    }
}

/// Which kinds take part: each with even chances, one at least.
fn swarm(rng: &mut Rng, kinds: &[FaultKind]) -> Vec<FaultKind> {
    let mut chosen: Vec<FaultKind> = kinds.to_vec();
    chosen.retain(|_| rng.below(2) == 0);
    if chosen.is_empty() && !kinds.is_empty() {
        chosen.push(kinds[rng.below(kinds.len() as u64) as usize]);
    }
    chosen
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Mostly short ones.
fn up_to(rng: &mut Rng, most: Duration) -> Duration {
    let shortened = nanos(most) >> rng.below(4);
    Duration::from_nanos(rng.between(0, shortened))
}

fn length(rng: &mut Rng, kind: FaultKind, chaos: &Chaos) -> Duration {
    match chaos.lengths.get(&kind) {
        Some((least, most)) => *least + up_to(rng, most.saturating_sub(*least)),
        None => up_to(rng, chaos.longest).max(Duration::from_millis(10)),
    }
}

/// `None` if there is nobody whom it could hit.
fn draw(rng: &mut Rng, kind: FaultKind, hosts: &Hosts, chaos: &Chaos) -> Option<Fault> {
    let victims = match kind.crashes() {
        true => &hosts.repeatable,
        false => &hosts.victims,
    };
    let all = &hosts.connected;
    let one = |rng: &mut Rng, of: &[String]| {
        let one = of.get(rng.below(of.len().max(1) as u64) as usize);
        one.map(|name| vec![name.clone()])
    };
    let fault = |these, those, size| Fault {
        kind,
        these,
        those,
        next: vec![],
        size,
    };
    let up_to_ms = |rng: &mut Rng, most: Duration| rng.between(1, nanos(most) / 1_000_000 + 1);
    let part = |rng: &mut Rng, most: f64| rng.between(5, 5 + (most * 995.0) as u64);
    Some(match kind {
        FaultKind::Crash | FaultKind::CrashAtWrite | FaultKind::CrashAtSend => {
            fault(one(rng, victims)?, vec![], 0)
        }
        FaultKind::Pause | FaultKind::FullDisk => fault(one(rng, victims)?, vec![], 0),
        FaultKind::Partition | FaultKind::OneWay => {
            let (these, those) = sides(rng, all)?;
            fault(these, those, 0)
        }
        FaultKind::Shift => {
            let (these, those) = sides(rng, all)?;
            let next = (0..rng.between(1, 4)).filter_map(|_| sides(rng, all));
            let next = next.collect();
            Fault {
                next,
                ..fault(these, those, 0)
            }
        }
        FaultKind::Hold => {
            let these = one(rng, all)?;
            let others: Vec<String> = all.iter().filter(|it| **it != these[0]).cloned().collect();
            let those = one(rng, &others)?;
            fault(these, those, 0)
        }
        FaultKind::SlowLinks => fault(vec![], vec![], up_to_ms(rng, chaos.slowest_link)),
        FaultKind::NarrowLinks => fault(vec![], vec![], 1 << rng.between(3, 10)),
        FaultKind::Loss => fault(vec![], vec![], part(rng, chaos.most_lost)),
        FaultKind::Duplicates | FaultKind::Reorder => fault(vec![], vec![], part(rng, 0.3)),
        FaultKind::Skew => {
            let most = (nanos(chaos.most_skew) / 1_000_000) as i64;
            let skew = rng.between(0, most as u64 * 2) as i64 - most;
            fault(one(rng, victims)?, vec![], skew as u64)
        }
        FaultKind::SlowDisk => {
            let size = up_to_ms(rng, chaos.slowest_disk);
            fault(one(rng, victims)?, vec![], size)
        }
        FaultKind::FailingSync
        | FaultKind::FailingWrite
        | FaultKind::FailingRead
        | FaultKind::LyingSync => {
            let size = part(rng, chaos.most_failing);
            fault(one(rng, victims)?, vec![], size)
        }
    })
}

/// Each host is on one side.
fn sides(rng: &mut Rng, all: &[String]) -> Option<Sides> {
    let (these, those): Sides = all.iter().cloned().partition(|_| rng.below(2) == 0);
    (!these.is_empty() && !those.is_empty()).then_some((these, those))
}

/// Whether more hosts than allowed would be down at a time, or one twice.
fn is_too_much(planned: &[Planned], new: &Planned, most_down: usize) -> bool {
    if !new.fault.kind.takes_down() {
        return false;
    }
    let is_at_once = |it: &&Planned| {
        let end = it.at + it.fault.kind.waits() + it.length;
        it.fault.kind.takes_down() && end >= new.at
    };
    let down: Vec<&Planned> = planned.iter().filter(is_at_once).collect();
    down.len() >= most_down || down.iter().any(|it| it.fault.these == new.fault.these)
}
