//! The network, as the experiment sees it: links, and what is wrong with them.
//!
//! There is a link from every host to every other, in each direction one. What a host sends to
//! itself takes 20 to 50 µs and is never lost; nothing here applies to it. A packet takes the
//! latency of its link, which is drawn for each, and may be lost; the packets of a TCP connection
//! keep their order, and what is lost of it is sent again, after 200 ms at first, then after
//! twice that and so on, for about 15 minutes. Datagrams keep their order too, unless
//! [`set_reorder`] says otherwise.
//!
//! [`HostId::DRIVER`] is a host like the others here: a partition between all hosts of a cluster
//! leaves it connected to all.
#![forbid(unsafe_code)]

use crate::inside;
use crate::kernel::Kernel;
use crate::kernel::host::HostId;
use crate::kernel::net::link::Settings;
pub use crate::kernel::net::tcp::Connection;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Which links a setting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// All between hosts, those of hosts to come too.
    All,
    /// From the first to the second.
    OneWay(HostId, HostId),
    /// Between two hosts, in both directions.
    Between(HostId, HostId),
}

fn each(
    from: &[HostId],
    to: &[HostId],
    is_both_ways: bool,
    mut f: impl FnMut(&mut Kernel, HostId, HostId),
) {
    inside().inside(|kernel| {
        for one in from {
            for other in to {
                if one == other {
                    continue;
                }
                f(kernel, *one, *other);
                if is_both_ways {
                    f(kernel, *other, *one);
                }
            }
        }
    });
}

/// Nothing passes between a host of `these` and one of `those` any more, in either direction,
/// until [`repair`] or [`heal`]. What is on its way is lost too.
///
/// # Panics
///
/// Outside of a world, as all functions here.
pub fn partition(these: &[HostId], those: &[HostId]) {
    each(these, those, true, Kernel::cut_link);
}

/// As [`partition`], for what is sent from `these` to `those` only.
pub fn partition_one_way(these: &[HostId], those: &[HostId]) {
    each(these, those, false, Kernel::cut_link);
}

/// Undoes [`partition`] and [`partition_one_way`] between these hosts. A connection goes on when
/// it next sends what was lost again, for which it may have to wait as long as it has waited
/// already.
pub fn repair(these: &[HostId], those: &[HostId]) {
    each(these, those, true, Kernel::repair_link);
}

/// Undoes [`partition_one_way`] from `these` to `those`.
pub fn repair_one_way(these: &[HostId], those: &[HostId]) {
    each(these, those, false, Kernel::repair_link);
}

/// What arrives between these hosts, and what is on its way, is kept until [`release`].
pub fn hold(these: &[HostId], those: &[HostId]) {
    each(these, those, true, Kernel::hold_link);
}

/// What was kept arrives now, in order.
pub fn release(these: &[HostId], those: &[HostId]) {
    each(these, those, true, Kernel::release_link);
}

/// Undoes all partitions and holds.
pub fn heal() {
    inside().inside(|kernel| {
        for (from, to) in kernel.net.links.existing() {
            kernel.repair_link(from, to);
            kernel.release_link(from, to);
        }
    });
}

/// Undoes what was set: latency, loss, duplicates, order and bandwidth are as at the start.
pub fn calm() {
    change(Links::All, |settings| *settings = Settings::default());
}

fn change(links: Links, change: impl Fn(&mut Settings)) {
    inside().inside(|kernel| {
        let links = match links {
            Links::All => return kernel.net.links.change_all(change),
            Links::OneWay(from, to) => vec![(from, to)],
            Links::Between(one, other) => vec![(one, other), (other, one)],
        };
        for (from, to) in links {
            change(&mut kernel.net.links.get(from, to).settings);
        }
    });
}

/// How long a packet takes: 0.5 to 2 ms unless something else is set.
pub fn set_latency(links: Links, range: RangeInclusive<Duration>) {
    let ns = |time: &Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let latency = (ns(range.start()), ns(range.end()));
    change(links, |settings| settings.latency_ns = latency);
}

/// How probable it is that a packet is lost: 0, never, to 1.
pub fn set_loss(links: Links, probability: f64) {
    change(links, |settings| settings.loss = probability);
}

/// How probable it is that a datagram arrives twice.
pub fn set_duplicate(links: Links, probability: f64) {
    change(links, |settings| settings.duplicate = probability);
}

/// How probable it is that a datagram takes up to four times the highest latency longer, so that
/// later ones overtake it.
pub fn set_reorder(links: Links, probability: f64) {
    change(links, |settings| settings.reorder = probability);
}

/// Bytes a second that a link takes; `None`, as at the start: any number.
pub fn set_bandwidth(links: Links, bytes_per_second: Option<u64>) {
    change(links, |settings| settings.bandwidth = bytes_per_second);
}

/// The TCP connections of all hosts, each once at each end, in the order in which they were made.
pub fn connections() -> Vec<Connection> {
    inside().inside(|kernel| kernel.tcp_connections())
}
