//! The kinds of faults, and how each begins and ends.
#![forbid(unsafe_code)]

use std::fmt;
use std::time::Duration;

use yamanote_sim::Moment;
use yamanote_sim::disk::{Settings, Tear, WriteError};

use crate::sim::Sim;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// A host crashes, and is restarted.
    Crash,
    /// A host crashes in the middle of what it writes to its disk ([`Moment::Write`]), and a page
    /// that it was writing may be torn. It is restarted.
    CrashAtWrite,
    /// A host crashes when it has told others of something that is not synced ([`Moment::Send`]),
    /// and is restarted.
    CrashAtSend,
    /// Nothing runs on a host.
    Pause,
    /// Two groups of hosts do not reach each other.
    Partition,
    /// Two groups of hosts do not reach each other, then two other groups, and so on, and there is
    /// no moment between them when all are connected: who was cut off comes back to some alone.
    Shift,
    /// One group of hosts does not reach the other, which reaches it.
    OneWay,
    /// What is sent between two hosts arrives at the end, all at once.
    Hold,
    /// All links are slow.
    SlowLinks,
    /// All links are narrow.
    NarrowLinks,
    /// Packets are lost.
    Loss,
    /// Datagrams arrive twice.
    Duplicates,
    /// Datagrams overtake each other.
    Reorder,
    /// A host's wall clock is wrong.
    Skew,
    /// A host's disk is slow.
    SlowDisk,
    /// Syncs fail on a host.
    FailingSync,
    /// Writes fail on a host.
    FailingWrite,
    /// Reads fail on a host.
    FailingRead,
    /// A host's disk is full.
    FullDisk,
    /// Syncs on a host do nothing, and say that they did. No program can do anything about it if
    /// the host crashes then, so [`Chaos::new`](super::Chaos::new) has all kinds but this one.
    LyingSync,
}

impl FaultKind {
    /// All of them.
    pub const ALL: &'static [FaultKind] = &[
        FaultKind::Crash,
        FaultKind::CrashAtWrite,
        FaultKind::CrashAtSend,
        FaultKind::Pause,
        FaultKind::Partition,
        FaultKind::Shift,
        FaultKind::OneWay,
        FaultKind::Hold,
        FaultKind::SlowLinks,
        FaultKind::NarrowLinks,
        FaultKind::Loss,
        FaultKind::Duplicates,
        FaultKind::Reorder,
        FaultKind::Skew,
        FaultKind::SlowDisk,
        FaultKind::FailingSync,
        FaultKind::FailingWrite,
        FaultKind::FailingRead,
        FaultKind::FullDisk,
        FaultKind::LyingSync,
    ];

    /// Those of a disk that fails or is full. A program that cannot go on with such a disk is
    /// looked after by a [supervisor](crate::sim::Host::restarts_after).
    pub const DISK: &'static [FaultKind] = &[
        FaultKind::FailingSync,
        FaultKind::FailingWrite,
        FaultKind::FailingRead,
        FaultKind::FullDisk,
    ];

    /// Whether it stops a host.
    pub(super) fn takes_down(self) -> bool {
        self == FaultKind::Pause || self.crashes()
    }

    /// Whether a host has to be restarted after it.
    pub(super) fn crashes(self) -> bool {
        self == FaultKind::Crash || self.moment().is_some()
    }

    /// For how long it may wait before it happens.
    pub(super) fn waits(self) -> Duration {
        self.moment().map_or(Duration::ZERO, |_| WAITS)
    }

    /// What it waits for before it happens.
    pub(super) fn moment(self) -> Option<Moment> {
        match self {
            FaultKind::CrashAtWrite => Some(Moment::Write),
            FaultKind::CrashAtSend => Some(Moment::Send),
            _ => None,
        }
    }
}

/// How long a crash waits for its moment.
pub(super) const WAITS: Duration = Duration::from_secs(1);

/// Two groups of hosts.
pub(super) type Sides = (Vec<String>, Vec<String>);

/// What happens to whom.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// The victims, or one side.
    pub(super) these: Vec<String>,
    /// The other side, where there is one.
    pub(super) those: Vec<String>,
    /// The sides that come after these.
    pub(super) next: Vec<Sides>,
    /// How bad it is.
    pub(super) size: u64,
}

impl Fault {
    /// For the trace.
    pub(super) fn fields(&self) -> String {
        let mut text = format!("kind={:?} a={}", self.kind, self.these.join(","));
        if !self.those.is_empty() {
            text.push_str(" b=");
            text.push_str(&self.those.join(","));
        }
        text
    }

    pub(super) fn begin(&self, sim: &Sim) {
        let net = sim.net();
        let host = || sim.host(&self.these[0]);
        let ms = Duration::from_millis;
        let part = self.size as f64 / 1000.0;
        match self.kind {
            FaultKind::Crash => host().crash(),
            FaultKind::CrashAtWrite => {
                host().disk().tear(Tear::Sector);
            }
            FaultKind::CrashAtSend => {}
            FaultKind::Pause => host().hold(true),
            FaultKind::Partition | FaultKind::Shift => net.partition(&self.these, &self.those),
            FaultKind::OneWay => net.partition_one_way(&self.these, &self.those),
            FaultKind::Hold => net.hold(&self.these, &self.those),
            FaultKind::SlowLinks => {
                net.all().latency(ms(1)..=ms(self.size));
            }
            FaultKind::NarrowLinks => {
                net.all().bandwidth(Some(self.size * 1024));
            }
            FaultKind::Loss => {
                net.all().loss(part);
            }
            FaultKind::Duplicates => {
                net.all().duplicate(part);
            }
            FaultKind::Reorder => {
                net.all().reorder(part);
            }
            FaultKind::Skew => host().skew(self.skew_ms() * 1_000_000),
            FaultKind::SlowDisk => {
                let slow = ms(1)..=ms(self.size);
                host().disk().latency(slow.clone()).sync_latency(slow);
            }
            FaultKind::FailingSync => {
                host().disk().sync_fails(part);
            }
            FaultKind::FailingWrite => {
                host().disk().write_fails(part);
            }
            FaultKind::FailingRead => {
                host().disk().read_fails(part);
            }
            FaultKind::LyingSync => {
                host().disk().sync_lies(part);
            }
            FaultKind::FullDisk => {
                host().disk().fails_after(Some(0), WriteError::Full);
            }
        }
    }

    /// Ends it, but for what it has in common with `others`, which go on.
    pub(super) fn end(&self, sim: &Sim, others: &[Fault]) {
        let net = sim.net();
        let host = || sim.host(&self.these[0]);
        let alike = || others.iter().filter(|other| self.is_like(other));
        match self.kind {
            // The last one ends it.
            kind if (kind.takes_down() || kind == FaultKind::Hold) && alike().next().is_some() => {
                return;
            }
            FaultKind::Crash | FaultKind::CrashAtSend => host().restart_if_down(),
            FaultKind::CrashAtWrite => {
                host().disk().tear(Settings::default().tear);
                host().restart_if_down();
            }
            FaultKind::Pause => host().hold(false),
            FaultKind::Hold => net.release(&self.these, &self.those),
            FaultKind::Partition | FaultKind::Shift | FaultKind::OneWay => {
                let kept: Vec<_> = alike().flat_map(Fault::cuts).collect();
                let cuts = self.cuts().into_iter().filter(|cut| !kept.contains(cut));
                return cuts.for_each(|(from, to)| net.repair_one_way(from, to));
            }
            FaultKind::SlowLinks => {
                let (least, most) = (Duration::from_micros(500), Duration::from_millis(2));
                net.all().latency(least..=most);
            }
            FaultKind::NarrowLinks => {
                net.all().bandwidth(None);
            }
            FaultKind::Loss => {
                net.all().loss(0.0);
            }
            FaultKind::Duplicates => {
                net.all().duplicate(0.0);
            }
            FaultKind::Reorder => {
                net.all().reorder(0.0);
            }
            FaultKind::Skew => host().skew(0),
            FaultKind::SlowDisk => {
                let whole = Settings::default();
                let slow = host().disk().latency(whole.latency);
                slow.sync_latency(whole.sync_latency);
            }
            FaultKind::FailingSync => {
                host().disk().sync_fails(0.0);
            }
            FaultKind::FailingWrite => {
                host().disk().write_fails(0.0);
            }
            FaultKind::FailingRead => {
                host().disk().read_fails(0.0);
            }
            FaultKind::FullDisk => {
                host().disk().fails_after(None, WriteError::Full);
            }
            FaultKind::LyingSync => {
                host().disk().sync_lies(0.0);
            }
        }
        // What was set for both is set again as the others have it.
        alike().for_each(|other| other.begin(sim));
    }

    /// Whether both change the same thing, so that to undo one may undo the other.
    fn is_like(&self, other: &Fault) -> bool {
        use FaultKind::{Hold, OneWay, Partition, Shift};
        let is_cut = |kind| matches!(kind, Partition | Shift | OneWay);
        let has_same_hosts = (&self.these, &self.those) == (&other.these, &other.those);
        if is_cut(self.kind) {
            return is_cut(other.kind);
        }
        if self.kind == Hold {
            let is_reverse = (&self.these, &self.those) == (&other.those, &other.these);
            return other.kind == Hold && (has_same_hosts || is_reverse);
        }
        let crash = self.kind.crashes() && other.kind.crashes();
        (self.kind == other.kind || crash) && has_same_hosts
    }

    /// The links that are cut, each in its direction.
    fn cuts(&self) -> Vec<(&String, &String)> {
        let mut cuts = Vec::new();
        for this in &self.these {
            for that in &self.those {
                cuts.push((this, that));
                if self.kind != FaultKind::OneWay {
                    cuts.push((that, this));
                }
            }
        }
        cuts
    }

    /// Goes on to the next sides, but for what it has in common with `others`: what is apart now is
    /// cut before what was is repaired.
    pub(super) fn shift(&mut self, sim: &Sim, (these, those): Sides, others: &[Fault]) {
        let mut next = self.clone();
        (next.these, next.those) = (these, those);
        next.begin(sim);
        let mut others = others.to_vec();
        others.push(next.clone());
        self.end(sim, &others);
        *self = next;
    }

    /// How far a clock is ahead, in milliseconds.
    fn skew_ms(&self) -> i64 {
        self.size as i64
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let these = self.these.join(", ");
        let those = self.those.join(", ");
        let size = self.size;
        match self.kind {
            FaultKind::Crash => write!(f, "{these} is down"),
            FaultKind::CrashAtWrite => write!(f, "{these} is down from its next write on"),
            FaultKind::CrashAtSend => {
                write!(f, "{these} is down when it has told of what is not synced")
            }
            FaultKind::Pause => write!(f, "{these} is paused"),
            FaultKind::Partition => write!(f, "partition of {these} | {those}"),
            FaultKind::Shift => {
                write!(f, "partition of {these} | {those}")?;
                for (these, those) in &self.next {
                    write!(f, ", then {} | {}", these.join(", "), those.join(", "))?;
                }
                Ok(())
            }
            FaultKind::OneWay => write!(f, "{these} does not reach {those}"),
            FaultKind::Hold => write!(f, "held between {these} and {those}"),
            FaultKind::SlowLinks => write!(f, "links take up to {size} ms"),
            FaultKind::NarrowLinks => write!(f, "links take {size} KB a second"),
            FaultKind::Loss => write!(f, "{size} of 1000 packets are lost"),
            FaultKind::Duplicates => write!(f, "{size} of 1000 datagrams arrive twice"),
            FaultKind::Reorder => write!(f, "{size} of 1000 datagrams are overtaken"),
            FaultKind::Skew => write!(f, "the clock of {these} is {} ms ahead", self.skew_ms()),
            FaultKind::SlowDisk => write!(f, "the disk of {these} takes up to {size} ms"),
            FaultKind::FailingSync => write!(f, "{size} of 1000 syncs of {these} fail"),
            FaultKind::FailingWrite => write!(f, "{size} of 1000 writes of {these} fail"),
            FaultKind::FailingRead => write!(f, "{size} of 1000 reads of {these} fail"),
            FaultKind::FullDisk => write!(f, "the disk of {these} is full"),
            FaultKind::LyingSync => write!(f, "{size} of 1000 syncs of {these} lie"),
        }
    }
}
