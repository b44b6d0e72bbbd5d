//! What a program asks of sockets, whatever they are.
#![forbid(unsafe_code)]

use super::address::{Address, Domain, canonical, is_group, nothing, shown};
use super::{ERR, HUP, IN, OUT, RDHUP};
use super::{Kind, Received, Socket, SocketId, tcp, udp, unix};
use crate::kernel::Kernel;
use crate::kernel::files::{Errno, FileId, Object};
use crate::kernel::host::Life;
use crate::kernel::trap::Moment;
use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;

/// Bytes in a buffer of a socket that is not TCP's and has set no other number.
const OTHER_BUFFER: usize = 212_992;

impl Socket {
    pub(super) fn send_capacity(&self) -> usize {
        match self.kind {
            Kind::Tcp(_) => self.options.send_capacity(None),
            _ => self.options.send_capacity(Some(OTHER_BUFFER)),
        }
    }

    pub(super) fn receive_capacity(&self) -> usize {
        match self.kind {
            Kind::Tcp(_) => self.options.receive_capacity(None),
            _ => self.options.receive_capacity(Some(OTHER_BUFFER)),
        }
    }
}

impl Kernel {
    // --- what makes and ends sockets

    /// The kind of socket that is asked for.
    fn kind_of(domain: i32, kind: i32, protocol: i32) -> Result<(Domain, Kind), Errno> {
        let domain = match domain {
            libc::AF_INET => Domain::V4,
            libc::AF_INET6 => Domain::V6,
            libc::AF_UNIX => Domain::Unix,
            _ => return Err(libc::EAFNOSUPPORT),
        };
        let is_unix = domain == Domain::Unix;
        let kind = match (kind, protocol) {
            (libc::SOCK_STREAM, 0 | 1) if is_unix => Kind::Stream(unix::Stream::new()),
            (libc::SOCK_DGRAM | libc::SOCK_RAW, 0 | 1) if is_unix => {
                Kind::Datagram(unix::Datagram::new())
            }
            (libc::SOCK_STREAM, 0 | libc::IPPROTO_TCP) if !is_unix => {
                Kind::Tcp(Box::new(tcp::Tcp::new()))
            }
            (libc::SOCK_DGRAM, 0 | libc::IPPROTO_UDP) if !is_unix => Kind::Udp(udp::Udp::default()),
            (libc::SOCK_STREAM | libc::SOCK_DGRAM, _) => return Err(libc::EPROTONOSUPPORT),
            (0..=10, _) => return Err(libc::ESOCKTNOSUPPORT),
            _ => return Err(libc::EINVAL),
        };
        Ok((domain, kind))
    }

    /// Gives a socket a file and a descriptor.
    pub(super) fn socket_file(
        &mut self,
        id: SocketId,
        (is_nonblocking, closes_on_exec): (bool, bool),
    ) -> Result<i32, Errno> {
        let life = self.socket(id)?.life;
        match self.open_file(life, Object::Socket(id), is_nonblocking, closes_on_exec) {
            Ok((fd, file)) => {
                self.socket_mut(id)?.file = Some(file);
                Ok(fd)
            }
            Err(error) => {
                self.socket_close(id);
                Err(error)
            }
        }
    }

    /// `flags`: nonblocking, and closes on exec.
    pub(crate) fn socket_open(
        &mut self,
        life: Life,
        (domain, kind, protocol): (i32, i32, i32),
        flags: (bool, bool),
    ) -> Result<i32, Errno> {
        let (domain, kind) = Self::kind_of(domain, kind, protocol)?;
        let id = self.add_socket(life, domain, kind);
        self.socket_file(id, flags)
    }

    pub(crate) fn socket_pair(
        &mut self,
        life: Life,
        (domain, kind, protocol): (i32, i32, i32),
        flags: (bool, bool),
    ) -> Result<(i32, i32), Errno> {
        let (_, kind) = Self::kind_of(domain, kind, protocol)?;
        let is_stream = match kind {
            Kind::Stream(_) => true,
            Kind::Datagram(_) => false,
            Kind::Tcp(_) | Kind::Udp(_) => return Err(libc::EOPNOTSUPP),
        };
        let (a, b) = self.unix_pair(life, is_stream);
        let first = self.socket_file(a, flags)?;
        match self.socket_file(b, flags) {
            Ok(second) => Ok((first, second)),
            Err(error) => {
                let _ = self.close(first);
                Err(error)
            }
        }
    }

    /// The socket that an open file is.
    pub(crate) fn socket_of(&self, file: FileId) -> Result<SocketId, Errno> {
        match self.find_file(file).map(|file| &file.object) {
            Some(Object::Socket(socket)) => Ok(*socket),
            Some(_) => Err(libc::ENOTSOCK),
            None => Err(libc::EBADF),
        }
    }

    /// The last reference to the socket's file is gone.
    pub(crate) fn socket_close(&mut self, id: SocketId) {
        let Ok(socket) = self.socket_mut(id) else {
            return;
        };
        socket.file = None;
        let host = socket.life.host;
        if socket.is_cut_off {
            self.net.sockets.remove(id);
            return;
        }
        if let (Some(local), Some(remote)) = (socket.local, socket.remote) {
            let numbers = [
                u64::from(id.0),
                u64::from(local.port()),
                u64::from(remote.port()),
            ];
            let text = || format!("socket={} local={local} peer={remote}", id.0);
            self.note(host, "close", &numbers, text);
        }
        match self.socket(id).map(|socket| &socket.kind) {
            Ok(Kind::Tcp(_)) => self.tcp_close(id),
            Ok(Kind::Udp(_)) => {
                self.unregister(id);
                self.net.sockets.remove(id);
            }
            _ => self.unix_close(id),
        }
    }

    /// A host has crashed: its sockets are gone without a word, and what is done with them reaches
    /// nobody any more.
    pub(crate) fn life_crashed(&mut self, life: Life) {
        let of_life = |(id, socket): (SocketId, &Socket)| (socket.life == life).then_some(id);
        let ids: Vec<SocketId> = self.net.sockets.iter().filter_map(of_life).collect();
        for id in ids {
            self.unregister(id);
            let Some(socket) = self.net.sockets.get_mut(id) else {
                continue;
            };
            socket.is_cut_off = true;
            if let Kind::Tcp(tcp) = &mut socket.kind {
                tcp.cut_off();
            }
            if socket.file.is_none() {
                self.net.sockets.remove(id);
            }
            self.socket_changed(id, 0);
        }
        // Names on the disk name nobody now.
        self.net.names.retain(|(host, _), _| *host != life.host);
    }

    // --- names

    fn check_alive(&self, id: SocketId) -> Result<(), Errno> {
        match self.socket(id)?.is_cut_off {
            true => Err(libc::ENETDOWN),
            false => Ok(()),
        }
    }

    pub(crate) fn socket_bind(&mut self, id: SocketId, address: Address) -> Result<(), Errno> {
        self.check_alive(id)?;
        let socket = self.socket(id)?;
        let (domain, host) = (socket.domain, socket.life.host);
        let address = match (address, domain) {
            (Address::Unix(name), Domain::Unix) => return self.unix_bind(id, name),
            (Address::Inet(address), Domain::V4) if address.is_ipv4() => address,
            (Address::Inet(address), Domain::V6) if address.is_ipv6() => address,
            (Address::Inet(_), Domain::V6) => return Err(libc::EINVAL),
            (_, Domain::Unix) => return Err(libc::EINVAL),
            _ => return Err(libc::EAFNOSUPPORT),
        };
        let address = canonical(address);
        let ip = address.ip();
        let is_datagram = matches!(socket.kind, Kind::Udp(_));
        let is_possible =
            ip.is_unspecified() || self.is_own(host, ip) || (is_datagram && is_group(ip));
        if socket.local.is_some() {
            return Err(libc::EINVAL);
        }
        if !is_possible {
            return Err(libc::EADDRNOTAVAIL);
        }
        let local = self.take_port(id, address)?;
        let numbers = [u64::from(id.0), u64::from(local.port())];
        let text = || format!("socket={} local={local}", id.0);
        self.note(host, "bind", &numbers, text);
        Ok(())
    }

    pub(crate) fn socket_name(&self, id: SocketId) -> Result<Address, Errno> {
        let socket = self.socket(id)?;
        match socket.domain {
            Domain::Unix => self.unix_name(id).map(Address::Unix),
            domain => {
                let local = socket.local.unwrap_or(nothing(domain));
                Ok(Address::Inet(shown(domain, with_family(domain, local))))
            }
        }
    }

    pub(crate) fn socket_peer(&self, id: SocketId) -> Result<Address, Errno> {
        let socket = self.socket(id)?;
        if let Some(tcp) = self.tcp(id) {
            let state = tcp.seen_state();
            if matches!(state, tcp::State::Closed | tcp::State::SynSent) {
                return Err(libc::ENOTCONN);
            }
        }
        match socket.domain {
            Domain::Unix => self.unix_peer_name(id).map(Address::Unix),
            domain => {
                let remote = socket.remote.ok_or(libc::ENOTCONN)?;
                Ok(Address::Inet(shown(domain, remote)))
            }
        }
    }

    // --- connections

    pub(crate) fn socket_listen(&mut self, id: SocketId, backlog: i32) -> Result<(), Errno> {
        self.check_alive(id)?;
        match self.socket(id)?.kind {
            Kind::Tcp(_) => self.tcp_listen(id, backlog),
            Kind::Stream(_) => self.unix_listen(id, backlog),
            Kind::Udp(_) | Kind::Datagram(_) => Err(libc::EOPNOTSUPP),
        }
    }

    /// `EINPROGRESS` if it was begun, and [`Kernel::socket_outcome`] will tell; `EAGAIN` if a
    /// listener has no room.
    pub(crate) fn socket_connect(&mut self, id: SocketId, to: &Address) -> Result<(), Errno> {
        self.check_alive(id)?;
        match (&self.socket(id)?.kind, to) {
            (Kind::Tcp(_), Address::Inet(to)) => self.tcp_connect(id, canonical(*to)),
            (Kind::Tcp(_), Address::Unspecified) => {
                self.tcp_disconnect(id);
                Ok(())
            }
            (Kind::Udp(_), Address::Inet(to)) => self.udp_connect(id, canonical(*to)),
            (Kind::Udp(_), Address::Unspecified) => {
                self.udp_disconnect(id);
                Ok(())
            }
            (Kind::Stream(_) | Kind::Datagram(_), to) => self.unix_connect(id, to),
            _ => Err(libc::EAFNOSUPPORT),
        }
    }

    /// What has become of a connection that was begun: `EAGAIN` while nothing has.
    pub(crate) fn socket_outcome(&mut self, id: SocketId) -> Result<(), Errno> {
        if self.socket(id)?.is_cut_off {
            return Err(libc::ECONNRESET);
        }
        match self.tcp_outcome(id) {
            Err(libc::EINPROGRESS) => Err(libc::EAGAIN),
            answer => answer,
        }
    }

    /// A descriptor of the next connection; `EAGAIN` while there is none.
    pub(crate) fn socket_accept(
        &mut self,
        id: SocketId,
        flags: (bool, bool),
    ) -> Result<(i32, Address), Errno> {
        let socket = self.socket(id)?;
        let host = socket.life.host;
        if socket.is_cut_off {
            return Err(libc::ECONNABORTED);
        }
        let new = match socket.kind {
            Kind::Tcp(_) => self.tcp_accept(id)?,
            Kind::Stream(_) => self.unix_accept(id)?,
            Kind::Udp(_) | Kind::Datagram(_) => return Err(libc::EOPNOTSUPP),
        };
        let socket = self.socket(new)?;
        let domain = socket.domain;
        let peer = match socket.remote {
            Some(remote) => Address::Inet(shown(domain, remote)),
            None => Address::Unix(self.unix_peer_name(new)?),
        };
        let fd = self.socket_file(new, flags)?;
        let numbers = [u64::from(id.0), u64::from(new.0)];
        let text = || format!("listener={} socket={} peer={peer}", id.0, new.0);
        self.note(host, "accept", &numbers, text);
        Ok((fd, peer))
    }

    /// `how` as of the C function.
    pub(crate) fn socket_shutdown(&mut self, id: SocketId, how: i32) -> Result<(), Errno> {
        let ends = match how {
            libc::SHUT_RD => (true, false),
            libc::SHUT_WR => (false, true),
            libc::SHUT_RDWR => (true, true),
            _ => return Err(libc::EINVAL),
        };
        let socket = self.socket(id)?;
        if socket.is_cut_off {
            return Err(libc::ENOTCONN);
        }
        match socket.kind {
            Kind::Tcp(_) => self.tcp_shutdown(id, ends),
            Kind::Udp(_) => self.udp_shutdown(id, ends),
            Kind::Stream(_) | Kind::Datagram(_) => self.unix_shutdown(id, ends),
        }
    }

    // --- bytes

    /// The `EPOLL*` bits that hold now.
    pub(crate) fn socket_readiness(&self, id: SocketId) -> u32 {
        match self.socket(id) {
            Err(_) => 0,
            Ok(socket) if socket.is_cut_off => IN | OUT | RDHUP | HUP | ERR,
            Ok(socket) => match socket.kind {
                Kind::Tcp(_) => self.tcp_readiness(id),
                Kind::Udp(_) => self.udp_readiness(id),
                Kind::Stream(_) | Kind::Datagram(_) => self.unix_readiness(id),
            },
        }
    }

    /// `EAGAIN` when it would wait.
    pub(crate) fn socket_receive(
        &mut self,
        id: SocketId,
        bufs: &mut [IoSliceMut<'_>],
        is_peek: bool,
    ) -> Result<Received, Errno> {
        match self.socket(id)?.kind {
            Kind::Tcp(_) => {
                let len = self.tcp_read(id, bufs, is_peek)?;
                Ok(Received {
                    len,
                    full_len: len,
                    from: None,
                })
            }
            Kind::Udp(_) => self.udp_receive(id, bufs, is_peek),
            Kind::Stream(_) | Kind::Datagram(_) => self.unix_receive(id, bufs, is_peek),
        }
    }

    /// `EAGAIN` when it would wait; otherwise what there is room for.
    pub(crate) fn socket_send(
        &mut self,
        id: SocketId,
        bufs: &[IoSlice<'_>],
        to: Option<&Address>,
    ) -> Result<usize, Errno> {
        let socket = self.socket(id)?;
        if socket.is_cut_off {
            return Err(libc::EPIPE);
        }
        let host = socket.life.host;
        let sent = match (&socket.kind, to) {
            (Kind::Tcp(_), _) => self.tcp_write(id, bufs),
            (Kind::Udp(_), None) => self.udp_send(id, bufs, None),
            (Kind::Udp(_), Some(Address::Inet(to))) => {
                let to = canonical(*to);
                self.udp_send(id, bufs, Some(to))
            }
            (Kind::Udp(_), Some(_)) => Err(libc::EAFNOSUPPORT),
            (Kind::Stream(_) | Kind::Datagram(_), to) => self.unix_send(id, bufs, to),
        };
        if sent.is_ok() {
            self.come_by(host, Moment::Send);
        }
        sent
    }

    /// `EAGAIN` when it would wait.
    pub(crate) fn socket_read(
        &mut self,
        id: SocketId,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Result<usize, Errno> {
        self.socket_receive(id, bufs, false)
            .map(|received| received.len)
    }

    /// `EAGAIN` when it would wait; otherwise what there is room for.
    pub(crate) fn socket_write(
        &mut self,
        id: SocketId,
        bufs: &[IoSlice<'_>],
    ) -> Result<usize, Errno> {
        self.socket_send(id, bufs, None)
    }

    /// What `FIONREAD` shows.
    pub(crate) fn socket_available(&self, id: SocketId) -> usize {
        match self.socket(id).map(|socket| &socket.kind) {
            Ok(Kind::Tcp(tcp)) => tcp.receiver.bytes.len(),
            Ok(Kind::Udp(_)) => self.udp_available(id),
            Ok(_) => self.unix_available(id),
            Err(_) => 0,
        }
    }

    /// Until when a call on the socket waits at most, for reading or for writing.
    pub(crate) fn socket_deadline(&self, id: SocketId, writes: bool) -> Option<u64> {
        let options = &self.socket(id).ok()?.options;
        let limit = match writes {
            true => options.send_timeout_ns,
            false => options.receive_timeout_ns,
        };
        limit.map(|limit| self.now.saturating_add(limit))
    }

    /// The number of the process at the other end of a Unix socket, as `getpid` tells it.
    pub(crate) fn socket_peer_process(&self, id: SocketId) -> Result<Option<u32>, Errno> {
        let socket = self.socket(id)?;
        let is_unix = socket.domain == Domain::Unix;
        Ok(is_unix.then_some(100 + socket.life.host.0))
    }

    /// Whether a write takes a part of its bytes.
    pub(crate) fn socket_is_stream(&self, id: SocketId) -> bool {
        self.socket(id).is_ok_and(Socket::is_stream)
    }
}

/// The wildcard of the other family is this one's.
fn with_family(domain: Domain, address: SocketAddr) -> SocketAddr {
    match domain {
        Domain::V6 if address.is_ipv4() && address.ip().is_unspecified() => {
            SocketAddr::new(nothing(domain).ip(), address.port())
        }
        _ => address,
    }
}
