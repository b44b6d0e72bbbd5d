//! Packets: what travels between hosts, and how.
#![forbid(unsafe_code)]

use super::link::LOOPBACK_NS;
use super::tcp::Segment;
use crate::kernel::Kernel;
use crate::kernel::chance::Stream;
use crate::kernel::host::HostId;
use crate::kernel::order::Order;
use std::net::SocketAddr;

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Tcp(Segment),
    Udp(Vec<u8>),
    /// Nobody has the port to which a datagram went: its sender is told.
    Unreachable,
}

#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// Joins the events of one message in the trace.
    pub(super) id: u64,
    pub(super) hosts: (HostId, HostId),
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// How often the link had been cut when this was sent.
    cuts: u32,
    pub(super) body: Body,
}

impl Packet {
    fn kind(&self) -> &'static str {
        match &self.body {
            Body::Tcp(segment) => segment.kind(),
            Body::Udp(_) => "datagram",
            Body::Unreachable => "unreachable",
        }
    }

    fn len(&self) -> usize {
        match &self.body {
            Body::Tcp(segment) => segment.data.len(),
            Body::Udp(data) => data.len(),
            Body::Unreachable => 0,
        }
    }

    /// What alone says that bytes have come is not told.
    fn is_told(&self) -> bool {
        match &self.body {
            Body::Tcp(segment) => !segment.is_ack_alone(),
            Body::Udp(_) | Body::Unreachable => true,
        }
    }

    fn text(&self) -> String {
        let (id, kind, len) = (self.id, self.kind(), self.len());
        let (from, to, (a, b)) = (self.from, self.to, self.hosts);
        format!(
            "id={id} kind={kind} from={from} to={to} hosts={}>{} bytes={len}",
            a.0, b.0
        )
    }

    fn numbers(&self) -> [u64; 5] {
        let ports = (u64::from(self.from.port()) << 16) | u64::from(self.to.port());
        let (from, to) = self.hosts;
        let kind = self
            .kind()
            .bytes()
            .fold(0, |sum, byte| sum * 31 + u64::from(byte));
        let hosts = (u64::from(from.0) << 32) | u64::from(to.0);
        [self.id, hosts, ports, kind, self.len() as u64]
    }
}

/// The bytes of a packet that are not the program's.
const HEADER: usize = 66;

impl Kernel {
    /// Sends a packet, which does not arrive before `not_before`; returns when it arrives if
    /// nothing happens to it.
    pub(super) fn transmit(
        &mut self,
        hosts: (HostId, HostId),
        from: SocketAddr,
        to: SocketAddr,
        body: Body,
        not_before: u64,
    ) -> u64 {
        let id = self.net.next_message;
        self.net.next_message += 1;
        let mut packet = Packet {
            id,
            hosts,
            from,
            to,
            cuts: 0,
            body,
        };
        if packet.is_told() {
            self.note(hosts.0, "send", &packet.numbers(), || packet.text());
        }
        if hosts.0 == hosts.1 {
            // Without chance it is there when the call is over, as on Linux.
            let delay = match self.order() {
                Order::Fifo => 0,
                Order::Random { .. } | Order::Priorities => self.draw(LOOPBACK_NS),
            };
            self.is_due_now |= delay == 0;
            let order = self.net.loopback.entry(hosts.0).or_default();
            let arrival = not_before.max(self.now + delay).max(*order);
            *order = arrival;
            self.at(arrival, move |kernel| kernel.arrive(packet));
            return arrival;
        }
        let is_datagram = !matches!(packet.body, Body::Tcp(_));
        let now = self.now;
        let link = self.net.links.get(hosts.0, hosts.1);
        let settings = link.settings;
        packet.cuts = link.cuts;
        let is_cut = link.is_cut;
        let begin = link.put_on(now, packet.len() + HEADER);
        let last_arrival = link.last_arrival;
        let mut arrival = begin.saturating_add(self.draw(settings.latency_ns));
        if is_cut {
            self.note_drop(&packet, "partition");
            return not_before;
        }
        if self.rng(Stream::Network).chance(settings.loss) {
            self.note_drop(&packet, "loss");
            return not_before;
        }
        if is_datagram {
            if self.rng(Stream::Network).chance(settings.duplicate) {
                let copy = packet.clone();
                let later = begin.saturating_add(self.draw(settings.latency_ns));
                self.at(later, move |kernel| kernel.arrive(copy));
            }
            if self.rng(Stream::Network).chance(settings.reorder) {
                let (_, most) = settings.latency_ns;
                arrival = arrival.saturating_add(self.draw((0, most.saturating_mul(4))));
            } else {
                arrival = arrival.max(last_arrival);
                self.net.links.get(hosts.0, hosts.1).last_arrival = arrival;
            }
        } else {
            arrival = arrival.max(not_before);
        }
        self.at(arrival, move |kernel| kernel.arrive(packet));
        arrival
    }

    pub(super) fn draw(&mut self, (least, most): (u64, u64)) -> u64 {
        match least < most {
            true => self.rng(Stream::Network).between(least, most),
            false => least,
        }
    }

    fn note_drop(&mut self, packet: &Packet, why: &'static str) {
        let [id, hosts, ..] = packet.numbers();
        let reason = u64::from(why.as_bytes()[0]);
        let text = || format!("{} why={why}", packet.text());
        self.note(packet.hosts.1, "drop", &[id, hosts, reason], text);
    }

    /// A datagram that has arrived has no room.
    pub(super) fn note_full(&mut self, packet: &Packet) {
        self.note_drop(packet, "full");
    }

    /// A packet has arrived at the end of its link.
    fn arrive(&mut self, packet: Packet) {
        let (from, to) = packet.hosts;
        if from != to {
            let link = self.net.links.get(from, to);
            if link.is_cut || link.cuts != packet.cuts {
                self.note_drop(&packet, "partition");
                return;
            }
            if link.is_held {
                link.held.push_back(packet);
                return;
            }
        }
        self.deliver(packet);
    }

    fn deliver(&mut self, packet: Packet) {
        let to = packet.hosts.1;
        if !self.host(to).is_up {
            self.note_drop(&packet, "down");
            return;
        }
        if packet.is_told() {
            self.note(to, "deliver", &packet.numbers(), || packet.text());
        }
        match packet.body {
            Body::Tcp(segment) => self.tcp_arrive(packet.hosts, packet.from, packet.to, segment),
            Body::Udp(_) => self.udp_arrive(packet),
            Body::Unreachable => self.udp_unreachable(to, packet.to, packet.from),
        }
    }

    // --- faults

    /// Nothing passes any more, nor arrives what is on its way.
    pub(crate) fn cut_link(&mut self, from: HostId, to: HostId) {
        let link = self.net.links.get(from, to);
        if std::mem::replace(&mut link.is_cut, true) {
            return;
        }
        link.cuts += 1;
        let held = std::mem::take(&mut link.held);
        for packet in held {
            self.note_drop(&packet, "partition");
        }
        self.note_fault("partition", from, to);
    }

    pub(crate) fn repair_link(&mut self, from: HostId, to: HostId) {
        if std::mem::take(&mut self.net.links.get(from, to).is_cut) {
            self.note_fault("repair", from, to);
        }
    }

    /// What arrives from now on is kept.
    pub(crate) fn hold_link(&mut self, from: HostId, to: HostId) {
        if !std::mem::replace(&mut self.net.links.get(from, to).is_held, true) {
            self.note_fault("hold", from, to);
        }
    }

    /// What was kept arrives now.
    pub(crate) fn release_link(&mut self, from: HostId, to: HostId) {
        let link = self.net.links.get(from, to);
        if !std::mem::take(&mut link.is_held) {
            return;
        }
        let held = std::mem::take(&mut link.held);
        self.note_fault("release", from, to);
        let now = self.now;
        for packet in held {
            self.at(now, move |kernel| kernel.arrive(packet));
        }
    }

    fn note_fault(&mut self, code: &'static str, from: HostId, to: HostId) {
        let text = || format!("hosts={}>{}", from.0, to.0);
        self.note(
            HostId::DRIVER,
            code,
            &[u64::from(from.0), u64::from(to.0)],
            text,
        );
    }
}
