//! TCP. The states and what is sent in them are RFC 9293's; what a program sees is Linux's.
#![forbid(unsafe_code)]

mod calls;
mod input;
mod output;
mod stream;
#[cfg(test)]
mod tests;

pub(in crate::kernel::net) use self::stream::{read_from, write_to};

use super::SocketId;
use crate::kernel::host::HostId;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

impl State {
    /// Its name as RFC 9293 has it; `None` where there is no connection.
    fn name(self) -> Option<&'static str> {
        Some(match self {
            State::Closed | State::Listen => return None,
            State::SynSent => "SYN-SENT",
            State::SynReceived => "SYN-RECEIVED",
            State::Established => "ESTABLISHED",
            State::FinWait1 => "FIN-WAIT-1",
            State::FinWait2 => "FIN-WAIT-2",
            State::CloseWait => "CLOSE-WAIT",
            State::Closing => "CLOSING",
            State::LastAck => "LAST-ACK",
            State::TimeWait => "TIME-WAIT",
        })
    }
}

/// A connection, as the experiment sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    pub host: HostId,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    /// The name of the state: `ESTABLISHED`, `FIN-WAIT-1`, ...
    pub state: &'static str,
    /// Bytes that have come and were not read.
    pub unread: usize,
    /// Bytes that were written and not acknowledged.
    pub unsent: usize,
}

/// A segment. Positions in a stream are 64-bit numbers, which do not wrap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segment {
    pub(super) seq: u64,
    pub(super) ack: Option<u64>,
    /// Bytes that the sender has room for, from `ack` on.
    pub(super) window: u64,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    pub(super) data: Vec<u8>,
}

impl Segment {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            _ if self.rst => "rst",
            _ if self.syn && self.ack.is_some() => "syn-ack",
            _ if self.syn => "syn",
            _ if self.fin => "fin",
            _ if self.data.is_empty() => "ack",
            _ => "data",
        }
    }

    pub(super) fn is_ack_alone(&self) -> bool {
        !self.rst && !self.syn && !self.fin && self.data.is_empty()
    }

    fn end(&self) -> u64 {
        self.seq + self.data.len() as u64
    }
}

/// The half of a connection that sends.
#[derive(Debug)]
pub(super) struct Sender {
    /// From `acknowledged` on.
    bytes: VecDeque<u8>,
    acknowledged: u64,
    /// What is sent next.
    next: u64,
    /// The peer takes what is before.
    edge: u64,
    /// The place of the FIN behind the last byte, once there is one.
    fin: Option<u64>,
    pub(super) capacity: usize,
}

impl Sender {
    fn new(first: u64, capacity: usize) -> Sender {
        Sender {
            bytes: VecDeque::new(),
            acknowledged: first,
            next: first,
            edge: first,
            fin: None,
            capacity,
        }
    }

    fn end(&self) -> u64 {
        self.fin
            .unwrap_or(self.acknowledged + self.bytes.len() as u64)
    }

    fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    /// Whether so much is free that writers are called: a third.
    fn is_writable(&self) -> bool {
        self.room() >= self.bytes.len().div_ceil(2) && self.room() > 0
    }

    fn is_fin_sent(&self) -> bool {
        self.fin.is_some_and(|fin| self.next > fin)
    }

    fn is_fin_acknowledged(&self) -> bool {
        self.fin.is_some_and(|fin| self.acknowledged > fin)
    }

    fn in_flight(&self) -> u64 {
        self.next - self.acknowledged
    }

    fn has_unsent(&self) -> bool {
        self.next < self.end() || (self.fin.is_some() && !self.is_fin_sent())
    }

    /// The peer has everything before `ack`. False if that is no news.
    fn acknowledge(&mut self, ack: u64) -> bool {
        if ack <= self.acknowledged || ack > self.next {
            return false;
        }
        let bytes = ack.min(self.end()) - self.acknowledged;
        self.bytes.drain(..bytes as usize);
        self.acknowledged = ack;
        true
    }

    fn copy(&self, from: u64, len: usize) -> Vec<u8> {
        let begin = (from - self.acknowledged) as usize;
        let (a, b) = self.bytes.as_slices();
        let mut copy = Vec::with_capacity(len);
        copy.extend_from_slice(&a[begin.min(a.len())..(begin + len).min(a.len())]);
        let (begin, end) = (begin.saturating_sub(a.len()), begin + len);
        copy.extend_from_slice(&b[begin..end.saturating_sub(a.len())]);
        copy
    }
}

/// The half of a connection that receives.
#[derive(Debug)]
pub(super) struct Receiver {
    /// In order, not read yet.
    pub(super) bytes: VecDeque<u8>,
    /// What is expected next.
    next: u64,
    /// What the peer has been told that there is room for.
    edge: u64,
    /// What came too early, by its place.
    early: BTreeMap<u64, Vec<u8>>,
    /// The place of the peer's FIN, once it is known.
    fin: Option<u64>,
    pub(super) capacity: usize,
}

impl Receiver {
    fn new(next: u64, capacity: usize) -> Receiver {
        Receiver {
            bytes: VecDeque::new(),
            next,
            edge: next + capacity as u64,
            early: BTreeMap::new(),
            fin: None,
            capacity,
        }
    }

    /// How far the peer may send; that never goes back.
    fn new_edge(&self) -> u64 {
        let room = self.capacity.saturating_sub(self.bytes.len());
        self.edge.max(self.next + room as u64)
    }

    /// Takes what is new of the bytes from `seq` on, and is within the window.
    fn take(&mut self, seq: u64, data: &[u8]) {
        let from = seq.max(self.next);
        let to = (seq + data.len() as u64).min(self.edge);
        if from >= to {
            return;
        }
        let data = &data[(from - seq) as usize..(to - seq) as usize];
        if from > self.next {
            let known = self.early.get(&from).map_or(0, Vec::len);
            if known < data.len() {
                self.early.insert(from, data.to_vec());
            }
            return;
        }
        self.bytes.extend(data);
        self.next = to;
        while let Some(entry) = self.early.first_entry() {
            let seq = *entry.key();
            if seq > self.next {
                break;
            }
            let data = entry.remove();
            let known = (self.next - seq) as usize;
            if known < data.len() {
                self.bytes.extend(&data[known..]);
                self.next = seq + data.len() as u64;
            }
        }
    }
}

/// How long an answer takes, and how long one is waited for.
#[derive(Debug)]
struct Patience {
    smoothed_ns: u64,
    variation_ns: u64,
    timeout_ns: u64,
    /// Timeouts without an answer.
    retries: u32,
    /// A place in the stream, and when it was sent first: its answer is measured.
    probe: Option<(u64, u64)>,
}

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const LEAST_TIMEOUT: u64 = 200 * MS;
const MOST_TIMEOUT: u64 = 120 * SECOND;

impl Patience {
    fn new() -> Patience {
        Patience {
            smoothed_ns: 0,
            variation_ns: 0,
            timeout_ns: SECOND,
            retries: 0,
            probe: None,
        }
    }

    /// An answer took so long: RFC 6298.
    fn measure(&mut self, ns: u64) {
        if self.smoothed_ns == 0 {
            self.smoothed_ns = ns.max(1);
            self.variation_ns = ns / 2;
        } else {
            let difference = self.smoothed_ns.abs_diff(ns);
            self.variation_ns = (3 * self.variation_ns + difference) / 4;
            self.smoothed_ns = (7 * self.smoothed_ns + ns) / 8;
        }
        self.reset();
    }

    /// There is an answer: waits are as short as they were.
    fn reset(&mut self) {
        self.retries = 0;
        if self.smoothed_ns > 0 {
            let margin = (4 * self.variation_ns).max(LEAST_TIMEOUT);
            self.timeout_ns = (self.smoothed_ns + margin).min(MOST_TIMEOUT);
        }
    }

    fn back_off(&mut self) {
        self.retries += 1;
        self.timeout_ns = (2 * self.timeout_ns).min(MOST_TIMEOUT);
        self.probe = None;
    }
}

/// What a program knows of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Unconnected,
    Connecting,
    Connected,
}

/// A TCP socket.
#[derive(Debug)]
pub(crate) struct Tcp {
    pub(super) state: State,
    phase: Phase,
    /// Nobody has it any more: it ends when all is sent.
    is_closed: bool,
    /// The peer has ended its stream in order.
    is_done: bool,
    // Of a listener.
    backlog: usize,
    queue: VecDeque<SocketId>,
    /// Of a connection that nobody has accepted.
    listener: Option<SocketId>,
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    patience: Patience,
    /// What was lost is sent again up to here.
    recover: u64,
    /// When the oldest segment that is not acknowledged was sent first.
    unanswered_since: u64,
    /// When to lose patience.
    deadline: Option<u64>,
    /// When a timer will look.
    armed: Option<u64>,
    /// When the last packet arrives that is on its way.
    last_arrival: u64,
    last_heard: u64,
    keepalive_probes: u32,
    /// When a timer will look whether the peer is silent.
    asks_at: Option<u64>,
}

impl Tcp {
    pub(super) fn new() -> Tcp {
        Tcp {
            state: State::Closed,
            phase: Phase::Unconnected,
            is_closed: false,
            is_done: false,
            backlog: 0,
            queue: VecDeque::new(),
            listener: None,
            sender: Sender::new(0, super::options::DEFAULT_BUFFER),
            receiver: Receiver::new(0, super::options::DEFAULT_BUFFER),
            patience: Patience::new(),
            recover: 0,
            unanswered_since: 0,
            deadline: None,
            armed: None,
            last_arrival: 0,
            last_heard: 0,
            keepalive_probes: 0,
            asks_at: None,
        }
    }

    /// As a program sees it: a connection that is over but for its memory is over.
    pub(super) fn seen_state(&self) -> State {
        match self.state {
            State::TimeWait => State::Closed,
            state => state,
        }
    }

    /// Its life is over: nothing is sent again, nobody waits in its queue.
    pub(super) fn cut_off(&mut self) {
        self.state = State::Closed;
        self.deadline = None;
        self.queue.clear();
    }

    pub(super) fn set_capacities(&mut self, send: usize, receive: usize) {
        self.sender.capacity = send;
        self.receiver.capacity = receive;
    }
}
