//! Ports: who has which, and who may have one beside another.
#![forbid(unsafe_code)]

use super::address::Domain;
use super::{Kind, Socket, SocketId, Transport, tcp};
use crate::kernel::Kernel;
use crate::kernel::chance::Stream;
use crate::kernel::files::Errno;
use std::net::{IpAddr, SocketAddr};

const EPHEMERAL: (u64, u64) = (32_768, 60_999);

/// Whether two sockets of one port would both be meant by some address.
fn overlap(a: (&Socket, IpAddr), b: (&Socket, IpAddr)) -> bool {
    let takes = |(socket, ip): (&Socket, IpAddr), other: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_unspecified() && other.is_ipv4(),
        IpAddr::V6(ip) => ip.is_unspecified() && (other.is_ipv6() || !socket.options.is_only_v6),
    };
    a.1 == b.1 || takes(a, b.1) || takes(b, a.1)
}

fn listens(socket: &Socket) -> bool {
    matches!(&socket.kind, Kind::Tcp(tcp) if tcp.state == tcp::State::Listen)
}

impl Kernel {
    /// Whether the socket may have the address beside those that have its port.
    pub(super) fn is_free(&self, id: SocketId, address: SocketAddr) -> bool {
        let Ok(socket) = self.socket(id) else {
            return false;
        };
        let Some(transport) = socket.transport() else {
            return true;
        };
        let key = (socket.life.host, transport, address.port());
        let others = self.net.ports.get(&key).into_iter().flatten();
        let mut others = others.filter(|other| **other != id);
        others.all(|other| {
            let Ok(other) = self.socket(*other) else {
                return true;
            };
            let Some(local) = other.local else {
                return true;
            };
            let both = |option: fn(&Socket) -> bool| option(socket) && option(other);
            !overlap((socket, address.ip()), (other, local.ip()))
                || (both(|socket| socket.options.reuses_port))
                || (both(|socket| socket.options.reuses_address)
                    && !listens(other)
                    && !listens(socket))
        })
    }

    /// Gives the socket a port, `address`'s or one of the seed's choice.
    pub(super) fn take_port(
        &mut self,
        id: SocketId,
        mut address: SocketAddr,
    ) -> Result<SocketAddr, Errno> {
        if address.port() == 0 {
            let port = self.ephemeral(id, address)?;
            address.set_port(port);
        } else if !self.is_free(id, address) {
            return Err(libc::EADDRINUSE);
        }
        self.register(id, address);
        Ok(address)
    }

    fn ephemeral(&mut self, id: SocketId, address: SocketAddr) -> Result<u16, Errno> {
        let socket = self.socket(id)?;
        let (host, transport) = (socket.life.host, socket.transport());
        let transport = transport.ok_or(libc::EINVAL)?;
        let (least, most) = EPHEMERAL;
        for _ in 0..64 {
            let port = self.rng(Stream::Network).between(least, most) as u16;
            if !self.net.ports.contains_key(&(host, transport, port)) {
                return Ok(port);
            }
        }
        let free = (least..=most).find(|port| {
            let address = SocketAddr::new(address.ip(), *port as u16);
            self.is_free(id, address)
        });
        free.map(|port| port as u16).ok_or(libc::EADDRINUSE)
    }

    /// The socket has this address from now on.
    pub(super) fn register(&mut self, id: SocketId, address: SocketAddr) {
        let Ok(socket) = self.socket_mut(id) else {
            return;
        };
        socket.local = Some(address);
        let Some(transport) = socket.transport() else {
            return;
        };
        let key = (socket.life.host, transport, address.port());
        self.net.ports.entry(key).or_default().insert(id);
    }

    /// The socket has no port any more, and is in no connection.
    pub(super) fn unregister(&mut self, id: SocketId) {
        let Ok(socket) = self.socket(id) else { return };
        let host = socket.life.host;
        let (local, remote, transport) = (socket.local, socket.remote, socket.transport());
        let (Some(local), Some(transport)) = (local, transport) else {
            return;
        };
        let key = (host, transport, local.port());
        if let Some(sockets) = self.net.ports.get_mut(&key) {
            sockets.remove(&id);
            if sockets.is_empty() {
                self.net.ports.remove(&key);
            }
        }
        let key = (host, local.port());
        if let Some(listeners) = self.net.listeners.get_mut(&key) {
            listeners.retain(|other| *other != id);
            if listeners.is_empty() {
                self.net.listeners.remove(&key);
            }
        }
        if let (Some(remote), Transport::Tcp) = (remote, transport) {
            let key = (host, local, remote);
            if self.net.connections.get(&key) == Some(&id) {
                self.net.connections.remove(&key);
            }
        }
    }

    /// Of sockets that have the port of an address those that are meant by it, the most particular
    /// ones only.
    pub(super) fn meant_by(
        &self,
        sockets: impl Iterator<Item = SocketId>,
        to: SocketAddr,
        is_meant: impl Fn(&Socket) -> bool,
    ) -> Vec<SocketId> {
        let mut best = Vec::new();
        let mut highest = 0;
        for id in sockets {
            let Ok(socket) = self.socket(id) else {
                continue;
            };
            let Some(local) = socket.local else { continue };
            let wildcard = match local.ip() {
                IpAddr::V4(ip) => ip.is_unspecified() && to.is_ipv4(),
                IpAddr::V6(ip) => {
                    ip.is_unspecified() && (to.is_ipv6() || !socket.options.is_only_v6)
                }
            };
            let particular = local.ip() == to.ip();
            if !(particular || wildcard) || !is_meant(socket) {
                continue;
            }
            let is_same_family = (socket.domain == Domain::V6) == to.is_ipv6();
            let score = 1
                + u32::from(is_same_family)
                + 2 * u32::from(particular)
                + 4 * u32::from(socket.remote.is_some());
            if score > highest {
                best.clear();
                highest = score;
            }
            if score == highest {
                best.push(id);
            }
        }
        best
    }
}
