//! What is sent, and when it is sent again.
#![forbid(unsafe_code)]

use super::{SECOND, Segment, State};
use crate::kernel::Kernel;
use crate::kernel::chance::Stream;
use crate::kernel::files::Errno;
use crate::kernel::host::HostId;
use crate::kernel::net::SocketId;
use crate::kernel::net::address::Route;
use crate::kernel::net::packet::Body;
use std::net::SocketAddr;

/// Bytes in a segment, to the host itself and to others.
const LOOPBACK_SEGMENT: u64 = 65_483;
const SEGMENT: u64 = 1_460;
/// So many segments at most are handed over as one, as network cards do.
const AT_ONCE: u64 = 16;
/// Timeouts without an answer: to a SYN, to its answer, to data, to data that nobody owns.
const SYN_RETRIES: u32 = 6;
const SYN_ACK_RETRIES: u32 = 5;
const RETRIES: u32 = 15;
const ORPHAN_RETRIES: u32 = 8;

impl Kernel {
    /// Puts a segment of a connection on its way.
    pub(super) fn tcp_transmit(&mut self, id: SocketId, mut segment: Segment) {
        let now = self.now;
        let Ok(socket) = self.socket(id) else { return };
        let (Some(local), Some(remote)) = (socket.local, socket.remote) else {
            return;
        };
        let from = socket.life.host;
        let Some(tcp) = self.tcp_mut(id) else { return };
        if segment.ack.is_some() {
            let receiver = &mut tcp.receiver;
            receiver.edge = receiver.new_edge();
            segment.window = receiver.edge - receiver.next;
        } else {
            segment.window = tcp.receiver.capacity as u64;
        }
        if tcp.last_heard == 0 {
            tcp.last_heard = now;
        }
        let not_before = tcp.last_arrival;
        let to = match self.route(from, remote.ip()) {
            Route::Loopback => from,
            Route::Host(to) => to,
            Route::Group | Route::Void => {
                let numbers = [u64::from(local.port()), u64::from(remote.port())];
                let kind = segment.kind();
                let text = || format!("kind={kind} from={local} to={remote} why=nobody");
                return self.note(from, "drop", &numbers, text);
            }
        };
        let arrival = self.transmit((from, to), local, remote, Body::Tcp(segment), not_before);
        if let Some(tcp) = self.tcp_mut(id) {
            tcp.last_arrival = arrival;
        }
    }

    /// Answers a segment that belongs to no connection.
    pub(super) fn tcp_refuse(
        &mut self,
        hosts: (HostId, HostId),
        from: SocketAddr,
        to: SocketAddr,
        segment: &Segment,
    ) {
        if segment.rst {
            return;
        }
        let end = segment.end() + u64::from(segment.syn) + u64::from(segment.fin);
        let answer = Segment {
            seq: segment.ack.unwrap_or(0),
            ack: Some(end),
            rst: true,
            ..Segment::default()
        };
        let (here, there) = (hosts.1, hosts.0);
        self.transmit((here, there), to, from, Body::Tcp(answer), 0);
    }

    /// A segment without bytes that says how far this end is.
    pub(super) fn tcp_acknowledge(&mut self, id: SocketId) {
        let Some(tcp) = self.tcp(id) else { return };
        let segment = Segment {
            seq: tcp.sender.next,
            ack: Some(tcp.receiver.next),
            ..Segment::default()
        };
        self.tcp_transmit(id, segment);
    }

    /// Asks the peer how far it is: a segment that is old to it.
    fn tcp_probe(&mut self, id: SocketId) {
        let Some(tcp) = self.tcp(id) else { return };
        let segment = Segment {
            seq: tcp.sender.acknowledged - 1,
            ack: Some(tcp.receiver.next),
            ..Segment::default()
        };
        self.tcp_transmit(id, segment);
    }

    pub(super) fn tcp_send_reset(&mut self, id: SocketId) {
        let Some(tcp) = self.tcp(id) else { return };
        let segment = Segment {
            seq: tcp.sender.next,
            ack: Some(tcp.receiver.next),
            rst: true,
            ..Segment::default()
        };
        self.tcp_transmit(id, segment);
    }

    /// The first segment of a connection, from this side or as an answer.
    pub(super) fn tcp_send_syn(&mut self, id: SocketId) {
        let Some(tcp) = self.tcp(id) else { return };
        let is_answer = tcp.state == State::SynReceived;
        let segment = Segment {
            seq: tcp.sender.acknowledged,
            ack: is_answer.then_some(tcp.receiver.next),
            syn: true,
            ..Segment::default()
        };
        self.tcp_transmit(id, segment);
    }

    fn is_to_itself(&self, id: SocketId) -> bool {
        self.socket(id).is_ok_and(|socket| {
            let remote = socket.remote.map(|remote| remote.ip());
            remote.is_some_and(|ip| self.route(socket.life.host, ip) == Route::Loopback)
        })
    }

    /// How much one segment takes: on a link, a number of packets that the seed decides.
    fn segment_size(&mut self, id: SocketId, wanted: u64) -> u64 {
        if self.is_to_itself(id) {
            return wanted.min(LOOPBACK_SEGMENT);
        }
        if wanted <= SEGMENT {
            return wanted;
        }
        let packets = self.rng(Stream::Network).between(1, AT_ONCE);
        wanted.min(packets * SEGMENT)
    }

    /// Sends what may be sent.
    pub(super) fn tcp_output(&mut self, id: SocketId) {
        loop {
            let Some(tcp) = self.tcp(id) else { return };
            let may_send = matches!(
                tcp.state,
                State::Established
                    | State::CloseWait
                    | State::FinWait1
                    | State::Closing
                    | State::LastAck
            );
            if !may_send || !tcp.sender.has_unsent() {
                break;
            }
            let sender = &tcp.sender;
            let (next, unsent) = (sender.next, sender.end() - sender.next);
            let allowed = sender.edge.saturating_sub(next);
            if unsent > 0 && allowed == 0 {
                break;
            }
            if unsent > allowed && allowed < SEGMENT && sender.in_flight() > 0 {
                // It is not worth a segment; an acknowledgement is to come.
                break;
            }
            let len = self.segment_size(id, unsent.min(allowed));
            self.tcp_send_from(id, next, len as usize);
        }
        self.tcp_expect_answer(id);
    }

    /// Sends bytes that are in the buffer, or the FIN behind them.
    fn tcp_send_from(&mut self, id: SocketId, from: u64, len: usize) {
        let now = self.now;
        let Some(tcp) = self.tcp_mut(id) else { return };
        let sender = &mut tcp.sender;
        let is_fin = sender.fin == Some(from + len as u64);
        let end = from + len as u64 + u64::from(is_fin);
        let segment = Segment {
            seq: from,
            ack: Some(tcp.receiver.next),
            fin: is_fin,
            data: sender.copy(from, len),
            ..Segment::default()
        };
        if end > sender.next {
            sender.next = end;
            tcp.patience.probe = tcp.patience.probe.or(Some((end, now)));
        }
        self.tcp_transmit(id, segment);
    }

    /// Sends the oldest segment that is not acknowledged once more.
    pub(super) fn tcp_send_again(&mut self, id: SocketId) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        let sender = &tcp.sender;
        let from = sender.acknowledged;
        let len = sender.end().min(sender.next) - from;
        tcp.patience.probe = None;
        let len = self.segment_size(id, len);
        self.tcp_send_from(id, from, len as usize);
    }

    // --- timers

    /// An answer is waited for, if there is anything to be answered.
    pub(super) fn tcp_expect_answer(&mut self, id: SocketId) {
        let now = self.now;
        let Some(tcp) = self.tcp_mut(id) else { return };
        let is_waiting = match tcp.state {
            State::SynSent | State::SynReceived => true,
            State::Closed | State::Listen | State::TimeWait => false,
            _ => tcp.sender.in_flight() > 0 || tcp.sender.has_unsent(),
        };
        if !is_waiting {
            tcp.deadline = None;
            return;
        }
        if tcp.deadline.is_none() {
            tcp.deadline = Some(now + tcp.patience.timeout_ns);
            if tcp.patience.retries == 0 {
                tcp.unanswered_since = now;
            }
        }
        self.tcp_arm(id);
    }

    /// Something was heard: the wait begins anew.
    pub(super) fn tcp_restart_wait(&mut self, id: SocketId) {
        if let Some(tcp) = self.tcp_mut(id) {
            tcp.deadline = None;
        }
        self.tcp_expect_answer(id);
    }

    fn tcp_arm(&mut self, id: SocketId) {
        let user_timeout = self.tcp_user_timeout(id);
        let Some(tcp) = self.tcp_mut(id) else { return };
        let Some(mut deadline) = tcp.deadline else {
            return;
        };
        if let Some(timeout) = user_timeout {
            deadline = deadline.min(tcp.unanswered_since + timeout);
        }
        tcp.deadline = Some(deadline);
        if tcp.armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        tcp.armed = Some(deadline);
        self.at(deadline, move |kernel| kernel.tcp_timer(id, deadline));
    }

    fn tcp_user_timeout(&self, id: SocketId) -> Option<u64> {
        let ms = self.socket(id).ok()?.options.user_timeout_ms;
        (ms > 0).then(|| u64::from(ms) * 1_000_000)
    }

    fn tcp_timer(&mut self, id: SocketId, armed: u64) {
        let now = self.now;
        let Some(tcp) = self.tcp_mut(id) else { return };
        if tcp.armed == Some(armed) {
            tcp.armed = None;
        }
        match tcp.deadline {
            Some(deadline) if deadline <= now => self.tcp_timeout(id),
            Some(_) => self.tcp_arm(id),
            None => {}
        }
    }

    /// No answer has come.
    fn tcp_timeout(&mut self, id: SocketId) {
        let now = self.now;
        let user_timeout = self.tcp_user_timeout(id);
        let Some(tcp) = self.tcp_mut(id) else { return };
        tcp.deadline = None;
        let most = match tcp.state {
            State::SynSent => SYN_RETRIES,
            State::SynReceived => SYN_ACK_RETRIES,
            _ if tcp.is_closed => ORPHAN_RETRIES,
            _ => RETRIES,
        };
        let waited = now - tcp.unanswered_since;
        let is_enough = user_timeout.is_some_and(|most| waited >= most);
        if tcp.patience.retries >= most || is_enough {
            self.tcp_give_up(id, libc::ETIMEDOUT);
            return;
        }
        tcp.patience.back_off();
        let is_opening = matches!(tcp.state, State::SynSent | State::SynReceived);
        if is_opening {
            self.tcp_send_syn(id);
        } else if tcp.sender.in_flight() > 0 {
            tcp.recover = tcp.sender.next;
            self.tcp_send_again(id);
        } else {
            self.tcp_probe(id);
        }
        self.tcp_expect_answer(id);
    }

    /// The connection is over, without a word to the peer; the program learns of it by `error`.
    pub(super) fn tcp_give_up(&mut self, id: SocketId, error: Errno) {
        let Some(tcp) = self.tcp(id) else { return };
        let is_nobodys = tcp.is_closed || tcp.state == State::SynReceived;
        let text = || format!("socket={} error={error}", id.0);
        let host = self
            .socket(id)
            .map_or(HostId::DRIVER, |socket| socket.life.host);
        self.note(host, "fail", &[u64::from(id.0), error as u64], text);
        if is_nobodys {
            self.tcp_remove(id);
            return;
        }
        if let Ok(socket) = self.socket_mut(id) {
            socket.error = Some(error);
        }
        self.tcp_done(id);
    }

    /// Nothing will come or go any more.
    pub(super) fn tcp_done(&mut self, id: SocketId) {
        self.unregister(id);
        let Some(tcp) = self.tcp_mut(id) else { return };
        tcp.state = State::Closed;
        tcp.deadline = None;
        tcp.sender.bytes.clear();
        tcp.sender.acknowledged = tcp.sender.next;
        let is_closed = tcp.is_closed;
        if let Ok(socket) = self.socket_mut(id) {
            socket.shut = (true, true);
        }
        if is_closed {
            self.net.sockets.remove(id);
        } else {
            self.socket_changed(id, 0);
        }
    }

    /// Forgets a connection that nobody has.
    pub(super) fn tcp_remove(&mut self, id: SocketId) {
        self.unregister(id);
        self.net.sockets.remove(id);
    }

    /// Both streams have ended: late segments are answered for a minute.
    pub(super) fn tcp_time_wait(&mut self, id: SocketId) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        tcp.state = State::TimeWait;
        tcp.deadline = None;
        tcp.sender.bytes = Default::default();
        if let Ok(socket) = self.socket_mut(id) {
            socket.shut = (true, true);
        }
        self.socket_changed(id, 0);
        self.tcp_end_in_a_minute(id, State::TimeWait);
    }

    /// Ends the connection if it is in that state still.
    pub(super) fn tcp_end_in_a_minute(&mut self, id: SocketId, state: State) {
        self.at(self.now + 60 * SECOND, move |kernel| {
            if kernel.tcp(id).is_some_and(|tcp| tcp.state == state) {
                kernel.tcp_done(id);
            }
        });
    }

    // --- keepalive

    /// Sees to it that a silent peer is asked whether it is there, if the socket wants that.
    pub(in crate::kernel::net) fn tcp_keep_alive(&mut self, id: SocketId) {
        let Ok(socket) = self.socket(id) else { return };
        let (idle, is_wanted) = (socket.options.keepalive_idle_s, socket.options.keepalive);
        let Some(tcp) = self.tcp_mut(id) else { return };
        let is_open = matches!(
            tcp.state,
            State::Established | State::CloseWait | State::FinWait1 | State::FinWait2
        );
        if is_wanted && is_open {
            let at = tcp.last_heard + u64::from(idle) * SECOND;
            self.tcp_ask_at(id, at);
        }
    }

    /// Looks at that time, and not before, whether the peer is silent, unless it looks earlier
    /// anyway.
    fn tcp_ask_at(&mut self, id: SocketId, at: u64) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        if tcp.asks_at.is_some_and(|other| other <= at) {
            return;
        }
        tcp.asks_at = Some(at);
        self.at(at, move |kernel| kernel.tcp_keepalive_timer(id, at));
    }

    fn tcp_keepalive_timer(&mut self, id: SocketId, at: u64) {
        let now = self.now;
        let Ok(socket) = self.socket(id) else { return };
        let options = &socket.options;
        let (interval, most) = (options.keepalive_interval_s, options.keepalive_count);
        let idle = u64::from(options.keepalive_idle_s) * SECOND;
        let is_wanted = options.keepalive && !socket.is_cut_off;
        let Some(tcp) = self.tcp_mut(id) else { return };
        if tcp.asks_at != Some(at) {
            return;
        }
        tcp.asks_at = None;
        let is_over = matches!(tcp.state, State::Closed | State::TimeWait);
        if !is_wanted || is_over {
            return;
        }
        if now < tcp.last_heard + idle || tcp.sender.in_flight() > 0 {
            tcp.keepalive_probes = 0;
            let at = (tcp.last_heard + idle).max(now + SECOND);
            self.tcp_ask_at(id, at);
            return;
        }
        if tcp.keepalive_probes >= most {
            self.tcp_send_reset(id);
            self.tcp_give_up(id, libc::ETIMEDOUT);
            return;
        }
        tcp.keepalive_probes += 1;
        self.tcp_probe(id);
        self.tcp_ask_at(id, now + u64::from(interval) * SECOND);
    }
}
