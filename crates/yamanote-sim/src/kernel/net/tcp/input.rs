//! What arrives.
#![forbid(unsafe_code)]

use super::{Patience, Phase, Receiver, Segment, Sender, State, Tcp};
use crate::kernel::Kernel;
use crate::kernel::chance::Stream;
use crate::kernel::host::HostId;
use crate::kernel::net::address::Domain;
use crate::kernel::net::{IN, Kind, OUT, RDHUP, SocketId};
use std::net::SocketAddr;

impl Kernel {
    pub(in crate::kernel::net) fn tcp_arrive(
        &mut self,
        hosts: (HostId, HostId),
        from: SocketAddr,
        to: SocketAddr,
        segment: Segment,
    ) {
        let key = (hosts.1, to, from);
        if let Some(id) = self.net.connections.get(&key).copied() {
            let is_waiting = self.tcp(id).is_some_and(|tcp| tcp.state == State::TimeWait);
            if !(is_waiting && segment.syn && segment.ack.is_none()) {
                self.tcp_segment(id, hosts, (from, to), segment);
                return;
            }
            // The same addresses again: the old connection is forgotten.
            self.tcp_done(id);
        }
        let is_first = segment.syn && segment.ack.is_none() && !segment.rst;
        let listeners = match is_first {
            true => {
                let listeners = self.net.listeners.get(&(hosts.1, to.port()));
                let listeners = listeners.into_iter().flatten().copied();
                self.meant_by(listeners, to, |_| true)
            }
            false => Vec::new(),
        };
        match listeners.len() {
            0 => self.tcp_refuse(hosts, from, to, &segment),
            1 => self.tcp_begin(listeners[0], from, to, &segment),
            n => {
                let chosen = self.rng(Stream::Network).below(n as u64) as usize;
                self.tcp_begin(listeners[chosen], from, to, &segment);
            }
        }
    }

    /// A listener is asked for a connection.
    fn tcp_begin(
        &mut self,
        listener: SocketId,
        from: SocketAddr,
        to: SocketAddr,
        segment: &Segment,
    ) {
        let Some(entry) = self.tcp(listener) else {
            return;
        };
        if entry.queue.len() > entry.backlog {
            // Its caller will ask again.
            let text = || format!("socket={} from={from} to={to}", listener.0);
            let ports = [u64::from(from.port()), u64::from(to.port())];
            let host = self
                .socket(listener)
                .map_or(HostId::DRIVER, |it| it.life.host);
            self.note(host, "overflow", &ports, text);
            return;
        }
        let (send, receive) = (entry.sender.capacity, entry.receiver.capacity);
        let first = self.tcp_first_number();
        let Ok(socket) = self.socket(listener) else {
            return;
        };
        let (life, domain, options) = (socket.life, socket.domain, socket.options.clone());
        let mut tcp = Tcp::new();
        tcp.state = State::SynReceived;
        tcp.phase = Phase::Connected;
        tcp.listener = Some(listener);
        tcp.sender = Sender::new(first, send);
        tcp.sender.next = first + 1;
        tcp.sender.edge = first + 1 + segment.window;
        tcp.receiver = Receiver::new(segment.seq + 1, receive);
        tcp.last_heard = self.now;
        let id = self.add_socket(life, domain, Kind::Tcp(Box::new(tcp)));
        if let Ok(socket) = self.socket_mut(id) {
            socket.options = options;
            socket.remote = Some(from);
        }
        self.register(id, to);
        self.net.connections.insert((life.host, to, from), id);
        self.tcp_send_syn(id);
        self.tcp_expect_answer(id);
    }

    /// Where a new connection begins to count: behind all that old segments may name.
    pub(super) fn tcp_first_number(&mut self) -> u64 {
        self.net.begun += 1;
        self.net.begun << 40
    }

    fn tcp_segment(
        &mut self,
        id: SocketId,
        hosts: (HostId, HostId),
        (from, to): (SocketAddr, SocketAddr),
        segment: Segment,
    ) {
        let now = self.now;
        let Some(tcp) = self.tcp_mut(id) else { return };
        tcp.last_heard = now;
        tcp.keepalive_probes = 0;
        match tcp.state {
            State::Closed | State::Listen => self.tcp_refuse(hosts, from, to, &segment),
            State::SynSent => self.tcp_answer_to_syn(id, hosts, (from, to), &segment),
            _ => self.tcp_established_segment(id, hosts, (from, to), segment),
        }
    }

    fn tcp_answer_to_syn(
        &mut self,
        id: SocketId,
        hosts: (HostId, HostId),
        (from, to): (SocketAddr, SocketAddr),
        segment: &Segment,
    ) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        if segment.ack != Some(tcp.sender.next) {
            // Of a connection of these addresses that this host knows nothing of, or a SYN that
            // has crossed this one.
            if segment.ack.is_some() {
                self.tcp_refuse(hosts, from, to, segment);
            }
            return;
        }
        if segment.rst {
            self.tcp_give_up(id, libc::ECONNREFUSED);
            return;
        }
        if !segment.syn {
            return;
        }
        let next = tcp.sender.next;
        tcp.state = State::Established;
        tcp.sender.acknowledged = next;
        tcp.sender.edge = next + segment.window;
        tcp.receiver.next = segment.seq + 1;
        tcp.receiver.edge = tcp.receiver.next;
        tcp.patience = Patience::new();
        tcp.patience.timeout_ns = super::LEAST_TIMEOUT;
        tcp.deadline = None;
        self.note_connection(id, "connected");
        self.tcp_acknowledge(id);
        self.tcp_output(id);
        self.tcp_keep_alive(id);
        self.socket_changed(id, OUT);
    }

    fn note_connection(&mut self, id: SocketId, code: &'static str) {
        let Ok(socket) = self.socket(id) else { return };
        let (Some(local), Some(remote)) = (socket.local, socket.remote) else {
            return;
        };
        let host = socket.life.host;
        let numbers = [
            u64::from(id.0),
            u64::from(local.port()),
            u64::from(remote.port()),
        ];
        let text = || format!("socket={} local={local} peer={remote}", id.0);
        self.note(host, code, &numbers, text);
    }

    fn tcp_established_segment(
        &mut self,
        id: SocketId,
        hosts: (HostId, HostId),
        (from, to): (SocketAddr, SocketAddr),
        segment: Segment,
    ) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        if segment.rst {
            let receiver = &tcp.receiver;
            if segment.seq >= receiver.next && segment.seq <= receiver.edge {
                self.tcp_reset(id);
            }
            return;
        }
        if segment.syn {
            match tcp.state {
                // The answer was lost.
                State::SynReceived => self.tcp_send_syn(id),
                // Of a peer that begins anew: it hears that this connection is there.
                _ => self.tcp_acknowledge(id),
            }
            return;
        }
        let Some(ack) = segment.ack else { return };
        if tcp.state == State::SynReceived && !self.tcp_complete(id, ack) {
            return;
        }
        if self.tcp_is_for_nobody(id, &segment) {
            self.tcp_refuse(hosts, from, to, &segment);
            self.tcp_reset(id);
            return;
        }
        self.tcp_acknowledged(id, ack, segment.window);
        self.tcp_data(id, segment);
        self.tcp_output(id);
    }

    /// Whether a segment brings bytes that nobody will read.
    fn tcp_is_for_nobody(&self, id: SocketId, segment: &Segment) -> bool {
        let (Ok(socket), Some(tcp)) = (self.socket(id), self.tcp(id)) else {
            return false;
        };
        let is_half = matches!(tcp.state, State::FinWait1 | State::FinWait2);
        let is_new = !segment.data.is_empty() && segment.end() > tcp.receiver.next;
        is_new && (tcp.is_closed || (is_half && socket.shut.0))
    }

    /// The handshake of a connection to a listener ends. False if there is no room for it yet.
    fn tcp_complete(&mut self, id: SocketId, ack: u64) -> bool {
        let Some(tcp) = self.tcp(id) else {
            return false;
        };
        if ack < tcp.sender.next {
            return false;
        }
        let Some(listener) = tcp.listener else {
            return false;
        };
        match self.tcp_mut(listener) {
            Some(entry) if entry.queue.len() <= entry.backlog => entry.queue.push_back(id),
            _ => return false,
        }
        if let Some(tcp) = self.tcp_mut(id) {
            tcp.state = State::Established;
            tcp.sender.acknowledged = tcp.sender.next;
            tcp.patience = Patience::new();
            tcp.patience.timeout_ns = super::LEAST_TIMEOUT;
            tcp.deadline = None;
        }
        self.tcp_keep_alive(id);
        self.socket_changed(listener, IN);
        true
    }

    /// The peer has everything before `ack`, and room for `window` from there.
    fn tcp_acknowledged(&mut self, id: SocketId, ack: u64, window: u64) {
        let now = self.now;
        let Some(tcp) = self.tcp_mut(id) else { return };
        let sender = &mut tcp.sender;
        if ack > sender.next {
            return;
        }
        let edge = sender.edge.max(ack + window);
        let is_wider = edge > sender.edge;
        sender.edge = edge;
        let was_writable = sender.is_writable();
        if !sender.acknowledge(ack) {
            // The peer is there; whether it has what is in flight is another matter.
            if is_wider {
                tcp.patience.reset();
                self.tcp_restart_wait(id);
            } else if sender.in_flight() == 0 {
                tcp.patience.retries = 0;
            }
            return;
        }
        match tcp.patience.probe {
            Some((end, sent)) if end <= ack => {
                tcp.patience.probe = None;
                tcp.patience.measure(now - sent);
            }
            _ => tcp.patience.reset(),
        }
        let lost_more = ack < tcp.recover && tcp.sender.in_flight() > 0;
        let is_fin = tcp.sender.is_fin_acknowledged();
        let has_room = !was_writable && tcp.sender.is_writable();
        self.tcp_restart_wait(id);
        if lost_more {
            self.tcp_send_again(id);
        }
        if has_room {
            self.socket_changed(id, OUT);
        }
        if is_fin {
            self.tcp_fin_acknowledged(id);
        }
    }

    fn tcp_fin_acknowledged(&mut self, id: SocketId) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        match tcp.state {
            State::FinWait1 => {
                tcp.state = State::FinWait2;
                if tcp.is_closed {
                    self.tcp_end_in_a_minute(id, State::FinWait2);
                }
            }
            State::Closing => self.tcp_time_wait(id),
            State::LastAck => self.tcp_done(id),
            _ => {}
        }
    }

    /// Takes the bytes of a segment, and its FIN.
    fn tcp_data(&mut self, id: SocketId, segment: Segment) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        let receiver = &mut tcp.receiver;
        let is_old = segment.seq < receiver.next;
        if segment.data.is_empty() && !segment.fin && !is_old {
            return;
        }
        let before = receiver.next;
        if matches!(
            tcp.state,
            State::Established | State::FinWait1 | State::FinWait2
        ) {
            receiver.take(segment.seq, &segment.data);
            if segment.fin && segment.end() <= receiver.edge {
                receiver.fin = Some(segment.end());
            }
        }
        let has_come = receiver.next > before;
        let is_fin = receiver.fin == Some(receiver.next);
        if is_fin {
            receiver.next += 1;
        }
        if is_fin {
            self.tcp_fin(id);
        } else if has_come {
            self.socket_changed(id, IN);
        }
        self.tcp_acknowledge(id);
    }

    /// The peer's stream has ended.
    fn tcp_fin(&mut self, id: SocketId) {
        if let Ok(socket) = self.socket_mut(id) {
            socket.shut.0 = true;
        }
        let Some(tcp) = self.tcp_mut(id) else { return };
        tcp.is_done = true;
        match tcp.state {
            State::Established => tcp.state = State::CloseWait,
            State::FinWait1 => tcp.state = State::Closing,
            State::FinWait2 => {
                self.tcp_time_wait(id);
                return;
            }
            _ => {}
        }
        self.socket_changed(id, IN | RDHUP);
    }

    /// The peer has broken the connection off.
    fn tcp_reset(&mut self, id: SocketId) {
        let Some(tcp) = self.tcp(id) else { return };
        if tcp.state == State::SynReceived {
            self.tcp_remove(id);
            return;
        }
        if tcp.state == State::TimeWait {
            self.tcp_done(id);
            return;
        }
        let error = match tcp.state {
            State::CloseWait => libc::EPIPE,
            _ => libc::ECONNRESET,
        };
        self.note_connection(id, "reset");
        if let Ok(socket) = self.socket_mut(id) {
            socket.error = Some(error);
        }
        self.tcp_done(id);
    }

    /// As a socket of that domain is to have the addresses of a connection.
    pub(super) fn fits(domain: Domain, address: SocketAddr) -> bool {
        match domain {
            Domain::V4 => address.is_ipv4(),
            Domain::V6 => true,
            Domain::Unix => false,
        }
    }
}
