//! Streams, and the calls that both kinds have.
#![forbid(unsafe_code)]

use super::{Key, State, Stream, cost};
use crate::kernel::Kernel;
use crate::kernel::files::{Errno, total};
use crate::kernel::net::address::{Address, Domain, Name};
use crate::kernel::net::tcp::{read_from, write_to};
use crate::kernel::net::{IN, Kind, OUT, Received, SocketId};
use std::io::{IoSlice, IoSliceMut};

impl Kernel {
    pub(in crate::kernel::net) fn unix_listen(
        &mut self,
        id: SocketId,
        backlog: i32,
    ) -> Result<(), Errno> {
        let stream = self.stream_mut(id).ok_or(libc::EOPNOTSUPP)?;
        if stream.name == Name::Unnamed || stream.state == State::Connected {
            return Err(libc::EINVAL);
        }
        let backlog = (backlog as u32).min(4096) as usize;
        stream.state = State::Listening { backlog };
        Ok(())
    }

    /// `EAGAIN` while the queue of the listener is full.
    pub(in crate::kernel::net) fn unix_connect(
        &mut self,
        id: SocketId,
        to: &Address,
    ) -> Result<(), Errno> {
        let name = match to {
            Address::Unix(name) if *name != Name::Unnamed => name,
            Address::Unspecified => {
                let datagram = self.datagram_mut(id).ok_or(libc::EINVAL)?;
                datagram.peer = None;
                // Who waits for room at the peer that was waits there no more: as on Linux if that
                // is by a poll. A call that waits goes on with the new peer; on Linux it would wait
                // for the old one still.
                self.socket_changed(id, OUT);
                return Ok(());
            }
            _ => return Err(libc::EINVAL),
        };
        let other = self.unix_named(id, name)?;
        if self.datagram(id).is_some() {
            let theirs = self.datagram(other).ok_or(libc::EPROTOTYPE)?.peer;
            if theirs.is_some_and(|peer| peer != id) {
                return Err(libc::EPERM);
            }
            self.datagram_mut(id).ok_or(libc::EBADF)?.peer = Some(other);
            self.socket_changed(id, OUT);
            return Ok(());
        }
        let listener = self.stream(other).ok_or(libc::EPROTOTYPE)?;
        let State::Listening { backlog } = listener.state else {
            return Err(libc::ECONNREFUSED);
        };
        match self.stream(id).map(|stream| &stream.state) {
            Some(State::Fresh) => {}
            Some(State::Connected) => return Err(libc::EISCONN),
            _ => return Err(libc::EINVAL),
        }
        if self.socket(other)?.shut.0 {
            return Err(libc::ECONNREFUSED);
        }
        if listener.queue.len() > backlog {
            let listener = self.stream_mut(other).ok_or(libc::ECONNREFUSED)?;
            if !listener.callers.contains(&id) {
                listener.callers.push(id);
            }
            return Err(libc::EAGAIN);
        }
        let life = self.socket(other)?.life;
        let own_name = self.unix_name(id)?;
        let mut accepted = Stream::new();
        accepted.state = State::Connected;
        accepted.peer = Some(id);
        accepted.name = name.clone();
        accepted.peer_name = own_name;
        let new = self.add_socket(life, Domain::Unix, Kind::Stream(accepted));
        let stream = self.stream_mut(id).ok_or(libc::EBADF)?;
        stream.state = State::Connected;
        stream.peer = Some(new);
        stream.peer_name = name.clone();
        if let Some(listener) = self.stream_mut(other) {
            listener.queue.push_back(new);
        }
        self.socket_changed(other, IN);
        self.socket_changed(id, OUT);
        Ok(())
    }

    pub(in crate::kernel::net) fn unix_accept(&mut self, id: SocketId) -> Result<SocketId, Errno> {
        let is_shut = self.socket(id)?.shut.0;
        let stream = self.stream_mut(id).ok_or(libc::EOPNOTSUPP)?;
        if !stream.is_listening() || is_shut {
            return Err(libc::EINVAL);
        }
        let new = stream.queue.pop_front().ok_or(libc::EAGAIN)?;
        let callers = std::mem::take(&mut stream.callers);
        callers
            .into_iter()
            .for_each(|id| self.socket_changed(id, OUT));
        Ok(new)
    }

    pub(in crate::kernel::net) fn unix_shutdown(
        &mut self,
        id: SocketId,
        (read, write): (bool, bool),
    ) -> Result<(), Errno> {
        let socket = self.socket_mut(id)?;
        socket.shut.0 |= read;
        socket.shut.1 |= write;
        let peer = match &socket.kind {
            Kind::Stream(stream) => stream.peer,
            _ => None,
        };
        self.socket_changed(id, 0);
        if let Some(peer) = peer {
            if let Ok(socket) = self.socket_mut(peer) {
                socket.shut.0 |= write;
                socket.shut.1 |= read;
            }
            self.socket_changed(peer, 0);
        }
        Ok(())
    }

    pub(in crate::kernel::net) fn unix_receive(
        &mut self,
        id: SocketId,
        bufs: &mut [IoSliceMut<'_>],
        is_peek: bool,
    ) -> Result<Received, Errno> {
        let was_writable = self.is_peer_writable(id);
        let socket = self.socket_mut(id)?;
        if socket.is_cut_off {
            return Err(libc::ECONNRESET);
        }
        let is_shut = socket.shut.0;
        let (is_empty, len) = match &mut socket.kind {
            Kind::Datagram(_) => return self.datagram_receive(id, bufs, is_peek),
            Kind::Stream(stream) => {
                if stream.state != State::Connected {
                    return Err(libc::EINVAL);
                }
                let is_empty = stream.bytes.is_empty();
                let len = read_from(&mut stream.bytes, bufs, is_peek);
                if !is_peek {
                    stream.take_pieces(len);
                }
                (is_empty, len)
            }
            Kind::Tcp(_) | Kind::Udp(_) => return Err(libc::EINVAL),
        };
        if is_empty {
            socket.take_error()?;
            if !is_shut {
                return Err(libc::EAGAIN);
            }
        }
        if !was_writable && self.is_peer_writable(id) {
            if let Some(peer) = self.stream(id).and_then(|stream| stream.peer) {
                self.socket_changed(peer, OUT);
            }
        }
        Ok(Received {
            len,
            full_len: len,
            from: None,
        })
    }

    /// Whether the peer of a stream may write, as it is told.
    fn is_peer_writable(&self, id: SocketId) -> bool {
        let peer = self.stream(id).and_then(|stream| stream.peer);
        peer.is_some_and(|peer| self.unix_readiness(peer) & OUT != 0)
    }

    pub(in crate::kernel::net) fn unix_send(
        &mut self,
        id: SocketId,
        bufs: &[IoSlice<'_>],
        to: Option<&Address>,
    ) -> Result<usize, Errno> {
        let socket = self.socket_mut(id)?;
        if socket.is_cut_off {
            return Err(libc::EPIPE);
        }
        let is_shut = socket.shut.1;
        if matches!(socket.kind, Kind::Datagram(_)) {
            return self.datagram_send(id, bufs, to);
        }
        socket.take_error()?;
        let stream = self.stream(id).ok_or(libc::EINVAL)?;
        if to.is_some() {
            let is_connected = stream.state == State::Connected;
            return Err(if is_connected {
                libc::EISCONN
            } else {
                libc::EOPNOTSUPP
            });
        }
        if stream.state != State::Connected {
            return Err(libc::ENOTCONN);
        }
        let peer = match stream.peer {
            Some(peer) if !is_shut => peer,
            _ => return Err(libc::EPIPE),
        };
        let capacity = self.socket(id)?.send_capacity();
        let wanted = total(bufs);
        let stream = self.stream_mut(peer).ok_or(libc::EPIPE)?;
        if stream.charged >= capacity && wanted > 0 {
            return Err(libc::EAGAIN);
        }
        // As Linux does: a piece has room if the buffer is not full before it, and is half a buffer
        // at most.
        let largest = (capacity / 2).saturating_sub(64).max(1);
        let mut room = 0;
        while room < wanted && stream.charged < capacity {
            let piece = largest.min(wanted - room);
            stream.pieces.push_back((piece, cost(piece)));
            stream.charged += cost(piece);
            room += piece;
        }
        let len = write_to(&mut stream.bytes, bufs, room);
        if len > 0 {
            self.socket_changed(peer, IN);
        }
        Ok(len)
    }

    pub(in crate::kernel::net) fn unix_close(&mut self, id: SocketId) {
        let Some(socket) = self.net.sockets.remove(id) else {
            return;
        };
        let host = socket.life.host;
        let (name, file, callers) = match &socket.kind {
            Kind::Stream(stream) => (&stream.name, &stream.file, &stream.callers),
            Kind::Datagram(datagram) => (&datagram.name, &datagram.file, &datagram.callers),
            Kind::Tcp(_) | Kind::Udp(_) => return,
        };
        let key = match (name, file) {
            (Name::Abstract(bytes), _) => {
                let is_stream = matches!(socket.kind, Kind::Stream(_));
                Some(Key::Abstract(bytes.clone(), is_stream))
            }
            (_, file) => file.clone(),
        };
        let key = key.map(|key| (host, key));
        if let Some(key) = key.filter(|key| self.net.names.get(key) == Some(&id)) {
            self.net.names.remove(&key);
        }
        for caller in callers {
            self.socket_changed(*caller, OUT);
        }
        let stream = match &socket.kind {
            Kind::Stream(stream) => stream,
            Kind::Datagram(datagram) => {
                for message in &datagram.queue {
                    self.datagram_uncharge(message.sender, cost(message.data.len()));
                }
                return;
            }
            Kind::Tcp(_) | Kind::Udp(_) => return,
        };
        if let Some(peer) = stream.peer {
            self.stream_end(peer, !stream.bytes.is_empty());
        }
        for waiting in &stream.queue {
            if let Some(peer) = self.stream(*waiting).and_then(|stream| stream.peer) {
                self.stream_end(peer, true);
            }
            self.net.sockets.remove(*waiting);
        }
    }

    /// The peer of a stream has gone, maybe without having read everything.
    fn stream_end(&mut self, id: SocketId, is_reset: bool) {
        let Ok(socket) = self.socket_mut(id) else {
            return;
        };
        socket.shut = (true, true);
        if is_reset {
            socket.error = Some(libc::ECONNRESET);
        }
        if let Kind::Stream(stream) = &mut socket.kind {
            stream.peer = None;
        }
        self.socket_changed(id, 0);
    }
}
