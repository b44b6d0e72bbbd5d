//! The kinds of faults, and how each begins and ends.
#![forbid(unsafe_code)]

use std::fmt;
use std::time::Duration;

use yamanote_sim::disk::WriteError;

use crate::sim::Sim;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// A host crashes, and is restarted.
    Crash,
    /// Nothing runs on a host.
    Pause,
    /// Two groups of hosts do not reach each other.
    Partition,
    /// One group of hosts does not reach the other, which reaches it.
    OneWay,
    /// What is sent between two hosts arrives at the end, all at once.
    Hold,
    /// All links are slow.
    SlowLinks,
    /// Packets are lost.
    Loss,
    /// A host's wall clock is wrong.
    Skew,
    /// A host's disk is slow.
    SlowDisk,
    /// Syncs fail on a host.
    FailingSync,
    /// A host's disk is full.
    FullDisk,
}

impl FaultKind {
    /// All of them.
    pub const ALL: &'static [FaultKind] = &[
        FaultKind::Crash,
        FaultKind::Pause,
        FaultKind::Partition,
        FaultKind::OneWay,
        FaultKind::Hold,
        FaultKind::SlowLinks,
        FaultKind::Loss,
        FaultKind::Skew,
        FaultKind::SlowDisk,
        FaultKind::FailingSync,
        FaultKind::FullDisk,
    ];

    /// Whether it stops a host.
    pub(super) fn takes_down(self) -> bool {
        matches!(self, FaultKind::Crash | FaultKind::Pause)
    }
}

/// What happens to whom.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// The victims, or one side.
    pub(super) these: Vec<String>,
    /// The other side, where there is one.
    pub(super) those: Vec<String>,
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
        match self.kind {
            FaultKind::Crash => host().crash(),
            FaultKind::Pause => host().hold(true),
            FaultKind::Partition => net.partition(&self.these, &self.those),
            FaultKind::OneWay => net.partition_one_way(&self.these, &self.those),
            FaultKind::Hold => net.hold(&self.these, &self.those),
            FaultKind::SlowLinks => {
                net.all().latency(ms(1)..=ms(self.size));
            }
            FaultKind::Loss => {
                net.all().loss(self.size as f64 / 1000.0);
            }
            FaultKind::Skew => host().skew((self.size as i64 - 500) * 10_000_000),
            FaultKind::SlowDisk => {
                let slow = ms(1)..=ms(self.size);
                host().disk().latency(slow.clone()).sync_latency(slow);
            }
            FaultKind::FailingSync => {
                host().disk().sync_fails(self.size as f64 / 1000.0);
            }
            FaultKind::FullDisk => {
                host().disk().fails_after(Some(0), WriteError::Full);
            }
        }
    }

    pub(super) fn end(&self, sim: &Sim) {
        let net = sim.net();
        let host = || sim.host(&self.these[0]);
        match self.kind {
            FaultKind::Crash => host().restart_if_crashed(),
            FaultKind::Pause => host().hold(false),
            FaultKind::Partition | FaultKind::OneWay => net.repair(&self.these, &self.those),
            FaultKind::Hold => net.release(&self.these, &self.those),
            FaultKind::SlowLinks => {
                let (least, most) = (Duration::from_micros(500), Duration::from_millis(2));
                net.all().latency(least..=most);
            }
            FaultKind::Loss => {
                net.all().loss(0.0);
            }
            FaultKind::Skew => host().skew(0),
            FaultKind::SlowDisk | FaultKind::FailingSync | FaultKind::FullDisk => {
                host().disk().heal();
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let these = self.these.join(", ");
        let those = self.those.join(", ");
        let size = self.size;
        match self.kind {
            FaultKind::Crash => write!(f, "{these} is down"),
            FaultKind::Pause => write!(f, "{these} is paused"),
            FaultKind::Partition => write!(f, "partition of {these} | {those}"),
            FaultKind::OneWay => write!(f, "{these} does not reach {those}"),
            FaultKind::Hold => write!(f, "held between {these} and {those}"),
            FaultKind::SlowLinks => write!(f, "links take up to {size} ms"),
            FaultKind::Loss => write!(f, "{size} of 1000 packets are lost"),
            FaultKind::Skew => write!(
                f,
                "the clock of {these} is {} ms ahead",
                (size as i64 - 500) * 10
            ),
            FaultKind::SlowDisk => write!(f, "the disk of {these} takes up to {size} ms"),
            FaultKind::FailingSync => write!(f, "{size} of 1000 syncs of {these} fail"),
            FaultKind::FullDisk => write!(f, "the disk of {these} is full"),
        }
    }
}
