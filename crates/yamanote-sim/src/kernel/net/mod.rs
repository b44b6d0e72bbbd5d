//! The network between hosts, and sockets.
//!
//! A packet travels on the link from its host to the other (`link`, `packet`), where faults may
//! meet it. TCP is all there (`tcp`): segments, acknowledgements, windows, retransmission,
//! resets; there is no congestion control, and Nagle's algorithm is always off. Unix sockets
//! (`unix`) are within a host and take no time.
#![forbid(unsafe_code)]

pub(crate) mod address;
pub(crate) mod link;
pub(crate) mod options;
pub(crate) mod packet;
mod ports;
mod sockets;
pub(crate) mod tcp;
mod udp;
mod unix;

use self::address::Domain;
use self::options::Options;
use super::Kernel;
use super::files::{Errno, FileId};
use super::host::{HostId, Life};
use super::table::{Number, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Numbers a socket of a world; none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SocketId(pub(crate) u32);

impl Number for SocketId {
    fn of(index: u32) -> SocketId {
        SocketId(index)
    }

    fn index(self) -> u32 {
        self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// All of the network.
#[derive(Default)]
pub(crate) struct Net {
    sockets: Table<SocketId, Socket>,
    next_socket: u32,
    next_message: u64,
    pub(crate) links: link::Links,
    /// When the last packet of a host to itself arrives.
    loopback: BTreeMap<HostId, u64>,
    /// Who has a port: what is bound to it, and the connections from it.
    ports: BTreeMap<(HostId, Transport, u16), BTreeSet<SocketId>>,
    /// Of those, the ones that listen.
    listeners: BTreeMap<(HostId, u16), Vec<SocketId>>,
    /// By the address here, and there.
    connections: BTreeMap<(HostId, SocketAddr, SocketAddr), SocketId>,
    /// Connections begun, from which come the numbers of their first bytes.
    begun: u64,
    /// Unix sockets that have a name.
    names: BTreeMap<(HostId, unix::Key), SocketId>,
}

pub(crate) struct Socket {
    pub(crate) life: Life,
    /// The open file that is this socket. A connection in a listener's queue has none yet, and one
    /// that was closed has none any more.
    file: Option<FileId>,
    pub(crate) domain: Domain,
    pub(crate) options: Options,
    /// What `SO_ERROR` tells, and the next call.
    error: Option<Errno>,
    /// Shut down for reading, and for writing.
    shut: (bool, bool),
    local: Option<SocketAddr>,
    remote: Option<SocketAddr>,
    /// Its life is over: nothing that is done with it reaches anybody.
    is_cut_off: bool,
    kind: Kind,
}

enum Kind {
    Tcp(Box<tcp::Tcp>),
    Udp(udp::Udp),
    Stream(unix::Stream),
    Datagram(unix::Datagram),
}

/// What a call to receive has got.
#[derive(Debug)]
pub(crate) struct Received {
    /// Bytes written to the caller's buffers.
    pub(crate) len: usize,
    /// Bytes that there were.
    pub(crate) full_len: usize,
    pub(crate) from: Option<address::Address>,
}

impl Socket {
    /// The error that waits to be told, which it is by this.
    fn take_error(&mut self) -> Result<(), Errno> {
        self.error.take().map_or(Ok(()), Err)
    }

    fn transport(&self) -> Option<Transport> {
        match self.kind {
            Kind::Tcp(_) => Some(Transport::Tcp),
            Kind::Udp(_) => Some(Transport::Udp),
            Kind::Stream(_) | Kind::Datagram(_) => None,
        }
    }

    fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Tcp(_) | Kind::Stream(_))
    }
}

impl Kernel {
    fn socket(&self, id: SocketId) -> Result<&Socket, Errno> {
        self.net.sockets.get(id).ok_or(libc::EBADF)
    }

    fn socket_mut(&mut self, id: SocketId) -> Result<&mut Socket, Errno> {
        self.net.sockets.get_mut(id).ok_or(libc::EBADF)
    }

    fn tcp(&self, id: SocketId) -> Option<&tcp::Tcp> {
        match &self.net.sockets.get(id)?.kind {
            Kind::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    fn tcp_mut(&mut self, id: SocketId) -> Option<&mut tcp::Tcp> {
        match &mut self.net.sockets.get_mut(id)?.kind {
            Kind::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// A new socket, of which there is no file yet.
    fn add_socket(&mut self, life: Life, domain: Domain, kind: Kind) -> SocketId {
        let id = SocketId(self.net.next_socket);
        self.net.next_socket += 1;
        let socket = Socket {
            life,
            file: None,
            domain,
            options: Options::default(),
            error: None,
            shut: (false, false),
            local: None,
            remote: None,
            is_cut_off: self.is_over(life),
            kind,
        };
        self.net.sockets.insert(id, socket);
        id
    }

    /// Something of these `EPOLL*` bits has happened at the socket; 0: of any.
    fn socket_changed(&mut self, id: SocketId, events: u32) {
        if let Some(file) = self.net.sockets.get(id).and_then(|socket| socket.file) {
            self.changed(file, events);
        }
    }
}

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;
const RDHUP: u32 = libc::EPOLLRDHUP as u32;
const HUP: u32 = libc::EPOLLHUP as u32;
const ERR: u32 = libc::EPOLLERR as u32;
