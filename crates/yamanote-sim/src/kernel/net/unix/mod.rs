//! Unix sockets: streams and datagrams within a host, which take no time.
#![forbid(unsafe_code)]

mod datagram;
mod stream;

use super::address::{Domain, Name};
use super::{ERR, HUP, IN, Kind, OUT, RDHUP, Socket, SocketId};
use crate::kernel::Kernel;
use crate::kernel::disk::Ino;
use crate::kernel::files::Errno;
use crate::kernel::host::{HostId, Life};
use std::collections::VecDeque;

/// Datagrams that wait at a socket before senders have to, those of its own peer not counted: one
/// more than `net.unix.max_dgram_qlen`.
const MOST_QUEUED: usize = 11;

/// What a datagram takes of its sender's buffer.
fn cost(len: usize) -> usize {
    (len + 576).next_multiple_of(256)
}

impl Stream {
    /// So many bytes have been read, from the front.
    fn take_pieces(&mut self, mut len: usize) {
        while let Some((left, charge)) = self.pieces.front_mut() {
            if len < *left {
                *left -= len;
                return;
            }
            len -= *left;
            self.charged -= *charge;
            self.pieces.pop_front();
        }
    }
}

/// What a socket of a host is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A name, and whether it is a stream's: there may be two of one name.
    Abstract(Vec<u8>, bool),
    /// The file that is the socket's name on the disk.
    File(Ino),
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Listening { backlog: usize },
    Connected,
}

#[derive(Debug)]
pub(super) struct Stream {
    state: State,
    name: Name,
    /// What it is found by, if its name is a path.
    file: Option<Key>,
    peer_name: Name,
    peer: Option<SocketId>,
    /// From the peer, not read yet.
    bytes: VecDeque<u8>,
    /// The pieces that they were written in: what is left to read of each, and what it takes of the
    /// writer's buffer until all of it has been read.
    pieces: VecDeque<(usize, usize)>,
    /// What all pieces take.
    charged: usize,
    /// Of a listener: connections to be accepted, and those who have found no room for theirs.
    queue: VecDeque<SocketId>,
    callers: Vec<SocketId>,
}

#[derive(Debug)]
pub(super) struct Datagram {
    name: Name,
    /// As of a stream.
    file: Option<Key>,
    peer: Option<SocketId>,
    queue: VecDeque<Message>,
    /// What those that it has sent, and nobody has received, take of its buffer.
    charged: usize,
    /// Sockets that have found no room here.
    callers: Vec<SocketId>,
}

#[derive(Debug)]
struct Message {
    sender: SocketId,
    from: Name,
    data: Vec<u8>,
}

impl Stream {
    pub(super) fn new() -> Stream {
        Stream {
            state: State::Fresh,
            name: Name::Unnamed,
            file: None,
            peer_name: Name::Unnamed,
            peer: None,
            bytes: VecDeque::new(),
            pieces: VecDeque::new(),
            charged: 0,
            queue: VecDeque::new(),
            callers: Vec::new(),
        }
    }

    pub(super) fn is_listening(&self) -> bool {
        matches!(self.state, State::Listening { .. })
    }
}

impl Datagram {
    fn is_full_for(&self, sender: SocketId) -> bool {
        self.peer != Some(sender) && self.queue.len() >= MOST_QUEUED
    }

    pub(super) fn new() -> Datagram {
        Datagram {
            name: Name::Unnamed,
            file: None,
            peer: None,
            queue: VecDeque::new(),
            charged: 0,
            callers: Vec::new(),
        }
    }
}

impl Socket {
    fn name_mut(&mut self) -> Option<&mut Name> {
        match &mut self.kind {
            Kind::Stream(stream) => Some(&mut stream.name),
            Kind::Datagram(datagram) => Some(&mut datagram.name),
            Kind::Tcp(_) | Kind::Udp(_) => None,
        }
    }
}

impl Socket {
    fn file_mut(&mut self) -> Option<&mut Option<Key>> {
        match &mut self.kind {
            Kind::Stream(stream) => Some(&mut stream.file),
            Kind::Datagram(datagram) => Some(&mut datagram.file),
            Kind::Tcp(_) | Kind::Udp(_) => None,
        }
    }
}

impl Kernel {
    fn stream(&self, id: SocketId) -> Option<&Stream> {
        match &self.net.sockets.get(id)?.kind {
            Kind::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    fn stream_mut(&mut self, id: SocketId) -> Option<&mut Stream> {
        match &mut self.net.sockets.get_mut(id)?.kind {
            Kind::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    fn datagram(&self, id: SocketId) -> Option<&Datagram> {
        match &self.net.sockets.get(id)?.kind {
            Kind::Datagram(datagram) => Some(datagram),
            _ => None,
        }
    }

    fn datagram_mut(&mut self, id: SocketId) -> Option<&mut Datagram> {
        match &mut self.net.sockets.get_mut(id)?.kind {
            Kind::Datagram(datagram) => Some(datagram),
            _ => None,
        }
    }

    /// What of a stream's buffer is used; `None` without a peer.
    fn stream_used(&self, id: SocketId) -> Option<usize> {
        let peer = self.stream(id)?.peer?;
        Some(self.stream(peer)?.charged)
    }

    pub(super) fn unix_readiness(&self, id: SocketId) -> u32 {
        let Ok(socket) = self.socket(id) else {
            return 0;
        };
        let mut bits = 0;
        if socket.shut.0 {
            bits |= IN | RDHUP;
        }
        if socket.shut == (true, true) {
            bits |= HUP;
        }
        if socket.error.is_some() {
            bits |= ERR;
        }
        match &socket.kind {
            Kind::Stream(stream) => {
                if stream.is_listening() {
                    return if stream.queue.is_empty() {
                        bits
                    } else {
                        bits | IN
                    };
                }
                if !stream.bytes.is_empty() {
                    bits |= IN;
                }
                if stream.state == State::Fresh {
                    bits |= HUP;
                }
                let used = self.stream_used(id).unwrap_or(0);
                if 4 * used <= socket.send_capacity() {
                    bits |= OUT;
                }
            }
            Kind::Datagram(datagram) => {
                if !datagram.queue.is_empty() {
                    bits |= IN;
                }
                let peer = datagram.peer.and_then(|peer| self.datagram(peer));
                let is_full = peer.is_some_and(|peer| peer.is_full_for(id));
                if !is_full && 4 * datagram.charged <= socket.send_capacity() {
                    bits |= OUT;
                }
            }
            Kind::Tcp(_) | Kind::Udp(_) => {}
        }
        bits
    }

    pub(super) fn unix_available(&self, id: SocketId) -> usize {
        match self.socket(id).map(|socket| &socket.kind) {
            Ok(Kind::Stream(stream)) => stream.bytes.len(),
            Ok(Kind::Datagram(datagram)) => datagram.queue.front().map_or(0, |it| it.data.len()),
            _ => 0,
        }
    }

    pub(super) fn unix_bind(&mut self, id: SocketId, name: Name) -> Result<(), Errno> {
        let host = self.socket(id)?.life.host;
        if self.unix_name(id)? != Name::Unnamed {
            return Err(libc::EINVAL);
        }
        let name = match name {
            Name::Unnamed => self.unix_free_name(id, host),
            name => name,
        };
        let key = match &name {
            Name::Path(path) => {
                let life = self.socket(id)?.life;
                Key::File(self.tree(life)?.bind_name(path)?)
            }
            Name::Abstract(bytes) => self.unix_key(id, bytes),
            Name::Unnamed => return Err(libc::EINVAL),
        };
        if self.net.names.contains_key(&(host, key.clone())) {
            return Err(libc::EADDRINUSE);
        }
        self.net.names.insert((host, key.clone()), id);
        if let Key::File(_) = key {
            if let Some(place) = self.socket_mut(id)?.file_mut() {
                *place = Some(key);
            }
        }
        if let Some(place) = self.socket_mut(id)?.name_mut() {
            *place = name;
        }
        Ok(())
    }

    /// The first abstract name of five digits that nobody has.
    fn unix_free_name(&self, id: SocketId, host: HostId) -> Name {
        let mut names = (0u32..).map(|n| format!("{n:05x}").into_bytes());
        let is_free = |name: &Vec<u8>| {
            let key = self.unix_key(id, name);
            !self.net.names.contains_key(&(host, key))
        };
        names.find(is_free).map_or(Name::Unnamed, Name::Abstract)
    }

    /// An abstract name may be that of a stream and of a socket for datagrams.
    fn unix_key(&self, id: SocketId, name: &[u8]) -> Key {
        Key::Abstract(name.to_vec(), self.stream(id).is_some())
    }

    pub(super) fn unix_name(&self, id: SocketId) -> Result<Name, Errno> {
        match &self.socket(id)?.kind {
            Kind::Stream(stream) => Ok(stream.name.clone()),
            Kind::Datagram(datagram) => Ok(datagram.name.clone()),
            Kind::Tcp(_) | Kind::Udp(_) => Err(libc::EINVAL),
        }
    }

    pub(super) fn unix_peer_name(&self, id: SocketId) -> Result<Name, Errno> {
        match &self.socket(id)?.kind {
            Kind::Stream(stream) if stream.state == State::Connected => {
                Ok(stream.peer_name.clone())
            }
            Kind::Datagram(datagram) => {
                let peer = datagram.peer.ok_or(libc::ENOTCONN)?;
                Ok(self.unix_name(peer).unwrap_or(Name::Unnamed))
            }
            _ => Err(libc::ENOTCONN),
        }
    }

    /// The socket of that name that `id` may mean.
    fn unix_named(&mut self, id: SocketId, name: &Name) -> Result<SocketId, Errno> {
        let life = self.socket(id)?.life;
        let key = match name {
            Name::Path(path) => Key::File(self.tree(life)?.find_name(path)?),
            Name::Abstract(bytes) => self.unix_key(id, bytes),
            Name::Unnamed => return Err(libc::EINVAL),
        };
        let found = self.net.names.get(&(life.host, key));
        found.copied().ok_or(libc::ECONNREFUSED)
    }

    pub(super) fn unix_pair(&mut self, life: Life, is_stream: bool) -> (SocketId, SocketId) {
        let new = |kernel: &mut Kernel| {
            let kind = match is_stream {
                true => Kind::Stream(Stream::new()),
                false => Kind::Datagram(Datagram::new()),
            };
            kernel.add_socket(life, Domain::Unix, kind)
        };
        let (a, b) = (new(self), new(self));
        for (one, other) in [(a, b), (b, a)] {
            match self.net.sockets.get_mut(one).map(|socket| &mut socket.kind) {
                Some(Kind::Stream(stream)) => {
                    stream.state = State::Connected;
                    stream.peer = Some(other);
                }
                Some(Kind::Datagram(datagram)) => datagram.peer = Some(other),
                _ => {}
            }
        }
        (a, b)
    }
}
