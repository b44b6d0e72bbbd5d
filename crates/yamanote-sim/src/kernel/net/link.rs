//! Links: what happens to a packet between two hosts.
#![forbid(unsafe_code)]

use super::packet::Packet;
use crate::kernel::host::HostId;
use std::collections::{BTreeMap, VecDeque};

const US: u64 = 1_000;
const MS: u64 = 1_000_000;
/// What a packet takes from a host to itself, in nanoseconds.
pub(super) const LOOPBACK_NS: (u64, u64) = (20 * US, 50 * US);

/// How a link, in one direction, treats packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Nanoseconds, both included.
    pub(crate) latency_ns: (u64, u64),
    pub(crate) loss: f64,
    /// Of datagrams.
    pub(crate) duplicate: f64,
    /// Of datagrams.
    pub(crate) reorder: f64,
    /// Bytes a second.
    pub(crate) bandwidth: Option<u64>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            latency_ns: (MS / 2, 2 * MS),
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            bandwidth: None,
        }
    }
}

/// A link in one direction.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) settings: Settings,
    pub(super) is_cut: bool,
    /// Counts the cuts: what was on its way at one is lost even if the link is whole again.
    pub(super) cuts: u32,
    pub(super) is_held: bool,
    /// What has arrived while the link is held.
    pub(super) held: VecDeque<Packet>,
    /// When the last packet will have been put on the link, where it has a bandwidth.
    busy_until: u64,
    /// When the last datagram arrives.
    pub(super) last_arrival: u64,
}

impl Link {
    /// When a packet of that length, which is sent now, has been put on the link.
    pub(super) fn put_on(&mut self, now: u64, len: usize) -> u64 {
        let Some(bandwidth) = self.settings.bandwidth else {
            return now;
        };
        let time = len as u128 * 1_000_000_000 / u128::from(bandwidth.max(1));
        let time = u64::try_from(time).unwrap_or(u64::MAX);
        self.busy_until = self.busy_until.max(now).saturating_add(time);
        self.busy_until
    }
}

/// The links between all hosts; those that nobody has used or changed are not there.
#[derive(Debug, Default)]
pub(crate) struct Links {
    of_all: Settings,
    pairs: BTreeMap<(HostId, HostId), Link>,
}

impl Links {
    pub(crate) fn get(&mut self, from: HostId, to: HostId) -> &mut Link {
        let settings = self.of_all;
        let new = || Link {
            settings,
            ..Link::default()
        };
        self.pairs.entry((from, to)).or_insert_with(new)
    }

    /// Changes the settings of all links, those that are not there yet too.
    pub(crate) fn change_all(&mut self, change: impl Fn(&mut Settings)) {
        change(&mut self.of_all);
        self.pairs
            .values_mut()
            .for_each(|link| change(&mut link.settings));
    }

    pub(crate) fn existing(&self) -> Vec<(HostId, HostId)> {
        self.pairs.keys().copied().collect()
    }
}
