//! Which faults a seed means.
#![forbid(unsafe_code)]

use std::time::Duration;

use yamanote_sim::Rng;

use super::fault::{Fault, FaultKind};
use super::{Chaos, Planned};
use crate::sim::Sim;

/// All of them, in order of their times.
pub(super) fn all(rng: &mut Rng, sim: &Sim, chaos: &Chaos) -> Vec<Planned> {
    let names: Vec<String> = sim.hosts().iter().map(|it| it.name().to_owned()).collect();
    let is_spared = |name: &String| chaos.spared.contains(name);
    let victims: Vec<String> = names.iter().filter(|it| !is_spared(it)).cloned().collect();
    let kinds = swarm(rng, &chaos.kinds);
    if kinds.is_empty() || victims.is_empty() {
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
        at += up_to(rng, every * 2).max(Duration::from_millis(1));
        if at >= begin + chaos.during {
            return planned;
        }
        let kind = kinds[rng.below(kinds.len() as u64) as usize];
        let Some(fault) = draw(rng, kind, &victims, &names) else {
            continue;
        };
        let length = up_to(rng, chaos.longest).max(Duration::from_millis(10));
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

/// Mostly short ones.
fn up_to(rng: &mut Rng, most: Duration) -> Duration {
    let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    let shortened = most >> rng.below(4);
    Duration::from_nanos(rng.between(0, shortened))
}

fn draw(rng: &mut Rng, kind: FaultKind, victims: &[String], all: &[String]) -> Option<Fault> {
    let one = |rng: &mut Rng| vec![victims[rng.below(victims.len() as u64) as usize].clone()];
    let fault = |these, those, size| Fault {
        kind,
        these,
        those,
        size,
    };
    Some(match kind {
        FaultKind::Crash | FaultKind::Pause | FaultKind::FullDisk => fault(one(rng), vec![], 0),
        FaultKind::Partition | FaultKind::OneWay => {
            let (these, those): (Vec<String>, Vec<String>) =
                all.iter().cloned().partition(|_| rng.below(2) == 0);
            if these.is_empty() || those.is_empty() {
                return None;
            }
            fault(these, those, 0)
        }
        FaultKind::Hold => {
            let these = one(rng);
            let others: Vec<&String> = all.iter().filter(|it| **it != these[0]).collect();
            let other = others.get(rng.below(others.len().max(1) as u64) as usize)?;
            fault(these, vec![(*other).clone()], 0)
        }
        FaultKind::SlowLinks => fault(vec![], vec![], rng.between(5, 500)),
        FaultKind::Loss => fault(vec![], vec![], rng.between(5, 300)),
        FaultKind::Skew => fault(one(rng), vec![], rng.between(0, 1000)),
        FaultKind::SlowDisk => fault(one(rng), vec![], rng.between(2, 200)),
        FaultKind::FailingSync => fault(one(rng), vec![], rng.between(50, 1000)),
    })
}

/// Whether more hosts than allowed would be down at a time, or one twice.
fn is_too_much(planned: &[Planned], new: &Planned, most_down: usize) -> bool {
    if !new.fault.kind.takes_down() {
        return false;
    }
    let is_at_once = |it: &&Planned| it.fault.kind.takes_down() && it.at + it.length >= new.at;
    let down: Vec<&Planned> = planned.iter().filter(is_at_once).collect();
    down.len() >= most_down || down.iter().any(|it| it.fault.these == new.fault.these)
}
