//! A time in which things go wrong, as the seed says, and then no more.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::Duration;
use yamanote::sim::{Rng, Sim, Tear};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Some hosts do not hear the others.
    Partition,
    /// Some hosts do not hear the others, which hear them.
    OneWay,
    /// What is sent arrives when it is over.
    Hold,
    /// A node crashes, and is started again later.
    Crash,
    /// A node does nothing for a while.
    Pause,
    /// A node's clock on the wall is put wrong.
    Skew,
    /// A node's disk is slow to sync, for the rest of the storm.
    SlowDisk,
}

/// Who takes part.
#[derive(Clone, Copy, Debug)]
pub struct Storm<'a> {
    /// Those that crash and pause.
    pub nodes: &'a [&'a str],
    /// Those that are cut off.
    pub hosts: &'a [&'a str],
    /// What can go wrong; the seed leaves some of it out.
    pub faults: &'a [Fault],
    pub time: Duration,
}

impl Storm<'_> {
    /// Waits until it is over and all is well again.
    pub async fn rage(self, sim: &Sim) {
        let mut rng = sim.rng();
        let mut faults = self.faults.to_vec();
        faults.retain(|_| rng.chance(0.75));
        if faults.is_empty() {
            faults = self.faults.to_vec();
        }
        // How much time there is between two, as a rule.
        let most = rng.between(100, 2_000);
        for name in self.nodes {
            sim.host(name).disk().tear(Tear::Sector);
        }
        let mut down = BTreeMap::new();
        let end = sim.now() + self.time;
        while sim.now() < end {
            sim.sleep(Duration::from_millis(rng.between(1, most))).await;
            self.restart(sim, &mut down).await;
            if rng.chance(0.25) {
                sim.net().heal();
                continue;
            }
            match faults[rng.below(faults.len() as u64) as usize] {
                Fault::Crash => {
                    let name = pick(&mut rng, self.nodes);
                    sim.host(name).crash();
                    let back = sim.now() + Duration::from_millis(rng.between(1, 3_000));
                    down.insert(name, back);
                }
                Fault::Pause => {
                    let time = Duration::from_millis(rng.between(1, 2_000));
                    sim.host(pick(&mut rng, self.nodes)).pause(time);
                }
                Fault::Skew => {
                    let ns = rng.between(0, 4_000_000_000).cast_signed() - 2_000_000_000;
                    sim.host(pick(&mut rng, self.hosts)).skew(ns);
                }
                Fault::SlowDisk => {
                    let most = Duration::from_millis(rng.between(1, 300));
                    let name = pick(&mut rng, self.nodes);
                    sim.host(name).disk().sync_latency(most / 10..=most);
                }
                cut => self.cut(sim, cut, &mut rng),
            }
        }
        sim.net().heal();
        for name in self.nodes {
            sim.host(name).resume();
            sim.host(name).disk().heal();
            if !sim.host(name).is_up() {
                sim.host(name).restart().await;
            }
        }
    }

    /// Starts again who has been down for long enough, or has ended by itself.
    async fn restart<'a>(&self, sim: &Sim, down: &mut BTreeMap<&'a str, Duration>)
    where
        Self: 'a,
    {
        let now = sim.now();
        for name in self.nodes {
            let is_due = down.get(name).is_none_or(|back| *back <= now);
            if is_due && !sim.host(name).is_up() {
                down.remove(name);
                sim.host(name).restart().await;
            }
        }
    }

    fn cut(&self, sim: &Sim, fault: Fault, rng: &mut Rng) {
        let (mut some, mut others) = (Vec::new(), Vec::new());
        for &host in self.hosts {
            if rng.chance(0.5) {
                some.push(host);
            } else {
                others.push(host);
            }
        }
        match fault {
            Fault::OneWay => sim.net().partition_one_way(some, others),
            Fault::Hold => sim.net().hold(some, others),
            _ => sim.net().partition(some, others),
        }
    }
}

fn pick<'a>(rng: &mut Rng, names: &[&'a str]) -> &'a str {
    names[rng.below(names.len() as u64) as usize]
}
