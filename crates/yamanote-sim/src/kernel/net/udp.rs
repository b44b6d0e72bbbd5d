//! UDP.
#![forbid(unsafe_code)]

use super::address::{Address, Domain, Route, is_broadcast, is_group, nothing, shown};
use super::packet::{Body, Packet};
use super::{ERR, HUP, IN, Kind, OUT, RDHUP, Received, SocketId, Transport};
use crate::kernel::Kernel;
use crate::kernel::files::{Errno, scatter, total};
use crate::kernel::host::HostId;
use std::collections::{BTreeSet, VecDeque};
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

/// What a datagram takes of a buffer beside its bytes.
const OVERHEAD: usize = 256;
const LONGEST: usize = 65_507;

#[derive(Debug, Default)]
pub(super) struct Udp {
    queue: VecDeque<(SocketAddr, Vec<u8>)>,
    queued: usize,
    groups: BTreeSet<IpAddr>,
}

impl Kernel {
    fn udp(&self, id: SocketId) -> Result<&Udp, Errno> {
        match &self.socket(id)?.kind {
            Kind::Udp(udp) => Ok(udp),
            _ => Err(libc::EOPNOTSUPP),
        }
    }

    fn udp_mut(&mut self, id: SocketId) -> Result<&mut Udp, Errno> {
        match &mut self.socket_mut(id)?.kind {
            Kind::Udp(udp) => Ok(udp),
            _ => Err(libc::EOPNOTSUPP),
        }
    }

    pub(super) fn udp_readiness(&self, id: SocketId) -> u32 {
        let (Ok(socket), Ok(udp)) = (self.socket(id), self.udp(id)) else {
            return 0;
        };
        let mut bits = OUT;
        if !udp.queue.is_empty() {
            bits |= IN;
        }
        if socket.shut.0 {
            bits |= IN | RDHUP;
        }
        if socket.shut == (true, true) {
            bits |= HUP;
        }
        if socket.error.is_some() {
            bits |= ERR;
        }
        bits
    }

    /// Bytes of the next datagram.
    pub(super) fn udp_available(&self, id: SocketId) -> usize {
        let first = self.udp(id).ok().and_then(|udp| udp.queue.front());
        first.map_or(0, |(_, data)| data.len())
    }

    pub(super) fn udp_connect(&mut self, id: SocketId, to: SocketAddr) -> Result<(), Errno> {
        let socket = self.socket(id)?;
        if socket.domain == Domain::V4 && to.is_ipv6() {
            return Err(libc::EAFNOSUPPORT);
        }
        if is_broadcast(to.ip()) && !socket.options.broadcast {
            return Err(libc::EACCES);
        }
        let to = to_somebody(to);
        let source = self.source_for(socket.life.host, to.ip());
        let local = match socket.local {
            None => self.take_port(id, SocketAddr::new(source, 0))?,
            Some(local) if local.ip().is_unspecified() => SocketAddr::new(source, local.port()),
            Some(local) => local,
        };
        let socket = self.socket_mut(id)?;
        socket.local = Some(local);
        socket.remote = Some(to);
        Ok(())
    }

    pub(super) fn udp_disconnect(&mut self, id: SocketId) {
        if let Ok(socket) = self.socket_mut(id) {
            socket.remote = None;
            let anywhere = nothing(socket.domain).ip();
            socket.local = socket
                .local
                .map(|local| SocketAddr::new(anywhere, local.port()));
        }
    }

    pub(super) fn udp_send(
        &mut self,
        id: SocketId,
        bufs: &[IoSlice<'_>],
        to: Option<SocketAddr>,
    ) -> Result<usize, Errno> {
        let socket = self.socket_mut(id)?;
        let len = total(bufs);
        if len > LONGEST {
            return Err(libc::EMSGSIZE);
        }
        let to = to.or(socket.remote).ok_or(libc::EDESTADDRREQ)?;
        if to.port() == 0 {
            return Err(libc::EINVAL);
        }
        if socket.domain == Domain::V4 && to.is_ipv6() {
            return Err(libc::EAFNOSUPPORT);
        }
        let to = to_somebody(to);
        let may_broadcast = socket.options.broadcast;
        if is_broadcast(to.ip()) && !may_broadcast {
            return Err(libc::EACCES);
        }
        socket.take_error()?;
        if socket.shut.1 {
            return Err(libc::EPIPE);
        }
        let (host, local, domain) = (socket.life.host, socket.local, socket.domain);
        let local = match local {
            Some(local) => local,
            None => self.take_port(id, nothing(domain))?,
        };
        let source = match local.ip().is_unspecified() {
            true => self.source_for(host, to.ip()),
            false => local.ip(),
        };
        let from = SocketAddr::new(source, local.port());
        let data: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        for target in self.udp_targets(id, host, to) {
            self.transmit((host, target), from, to, Body::Udp(data.clone()), 0);
        }
        Ok(len)
    }

    /// The hosts that a datagram goes to.
    fn udp_targets(&self, id: SocketId, host: HostId, to: SocketAddr) -> Vec<HostId> {
        match self.route(host, to.ip()) {
            Route::Void => Vec::new(),
            Route::Loopback => vec![host],
            Route::Host(other) => vec![other],
            Route::Group => {
                let back = self
                    .socket(id)
                    .is_ok_and(|socket| socket.options.multicast_loop);
                let all = (0..self.hosts.len() as u32).map(HostId);
                let others = all.filter(|other| *other != host || back);
                let wanted = others.filter(|other| !self.udp_meant(*other, to, None).is_empty());
                wanted.collect()
            }
        }
    }

    /// The sockets of a host to which a datagram goes; with `from`, those that take it from there.
    fn udp_meant(&self, host: HostId, to: SocketAddr, from: Option<SocketAddr>) -> Vec<SocketId> {
        let takes_from = |remote: Option<SocketAddr>| match (remote, from) {
            (Some(remote), Some(from)) => remote == from,
            _ => true,
        };
        let sockets = self.net.ports.get(&(host, Transport::Udp, to.port()));
        let sockets = sockets.into_iter().flatten().copied();
        if !is_group(to.ip()) {
            let mut meant = self.meant_by(sockets, to, |it| takes_from(it.remote));
            // The last to come, of several that share the port.
            return meant.pop().into_iter().collect();
        }
        let is_meant = |id: &SocketId| {
            let (Ok(socket), Ok(udp)) = (self.socket(*id), self.udp(*id)) else {
                return false;
            };
            let local = socket.local.map(|local| local.ip());
            let is_wild = local.is_some_and(|ip| ip.is_unspecified() || ip == to.ip());
            let has_joined = udp.groups.contains(&to.ip()) || is_broadcast(to.ip());
            is_wild && has_joined && takes_from(socket.remote)
        };
        sockets.filter(is_meant).collect()
    }

    pub(super) fn udp_arrive(&mut self, packet: Packet) {
        let (there, here) = packet.hosts;
        let meant = self.udp_meant(here, packet.to, Some(packet.from));
        if meant.is_empty() && !is_group(packet.to.ip()) {
            self.transmit((here, there), packet.to, packet.from, Body::Unreachable, 0);
        }
        let Body::Udp(data) = &packet.body else {
            return;
        };
        for id in meant {
            let Ok(socket) = self.socket(id) else {
                continue;
            };
            let capacity = socket.receive_capacity();
            let Ok(udp) = self.udp_mut(id) else { continue };
            if udp.queued > capacity {
                self.note_full(&packet);
                continue;
            }
            udp.queued += data.len() + OVERHEAD;
            udp.queue.push_back((packet.from, data.clone()));
            self.socket_changed(id, IN);
        }
    }

    /// Nobody has the port at `there` to which `here` of that host has sent.
    pub(super) fn udp_unreachable(&mut self, host: HostId, here: SocketAddr, there: SocketAddr) {
        let sockets = self.net.ports.get(&(host, Transport::Udp, here.port()));
        let connected = sockets.into_iter().flatten().find(|id| {
            self.socket(**id)
                .is_ok_and(|socket| socket.remote == Some(there))
        });
        if let Some(id) = connected.copied() {
            if let Ok(socket) = self.socket_mut(id) {
                socket.error = Some(libc::ECONNREFUSED);
            }
            self.socket_changed(id, ERR);
        }
    }

    pub(super) fn udp_receive(
        &mut self,
        id: SocketId,
        bufs: &mut [IoSliceMut<'_>],
        is_peek: bool,
    ) -> Result<Received, Errno> {
        let socket = self.socket_mut(id)?;
        if socket.is_cut_off {
            return Err(libc::ECONNRESET);
        }
        socket.take_error()?;
        let (is_shut, domain) = (socket.shut.0, socket.domain);
        let udp = self.udp_mut(id)?;
        let Some((from, data)) = udp.queue.front() else {
            return match is_shut {
                true => Ok(Received {
                    len: 0,
                    full_len: 0,
                    from: None,
                }),
                false => Err(libc::EAGAIN),
            };
        };
        let received = Received {
            len: scatter(data, bufs),
            full_len: data.len(),
            from: Some(Address::Inet(shown(domain, *from))),
        };
        if !is_peek {
            udp.queued -= data.len() + OVERHEAD;
            udp.queue.pop_front();
        }
        Ok(received)
    }

    pub(super) fn udp_shutdown(
        &mut self,
        id: SocketId,
        (read, write): (bool, bool),
    ) -> Result<(), Errno> {
        let socket = self.socket_mut(id)?;
        socket.shut.0 |= read;
        socket.shut.1 |= write;
        let is_connected = socket.remote.is_some();
        self.socket_changed(id, 0);
        is_connected.then_some(()).ok_or(libc::ENOTCONN)
    }

    pub(super) fn udp_join(
        &mut self,
        id: SocketId,
        group: IpAddr,
        is_in: bool,
    ) -> Result<(), Errno> {
        if !group.is_multicast() {
            return Err(libc::EINVAL);
        }
        let groups = &mut self.udp_mut(id)?.groups;
        match is_in {
            true if !groups.insert(group) => Err(libc::EADDRINUSE),
            false if !groups.remove(&group) => Err(libc::EADDRNOTAVAIL),
            _ => Ok(()),
        }
    }
}

/// An address that names nobody names the host itself.
fn to_somebody(to: SocketAddr) -> SocketAddr {
    match to.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => {
            SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), to.port())
        }
        IpAddr::V6(ip) if ip.is_unspecified() => {
            SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), to.port())
        }
        _ => to,
    }
}
