//! Hosts: what a crash takes down at once.
#![forbid(unsafe_code)]

use super::trap::Trap;
use std::net::Ipv4Addr;

/// Numbers a host, in the order in which they were made. Host 0 is the experiment itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

impl HostId {
    /// Where the experiment runs, outside every host.
    pub const DRIVER: HostId = HostId(0);
}

/// One life of a host, from its start to its crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    pub host: HostId,
    /// Counts the starts of the host.
    pub number: u32,
}

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    /// The present life, or the last.
    pub(crate) life: u32,
    pub(crate) is_up: bool,
    /// Its threads do not run.
    pub(crate) is_paused: bool,
    /// What its wall clock is ahead of the others', in nanoseconds.
    pub(crate) skew_ns: i64,
    /// Its last life has ended in a crash.
    pub(crate) has_crashed: bool,
    pub(crate) trap: Option<Trap>,
}
