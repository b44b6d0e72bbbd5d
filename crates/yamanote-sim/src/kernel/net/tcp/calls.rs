//! `listen`, `connect`, `accept`, `shutdown`, `close`, and readiness.
#![forbid(unsafe_code)]

use super::{Connection, Phase, Receiver, Sender, State};
use crate::kernel::Kernel;
use crate::kernel::files::Errno;
use crate::kernel::net::address::{is_group, nothing};
use crate::kernel::net::{ERR, HUP, IN, Kind, OUT, RDHUP, Socket, SocketId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What `listen` allows at most.
const MOST_BACKLOG: i32 = 4096;

impl Kernel {
    pub(in crate::kernel::net) fn tcp_readiness(&self, id: SocketId) -> u32 {
        let (Ok(socket), Some(tcp)) = (self.socket(id), self.tcp(id)) else {
            return 0;
        };
        let state = tcp.seen_state();
        if state == State::Listen {
            return if tcp.queue.is_empty() { 0 } else { IN };
        }
        let mut bits = 0;
        if socket.shut == (true, true) || state == State::Closed {
            bits |= HUP;
        }
        if socket.shut.0 {
            bits |= IN | RDHUP;
        }
        if !matches!(state, State::SynSent | State::SynReceived) {
            if !tcp.receiver.bytes.is_empty() {
                bits |= IN;
            }
            if socket.shut.1 || tcp.sender.is_writable() {
                bits |= OUT;
            }
        }
        if socket.error.is_some() {
            bits |= ERR;
        }
        bits
    }

    /// All connections, as the experiment sees them.
    pub(crate) fn tcp_connections(&self) -> Vec<Connection> {
        let told = |socket: &Socket| {
            let Kind::Tcp(tcp) = &socket.kind else {
                return None;
            };
            let (local, peer) = (socket.local?, socket.remote?);
            let state = tcp.state.name()?;
            Some(Connection {
                host: socket.life.host,
                local,
                peer,
                state,
                unread: tcp.receiver.bytes.len(),
                unsent: tcp.sender.bytes.len(),
            })
        };
        let sockets = self.net.sockets.iter();
        sockets.filter_map(|(_, socket)| told(socket)).collect()
    }

    pub(in crate::kernel::net) fn tcp_listen(
        &mut self,
        id: SocketId,
        backlog: i32,
    ) -> Result<(), Errno> {
        let tcp = self.tcp(id).ok_or(libc::EBADF)?;
        let state = tcp.seen_state();
        if !matches!(state, State::Closed | State::Listen) || tcp.phase != Phase::Unconnected {
            return Err(libc::EINVAL);
        }
        let socket = self.socket(id)?;
        match (state, socket.local) {
            (State::Closed, None) => {
                let anywhere = nothing(socket.domain);
                self.take_port(id, anywhere)?;
            }
            (State::Closed, Some(local)) if !self.is_free(id, local) => {
                return Err(libc::EADDRINUSE);
            }
            _ => {}
        }
        self.socket_mut(id)?.shut = (false, false);
        if state == State::Closed {
            let port = socket_port(self.socket(id)?);
            let host = self.socket(id)?.life.host;
            let listeners = self.net.listeners.entry((host, port));
            listeners.or_default().push(id);
        }
        let tcp = self.tcp_mut(id).ok_or(libc::EBADF)?;
        tcp.state = State::Listen;
        // As an unsigned number: below zero is as many as there can be.
        tcp.backlog = (backlog as u32).min(MOST_BACKLOG as u32) as usize;
        let backlog = tcp.backlog as u64;
        let host = self.socket(id)?.life.host;
        let local = self.socket(id)?.local;
        let port = u64::from(socket_port(self.socket(id)?));
        let text = || {
            let local = local.map_or(String::new(), |local| local.to_string());
            format!("socket={} local={local} backlog={backlog}", id.0)
        };
        self.note(host, "listen", &[u64::from(id.0), port, backlog], text);
        Ok(())
    }

    /// Begins a connection: `EINPROGRESS`, as nothing is known before a packet has been there and
    /// back.
    pub(in crate::kernel::net) fn tcp_connect(
        &mut self,
        id: SocketId,
        to: SocketAddr,
    ) -> Result<(), Errno> {
        let tcp = self.tcp(id).ok_or(libc::EBADF)?;
        match tcp.phase {
            Phase::Connected => return Err(libc::EISCONN),
            Phase::Connecting => {
                return match tcp.seen_state() {
                    State::SynSent => Err(libc::EALREADY),
                    State::Closed => {
                        let answer = self.socket_mut(id)?.take_error();
                        self.tcp_disconnect(id);
                        answer.and(Err(libc::ECONNABORTED))
                    }
                    _ => self.tcp_connected(id),
                };
            }
            Phase::Unconnected if tcp.seen_state() != State::Closed => return Err(libc::EISCONN),
            Phase::Unconnected => {}
        }
        let socket = self.socket(id)?;
        if !Self::fits(socket.domain, to) {
            return Err(libc::EAFNOSUPPORT);
        }
        let to = match to.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, to.port()).into(),
            IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, to.port()).into(),
            _ => to,
        };
        if is_group(to.ip()) {
            return Err(libc::ENETUNREACH);
        }
        let host = socket.life.host;
        let from = self.tcp_source(id, to)?;
        if self.net.connections.contains_key(&(host, from, to)) || from == to {
            return Err(libc::EADDRNOTAVAIL);
        }
        self.net.connections.insert((host, from, to), id);
        let first = self.tcp_first_number();
        let socket = self.socket_mut(id)?;
        socket.remote = Some(to);
        socket.shut = (false, false);
        let tcp = self.tcp_mut(id).ok_or(libc::EBADF)?;
        tcp.state = State::SynSent;
        tcp.phase = Phase::Connecting;
        tcp.sender = Sender::new(first, tcp.sender.capacity);
        tcp.sender.next = first + 1;
        tcp.receiver = Receiver::new(0, tcp.receiver.capacity);
        let numbers = [
            u64::from(id.0),
            u64::from(from.port()),
            u64::from(to.port()),
        ];
        let text = || format!("socket={} local={from} peer={to}", id.0);
        self.note(host, "connect", &numbers, text);
        self.tcp_send_syn(id);
        self.tcp_expect_answer(id);
        Err(libc::EINPROGRESS)
    }

    /// The address from which the socket connects, which it has then.
    fn tcp_source(&mut self, id: SocketId, to: SocketAddr) -> Result<SocketAddr, Errno> {
        let socket = self.socket(id)?;
        let host = socket.life.host;
        let ip = self.source_for(host, to.ip());
        let Some(local) = socket.local else {
            return self.take_port(id, SocketAddr::new(ip, 0));
        };
        if local.ip().is_unspecified() {
            let local = SocketAddr::new(ip, local.port());
            self.socket_mut(id)?.local = Some(local);
            return Ok(local);
        }
        if local.ip().is_loopback() != to.ip().is_loopback() && !self.is_own(host, to.ip()) {
            return Err(libc::EINVAL);
        }
        Ok(local)
    }

    /// The program has heard of it.
    fn tcp_connected(&mut self, id: SocketId) -> Result<(), Errno> {
        let tcp = self.tcp_mut(id).ok_or(libc::EBADF)?;
        tcp.phase = Phase::Connected;
        Ok(())
    }

    /// What has become of a connection that was begun; `EINPROGRESS` while nothing has.
    pub(in crate::kernel::net) fn tcp_outcome(&mut self, id: SocketId) -> Result<(), Errno> {
        let tcp = self.tcp(id).ok_or(libc::EBADF)?;
        match tcp.seen_state() {
            State::SynSent | State::SynReceived => Err(libc::EINPROGRESS),
            State::Closed => {
                let answer = self.socket_mut(id)?.take_error();
                self.tcp_disconnect(id);
                answer.and(Err(libc::ECONNABORTED))
            }
            _ => self.tcp_connected(id),
        }
    }

    /// The socket may connect anew.
    pub(in crate::kernel::net) fn tcp_disconnect(&mut self, id: SocketId) {
        self.unregister(id);
        let Ok(socket) = self.socket_mut(id) else {
            return;
        };
        socket.remote = None;
        socket.shut = (false, false);
        socket.local = None;
        let Some(tcp) = self.tcp_mut(id) else { return };
        tcp.state = State::Closed;
        tcp.phase = Phase::Unconnected;
        tcp.deadline = None;
        tcp.is_done = false;
    }

    /// Takes a connection from the queue.
    pub(in crate::kernel::net) fn tcp_accept(&mut self, id: SocketId) -> Result<SocketId, Errno> {
        let tcp = self.tcp_mut(id).ok_or(libc::EBADF)?;
        if tcp.state != State::Listen {
            return Err(libc::EINVAL);
        }
        let new = tcp.queue.pop_front().ok_or(libc::EAGAIN)?;
        if let Some(tcp) = self.tcp_mut(new) {
            tcp.listener = None;
        }
        Ok(new)
    }

    pub(in crate::kernel::net) fn tcp_shutdown(
        &mut self,
        id: SocketId,
        (read, write): (bool, bool),
    ) -> Result<(), Errno> {
        let socket = self.socket_mut(id)?;
        socket.shut.0 |= read;
        socket.shut.1 |= write;
        let tcp = self.tcp_mut(id).ok_or(libc::EBADF)?;
        match tcp.seen_state() {
            State::Closed => {
                self.socket_changed(id, 0);
                return Err(libc::ENOTCONN);
            }
            State::Listen => {
                self.socket_mut(id)?.shut = (false, false);
                if read {
                    self.tcp_stop_listening(id);
                }
            }
            State::SynSent => self.tcp_done(id),
            _ if write => self.tcp_finish(id),
            _ => {}
        }
        self.socket_changed(id, 0);
        Ok(())
    }

    /// Nothing will be written any more: a FIN behind what is there.
    fn tcp_finish(&mut self, id: SocketId) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        tcp.state = match tcp.state {
            State::Established | State::SynReceived => State::FinWait1,
            State::CloseWait => State::LastAck,
            _ => return,
        };
        tcp.sender.fin = Some(tcp.sender.end());
        self.tcp_output(id);
    }

    fn tcp_stop_listening(&mut self, id: SocketId) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        tcp.state = State::Closed;
        let queue = std::mem::take(&mut tcp.queue);
        for connection in queue {
            self.tcp_break_off(connection);
        }
        let half_open: Vec<SocketId> = self
            .net
            .sockets
            .iter()
            .filter(|(_, socket)| match &socket.kind {
                Kind::Tcp(tcp) => tcp.listener == Some(id),
                _ => false,
            })
            .map(|(id, _)| id)
            .collect();
        half_open.into_iter().for_each(|id| self.tcp_remove(id));
        self.unregister(id);
    }

    /// Ends a connection that nobody has, with a reset.
    fn tcp_break_off(&mut self, id: SocketId) {
        if self
            .tcp(id)
            .is_some_and(|tcp| tcp.seen_state() != State::Closed)
        {
            self.tcp_send_reset(id);
        }
        self.tcp_remove(id);
    }

    pub(in crate::kernel::net) fn tcp_close(&mut self, id: SocketId) {
        let Ok(socket) = self.socket(id) else { return };
        let linger = socket.options.linger_s;
        let Some(tcp) = self.tcp_mut(id) else { return };
        tcp.is_closed = true;
        let has_unread = !tcp.receiver.bytes.is_empty();
        match tcp.state {
            State::Closed | State::SynSent => self.tcp_remove(id),
            State::Listen => {
                self.tcp_stop_listening(id);
                self.net.sockets.remove(id);
            }
            State::TimeWait => {}
            _ if has_unread || linger == Some(0) => self.tcp_break_off(id),
            State::FinWait2 => self.tcp_end_in_a_minute(id, State::FinWait2),
            _ => self.tcp_finish(id),
        }
    }
}

fn socket_port(socket: &Socket) -> u16 {
    socket.local.map_or(0, |local| local.port())
}
