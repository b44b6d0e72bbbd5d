//! The network of a simulation.
#![forbid(unsafe_code)]

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use yamanote_sim::net::{self as machine, Links as MachineLinks};
use yamanote_sim::{HostId, note_as};

use super::experiment::Sim;
use super::host::Host;

/// The network of a simulation, and what is wrong with it: see [`Sim::net`].
///
/// There is a link from every host to every other. A packet takes 0.5 to 2 ms on it, drawn for
/// each, unless something else is set. TCP sends what is lost again, so a connection survives a
/// partition that does not last for longer than the kernel tries (about a quarter of an hour);
/// datagrams are lost. The names of hosts are known to all of them. Connections that a crash ends
/// are reset, or silent.
///
/// Hosts are named by what [`Names`] is for: `"node1"`, `["node2", "node3"]`, `&host`.
///
/// The experiment is connected to everybody, and no partition reaches it.
#[derive(Debug, Clone)]
pub struct Net {
    sim: Sim,
}

/// What names one host or several of a simulation.
pub trait Names {
    #[doc(hidden)]
    fn hosts(&self, sim: &Sim) -> Vec<Host>;
}

impl Names for str {
    fn hosts(&self, sim: &Sim) -> Vec<Host> {
        vec![sim.host(self)]
    }
}

impl Names for String {
    fn hosts(&self, sim: &Sim) -> Vec<Host> {
        vec![sim.host(self)]
    }
}

impl Names for Host {
    fn hosts(&self, _: &Sim) -> Vec<Host> {
        vec![self.clone()]
    }
}

impl<T: Names + ?Sized> Names for &T {
    fn hosts(&self, sim: &Sim) -> Vec<Host> {
        (**self).hosts(sim)
    }
}

impl<T: Names> Names for [T] {
    fn hosts(&self, sim: &Sim) -> Vec<Host> {
        self.iter().flat_map(|it| it.hosts(sim)).collect()
    }
}

impl<T: Names, const N: usize> Names for [T; N] {
    fn hosts(&self, sim: &Sim) -> Vec<Host> {
        self[..].hosts(sim)
    }
}

impl<T: Names> Names for Vec<T> {
    fn hosts(&self, sim: &Sim) -> Vec<Host> {
        self[..].hosts(sim)
    }
}

impl Sim {
    /// The network.
    pub fn net(&self) -> Net {
        Net { sim: self.clone() }
    }
}

impl Net {
    fn between(&self, (these, those): (&dyn Names, &dyn Names), f: impl Fn(&[HostId], &[HostId])) {
        let ids = |names: &dyn Names| {
            let hosts = names.hosts(&self.sim);
            hosts.iter().map(Host::id).collect::<Vec<_>>()
        };
        f(&ids(these), &ids(those));
    }

    /// Nothing passes between these hosts and those any more, until [`repair`](Self::repair) or
    /// [`heal`](Self::heal). What is on its way is lost too.
    pub fn partition(&self, these: impl Names, those: impl Names) {
        self.between((&these, &those), machine::partition);
    }

    /// As [`partition`](Self::partition), for what these hosts send to those; the other direction
    /// works.
    pub fn partition_one_way(&self, from: impl Names, to: impl Names) {
        self.between((&from, &to), machine::partition_one_way);
    }

    /// A [`partition`](Self::partition) between these hosts and all others that there are.
    pub fn isolate(&self, these: impl Names) {
        let these = these.hosts(&self.sim);
        let is_one = |host: &Host| these.iter().any(|it| it.id() == host.id());
        let others: Vec<Host> = self.sim.hosts();
        let others: Vec<Host> = others.into_iter().filter(|it| !is_one(it)).collect();
        self.partition(these, others);
    }

    /// Undoes partitions between these hosts and those. A connection goes on when it next sends
    /// again what was lost.
    pub fn repair(&self, these: impl Names, those: impl Names) {
        self.between((&these, &those), machine::repair);
    }

    /// Undoes partitions of what these hosts send to those.
    pub(super) fn repair_one_way(&self, from: impl Names, to: impl Names) {
        self.between((&from, &to), machine::repair_one_way);
    }

    /// What is sent between these hosts and those, and what is on its way, is kept until
    /// [`release`](Self::release).
    pub fn hold(&self, these: impl Names, those: impl Names) {
        self.between((&these, &those), machine::hold);
    }

    /// What was kept arrives now.
    pub fn release(&self, these: impl Names, those: impl Names) {
        self.between((&these, &those), machine::release);
    }

    /// Undoes all partitions and holds. What was set for [links](Self::all) stays.
    pub fn heal(&self) {
        note_as(HostId::DRIVER, "heal", "net");
        machine::heal();
    }

    /// All links are as at the start: latency, loss and so on.
    pub fn calm(&self) {
        note_as(HostId::DRIVER, "calm", "");
        machine::calm();
    }

    /// All links, those of hosts to come too.
    pub fn all(&self) -> Links {
        Links {
            links: vec![MachineLinks::All],
        }
    }

    /// The links between these hosts and those, in both directions.
    pub fn link(&self, these: impl Names, those: impl Names) -> Links {
        self.links(&these, &those, MachineLinks::Between)
    }

    /// The links from some hosts to others, in this direction.
    pub fn one_way(&self, from: impl Names, to: impl Names) -> Links {
        self.links(&from, &to, MachineLinks::OneWay)
    }

    fn links(
        &self,
        from: &dyn Names,
        to: &dyn Names,
        link: impl Fn(HostId, HostId) -> MachineLinks + Copy,
    ) -> Links {
        let (from, to) = (from.hosts(&self.sim), to.hosts(&self.sim));
        let pairs = from
            .iter()
            .flat_map(|a| to.iter().map(move |b| (a.id(), b.id())));
        let pairs = pairs.filter(|(a, b)| a != b);
        Links {
            links: pairs.map(|(a, b)| link(a, b)).collect(),
        }
    }
}

/// Some links of the network; what is set stays until something else is.
pub struct Links {
    links: Vec<MachineLinks>,
}

impl Links {
    fn each(self, code: &str, value: &dyn fmt::Debug, f: impl Fn(MachineLinks)) -> Links {
        let links = self.links.len();
        let text = format!("{code}={value:?} links={links}").replace(' ', "_");
        note_as(HostId::DRIVER, "links", &text.replace("_links", " links"));
        self.links.iter().for_each(|links| f(*links));
        self
    }

    /// How long a packet takes.
    pub fn latency(self, range: RangeInclusive<Duration>) -> Links {
        self.each("latency", &range, |links| {
            machine::set_latency(links, range.clone());
        })
    }

    /// How likely it is that a packet is lost: from 0 to 1.
    pub fn loss(self, probability: f64) -> Links {
        self.each("loss", &probability, |links| {
            machine::set_loss(links, probability);
        })
    }

    /// How likely it is that a datagram arrives twice.
    pub fn duplicate(self, probability: f64) -> Links {
        self.each("duplicate", &probability, |links| {
            machine::set_duplicate(links, probability);
        })
    }

    /// How likely it is that later datagrams overtake one.
    pub fn reorder(self, probability: f64) -> Links {
        self.each("reorder", &probability, |links| {
            machine::set_reorder(links, probability);
        })
    }

    /// Bytes a second; `None`: any number.
    pub fn bandwidth(self, bytes_per_second: Option<u64>) -> Links {
        self.each("bandwidth", &bytes_per_second, |links| {
            machine::set_bandwidth(links, bytes_per_second);
        })
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}
