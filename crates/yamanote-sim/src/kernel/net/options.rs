//! Socket options.
#![forbid(unsafe_code)]

use super::address::Domain;
use super::{Kind, SocketId, tcp};
use crate::kernel::Kernel;
use crate::kernel::files::Errno;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes in a buffer of a socket that has set no other number.
pub(super) const DEFAULT_BUFFER: usize = 128 << 10;
/// What a program may ask for at most (`net.core.rmem_max`), and what it gets at least.
const MOST_BUFFER: u32 = 4 << 20;
const LEAST_RECEIVE: u32 = 2304;
const LEAST_SEND: u32 = 4608;

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(super) reuses_address: bool,
    pub(super) reuses_port: bool,
    pub(super) is_only_v6: bool,
    pub(super) broadcast: bool,
    pub(super) multicast_loop: bool,
    pub(super) keepalive: bool,
    pub(super) keepalive_idle_s: u32,
    pub(super) keepalive_interval_s: u32,
    pub(super) keepalive_count: u32,
    pub(super) user_timeout_ms: u32,
    pub(super) linger_s: Option<u32>,
    /// As they are told: twice what was asked for.
    receive_buffer: Option<u32>,
    send_buffer: Option<u32>,
    pub(crate) receive_timeout_ns: Option<u64>,
    pub(crate) send_timeout_ns: Option<u64>,
    /// Those without an effect here.
    others: BTreeMap<(i32, i32), Vec<u8>>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            reuses_address: false,
            reuses_port: false,
            is_only_v6: false,
            broadcast: false,
            multicast_loop: true,
            keepalive: false,
            keepalive_idle_s: 7200,
            keepalive_interval_s: 75,
            keepalive_count: 9,
            user_timeout_ms: 0,
            linger_s: None,
            receive_buffer: None,
            send_buffer: None,
            receive_timeout_ns: None,
            send_timeout_ns: None,
            others: BTreeMap::new(),
        }
    }
}

impl Options {
    /// How many bytes a buffer takes; `other`: if none was set, in place of TCP's number.
    pub(super) fn receive_capacity(&self, other: Option<usize>) -> usize {
        let told = self.receive_buffer.map(|told| told as usize / 2);
        told.or(other).unwrap_or(DEFAULT_BUFFER)
    }

    /// As [`Options::receive_capacity`].
    pub(super) fn send_capacity(&self, other: Option<usize>) -> usize {
        let told = self.send_buffer.map(|told| told as usize / 2);
        told.or(other).unwrap_or(DEFAULT_BUFFER)
    }
}

/// Options of that level and name that are kept and have no effect, with what they are at first.
fn plain(level: i32, name: i32, domain: Domain, is_tcp: bool) -> Option<Vec<u8>> {
    let number = |number: i32| Some(number.to_ne_bytes().to_vec());
    match (level, name) {
        (
            libc::SOL_SOCKET,
            libc::SO_DONTROUTE
            | libc::SO_OOBINLINE
            | libc::SO_PRIORITY
            | libc::SO_TIMESTAMP
            | libc::SO_TIMESTAMPNS
            | libc::SO_MARK
            | libc::SO_BUSY_POLL
            | libc::SO_PASSCRED
            | libc::SO_INCOMING_CPU
            | libc::SO_RXQ_OVFL,
        ) => number(0),
        (libc::SOL_SOCKET, libc::SO_RCVLOWAT) => number(1),
        (libc::SOL_SOCKET, libc::SO_BINDTODEVICE) => Some(Vec::new()),
        (libc::IPPROTO_TCP, _) if !is_tcp => None,
        (libc::IPPROTO_TCP, libc::TCP_NODELAY | libc::TCP_CORK | libc::TCP_DEFER_ACCEPT) => {
            number(0)
        }
        (libc::IPPROTO_TCP, libc::TCP_THIN_LINEAR_TIMEOUTS | libc::TCP_FASTOPEN) => number(0),
        (libc::IPPROTO_TCP, libc::TCP_QUICKACK) => number(1),
        (libc::IPPROTO_TCP, libc::TCP_MAXSEG) => number(1460),
        (libc::IPPROTO_TCP, libc::TCP_SYNCNT) => number(6),
        (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT) => number(-1),
        (libc::IPPROTO_TCP, libc::TCP_LINGER2) => number(60),
        (libc::IPPROTO_TCP, libc::TCP_CONGESTION) => {
            let mut name = b"cubic".to_vec();
            name.resize(16, 0);
            Some(name)
        }
        _ if domain == Domain::Unix => None,
        (libc::IPPROTO_IP, libc::IP_TTL) => number(64),
        (libc::IPPROTO_IP, libc::IP_MULTICAST_TTL) => number(1),
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER) => number(libc::IP_PMTUDISC_WANT),
        (libc::IPPROTO_IP, libc::IP_MULTICAST_IF) => Some(vec![0; 4]),
        (
            libc::IPPROTO_IP,
            libc::IP_TOS
            | libc::IP_RECVTOS
            | libc::IP_PKTINFO
            | libc::IP_RECVERR
            | libc::IP_FREEBIND
            | libc::IP_TRANSPARENT
            | libc::IP_HDRINCL
            | libc::IP_BIND_ADDRESS_NO_PORT
            | libc::IP_RECVTTL,
        ) => number(0),
        (libc::IPPROTO_IP, libc::IP_MULTICAST_ALL) => number(1),
        _ if domain != Domain::V6 => None,
        (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) => number(64),
        (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS) => number(1),
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER) => number(libc::IP_PMTUDISC_WANT),
        (
            libc::IPPROTO_IPV6,
            libc::IPV6_TCLASS
            | libc::IPV6_RECVTCLASS
            | libc::IPV6_RECVPKTINFO
            | libc::IPV6_MULTICAST_IF
            | libc::IPV6_RECVHOPLIMIT
            | libc::IPV6_RECVERR
            | libc::IPV6_FREEBIND
            | libc::IPV6_DONTFRAG,
        ) => number(0),
        _ => None,
    }
}

fn number(value: &[u8]) -> Result<i32, Errno> {
    match value {
        [a, b, c, d, ..] => Ok(i32::from_ne_bytes([*a, *b, *c, *d])),
        [a] => Ok(i32::from(*a)),
        _ => Err(libc::EINVAL),
    }
}

fn bytes(value: impl Into<i64>) -> Result<Vec<u8>, Errno> {
    let number: i64 = value.into();
    Ok((number as i32).to_ne_bytes().to_vec())
}

/// Of a `timeval`; `None` is no limit.
fn time(value: &[u8]) -> Result<Option<u64>, Errno> {
    let field = |at: usize| {
        let field = value
            .get(at..at + 8)
            .and_then(|field| field.try_into().ok());
        field.map(i64::from_ne_bytes).ok_or(libc::EINVAL)
    };
    let (seconds, us) = (field(0)?, field(8)?);
    if !(0..1_000_000).contains(&us) {
        return Err(libc::EDOM);
    }
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let ns = seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(us as u64 * 1000);
    Ok((ns > 0).then_some(ns))
}

fn to_time(ns: Option<u64>) -> Vec<u8> {
    let ns = ns.unwrap_or(0);
    let mut bytes = (ns / 1_000_000_000).to_ne_bytes().to_vec();
    bytes.extend((ns % 1_000_000_000 / 1000).to_ne_bytes());
    bytes
}

fn told_buffer(asked: i32, least: u32) -> u32 {
    let asked = u32::try_from(asked).unwrap_or(MOST_BUFFER).min(MOST_BUFFER);
    (2 * asked).max(least)
}

impl Kernel {
    pub(crate) fn socket_option(
        &mut self,
        id: SocketId,
        level: i32,
        name: i32,
    ) -> Result<Vec<u8>, Errno> {
        if (level, name) == (libc::SOL_SOCKET, libc::SO_ERROR) {
            let error = self.socket_mut(id)?.error.take();
            return bytes(error.unwrap_or(0));
        }
        let socket = self.socket(id)?;
        let options = &socket.options;
        let is_tcp = matches!(socket.kind, Kind::Tcp(_));
        match (level, name) {
            (libc::SOL_SOCKET, _) => {
                if let Some(answer) = self.own_option(id, name) {
                    return answer;
                }
            }
            (libc::IPPROTO_TCP, _) if is_tcp => match name {
                libc::TCP_KEEPIDLE => return bytes(options.keepalive_idle_s),
                libc::TCP_KEEPINTVL => return bytes(options.keepalive_interval_s),
                libc::TCP_KEEPCNT => return bytes(options.keepalive_count),
                libc::TCP_USER_TIMEOUT => return bytes(options.user_timeout_ms),
                _ => {}
            },
            (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY) if socket.domain == Domain::V6 => {
                return bytes(options.is_only_v6);
            }
            (libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP)
            | (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP)
                if socket.domain != Domain::Unix =>
            {
                return bytes(options.multicast_loop);
            }
            _ => {}
        }
        let set = options.others.get(&(level, name)).cloned();
        let is_others = level != libc::SOL_SOCKET && !(is_tcp && level == libc::IPPROTO_TCP);
        set.or_else(|| plain(level, name, socket.domain, is_tcp))
            .ok_or(match socket.domain {
                Domain::Unix if is_others => libc::EOPNOTSUPP,
                Domain::V4 if is_others && level != libc::IPPROTO_IP => libc::EOPNOTSUPP,
                _ => libc::ENOPROTOOPT,
            })
    }

    /// Of the level `SOL_SOCKET`.
    fn own_option(&self, id: SocketId, name: i32) -> Option<Result<Vec<u8>, Errno>> {
        let socket = match self.socket(id) {
            Ok(socket) => socket,
            Err(error) => return Some(Err(error)),
        };
        let options = &socket.options;
        Some(match name {
            libc::SO_REUSEADDR => bytes(options.reuses_address),
            libc::SO_REUSEPORT => bytes(options.reuses_port),
            libc::SO_BROADCAST => bytes(options.broadcast),
            libc::SO_KEEPALIVE => bytes(options.keepalive),
            libc::SO_RCVBUF => bytes(
                options
                    .receive_buffer
                    .unwrap_or(socket.receive_capacity() as u32),
            ),
            libc::SO_SNDBUF => bytes(options.send_buffer.unwrap_or(socket.send_capacity() as u32)),
            libc::SO_RCVTIMEO => Ok(to_time(options.receive_timeout_ns)),
            libc::SO_SNDTIMEO => Ok(to_time(options.send_timeout_ns)),
            libc::SO_LINGER => {
                let mut value = i32::from(options.linger_s.is_some()).to_ne_bytes().to_vec();
                value.extend(options.linger_s.unwrap_or(0).to_ne_bytes());
                Ok(value)
            }
            libc::SO_ACCEPTCONN => bytes(self.is_listening(id)),
            libc::SO_TYPE => bytes(match socket.is_stream() {
                true => libc::SOCK_STREAM,
                false => libc::SOCK_DGRAM,
            }),
            libc::SO_DOMAIN => bytes(match socket.domain {
                Domain::V4 => libc::AF_INET,
                Domain::V6 => libc::AF_INET6,
                Domain::Unix => libc::AF_UNIX,
            }),
            libc::SO_PROTOCOL => bytes(match socket.kind {
                Kind::Tcp(_) => libc::IPPROTO_TCP,
                Kind::Udp(_) => libc::IPPROTO_UDP,
                Kind::Stream(_) | Kind::Datagram(_) => 0,
            }),
            _ => return None,
        })
    }

    fn is_listening(&self, id: SocketId) -> bool {
        match self.socket(id).map(|socket| &socket.kind) {
            Ok(Kind::Tcp(tcp)) => tcp.state == tcp::State::Listen,
            Ok(Kind::Stream(stream)) => stream.is_listening(),
            _ => false,
        }
    }

    pub(crate) fn set_socket_option(
        &mut self,
        id: SocketId,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Result<(), Errno> {
        if let Some(answer) = self.set_membership(id, level, name, value) {
            return answer;
        }
        let answer = match level {
            libc::SOL_SOCKET => self.set_own_option(id, name, value),
            libc::IPPROTO_TCP => self.set_tcp_option(id, name, value),
            _ => None,
        };
        if let Some(answer) = answer {
            self.apply_options(id);
            return answer;
        }
        let socket = self.socket_mut(id)?;
        match (level, name) {
            (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY) if socket.domain == Domain::V6 => {
                if socket.local.is_some() {
                    return Err(libc::EINVAL);
                }
                socket.options.is_only_v6 = number(value)? != 0;
                return Ok(());
            }
            (libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP)
            | (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP)
                if socket.domain != Domain::Unix =>
            {
                socket.options.multicast_loop = number(value)? != 0;
                return Ok(());
            }
            _ => {}
        }
        let is_tcp = matches!(socket.kind, Kind::Tcp(_));
        let Some(first) = plain(level, name, socket.domain, is_tcp) else {
            return Err(match socket.domain {
                Domain::Unix if level != libc::SOL_SOCKET => libc::EOPNOTSUPP,
                _ => libc::ENOPROTOOPT,
            });
        };
        let kept = match first.len() {
            4 if value.len() == 1 || value.len() >= 4 => number(value)?.to_ne_bytes().to_vec(),
            4 => return Err(libc::EINVAL),
            _ => value.to_vec(),
        };
        socket.options.others.insert((level, name), kept);
        Ok(())
    }

    fn set_own_option(
        &mut self,
        id: SocketId,
        name: i32,
        value: &[u8],
    ) -> Option<Result<(), Errno>> {
        let options = &mut self.net.sockets.get_mut(id)?.options;
        let mut set = || -> Result<bool, Errno> {
            match name {
                libc::SO_REUSEADDR => options.reuses_address = number(value)? != 0,
                libc::SO_REUSEPORT => options.reuses_port = number(value)? != 0,
                libc::SO_BROADCAST => options.broadcast = number(value)? != 0,
                libc::SO_KEEPALIVE => options.keepalive = number(value)? != 0,
                libc::SO_RCVBUF | libc::SO_RCVBUFFORCE => {
                    options.receive_buffer = Some(told_buffer(number(value)?, LEAST_RECEIVE));
                }
                libc::SO_SNDBUF | libc::SO_SNDBUFFORCE => {
                    options.send_buffer = Some(told_buffer(number(value)?, LEAST_SEND));
                }
                libc::SO_RCVTIMEO => options.receive_timeout_ns = time(value)?,
                libc::SO_SNDTIMEO => options.send_timeout_ns = time(value)?,
                libc::SO_LINGER => {
                    let seconds = number(value.get(4..).unwrap_or(&[]))?;
                    let is_on = number(value)? != 0;
                    options.linger_s = is_on.then_some(u32::try_from(seconds).unwrap_or(0));
                }
                libc::SO_ACCEPTCONN
                | libc::SO_TYPE
                | libc::SO_DOMAIN
                | libc::SO_PROTOCOL
                | libc::SO_ERROR => return Err(libc::ENOPROTOOPT),
                _ => return Ok(false),
            }
            Ok(true)
        };
        match set() {
            Ok(false) => None,
            Ok(true) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        }
    }

    fn set_tcp_option(
        &mut self,
        id: SocketId,
        name: i32,
        value: &[u8],
    ) -> Option<Result<(), Errno>> {
        let socket = self.net.sockets.get_mut(id)?;
        if !matches!(socket.kind, Kind::Tcp(_)) {
            return None;
        }
        let options = &mut socket.options;
        let (place, most) = match name {
            libc::TCP_KEEPIDLE => (&mut options.keepalive_idle_s, 32_767),
            libc::TCP_KEEPINTVL => (&mut options.keepalive_interval_s, 32_767),
            libc::TCP_KEEPCNT => (&mut options.keepalive_count, 127),
            libc::TCP_USER_TIMEOUT => (&mut options.user_timeout_ms, i32::MAX),
            _ => return None,
        };
        let least = i32::from(name != libc::TCP_USER_TIMEOUT);
        Some(match number(value) {
            Ok(number) if (least..=most).contains(&number) => {
                *place = number as u32;
                Ok(())
            }
            _ => Err(libc::EINVAL),
        })
    }

    /// Options that a connection follows while it is there.
    fn apply_options(&mut self, id: SocketId) {
        let Ok(socket) = self.socket_mut(id) else {
            return;
        };
        let (send, receive) = (socket.send_capacity(), socket.receive_capacity());
        if let Kind::Tcp(tcp) = &mut socket.kind {
            tcp.set_capacities(send, receive);
            self.tcp_keep_alive(id);
        }
    }

    /// Joins or leaves a group.
    fn set_membership(
        &mut self,
        id: SocketId,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Option<Result<(), Errno>> {
        let is_in = match (level, name) {
            (libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP)
            | (libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP) => true,
            (libc::IPPROTO_IP, libc::IP_DROP_MEMBERSHIP)
            | (libc::IPPROTO_IPV6, libc::IPV6_DROP_MEMBERSHIP) => false,
            _ => return None,
        };
        let group = match level {
            libc::IPPROTO_IP => {
                let ip = value.get(..4).and_then(|ip| <[u8; 4]>::try_from(ip).ok());
                ip.map(|ip| IpAddr::V4(Ipv4Addr::from(ip)))
            }
            _ => {
                let ip = value.get(..16).and_then(|ip| <[u8; 16]>::try_from(ip).ok());
                ip.map(|ip| IpAddr::V6(Ipv6Addr::from(ip)))
            }
        };
        Some(match group {
            Some(group) => self.udp_join(id, group, is_in),
            None => Err(libc::EINVAL),
        })
    }
}
