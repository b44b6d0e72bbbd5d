//! Addresses: what a program writes, and whose they are.
#![forbid(unsafe_code)]

use crate::kernel::Kernel;
use crate::kernel::host::HostId;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    V4,
    V6,
    Unix,
}

/// The name of a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Unnamed,
    Path(Vec<u8>),
    Abstract(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Inet(SocketAddr),
    Unix(Name),
    /// Of no family: undoes a connection.
    Unspecified,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Unnamed => f.write_str("unnamed"),
            Name::Path(path) => f.write_str(&String::from_utf8_lossy(path)),
            Name::Abstract(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(address) => address.fmt(f),
            Address::Unix(name) => name.fmt(f),
            Address::Unspecified => f.write_str("none"),
        }
    }
}

/// Where a packet to an address goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// To the host itself.
    Loopback,
    Host(HostId),
    /// To all, or to those that have joined.
    Group,
    /// There is nobody.
    Void,
}

/// An IPv4 address that is dressed as an IPv6 one is undressed; scopes and flows are forgotten.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// As a socket of that domain shows an address.
pub(super) fn shown(domain: Domain, address: SocketAddr) -> SocketAddr {
    match (domain, address.ip()) {
        (Domain::V6, IpAddr::V4(ip)) => {
            SocketAddr::new(IpAddr::V6(ip.to_ipv6_mapped()), address.port())
        }
        _ => address,
    }
}

/// What is shown for a socket that has no address.
pub(super) fn nothing(domain: Domain) -> SocketAddr {
    match domain {
        Domain::V6 => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
        Domain::V4 | Domain::Unix => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
    }
}

pub(super) fn is_group(ip: IpAddr) -> bool {
    ip.is_multicast() || is_broadcast(ip)
}

pub(super) fn is_broadcast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_broadcast() || ip == Ipv4Addr::new(10, 0, 255, 255),
        IpAddr::V6(_) => false,
    }
}

/// The IPv6 address of the host that has this IPv4 address.
pub(crate) fn ip6_of(ip: Ipv4Addr) -> Ipv6Addr {
    let [_, _, high, low] = ip.octets();
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, u16::from(high), u16::from(low))
}

fn ip4_of(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.segments() {
        [0xfd00, 0, 0, 0, 0, 0, high @ 0..=255, low @ 0..=255] => {
            Some(Ipv4Addr::new(10, 0, high as u8, low as u8))
        }
        _ => None,
    }
}

impl Kernel {
    /// The host that has this address.
    pub(crate) fn host_at(&self, ip: IpAddr) -> Option<HostId> {
        let ip = match ip {
            IpAddr::V4(ip) => ip,
            IpAddr::V6(ip) => ip4_of(ip)?,
        };
        let [_, _, high, low] = ip.octets();
        let by_number = HostId(u32::from(u16::from_be_bytes([high, low])));
        [HostId::DRIVER, by_number].into_iter().find(|id| {
            self.hosts
                .get(id.0 as usize)
                .is_some_and(|host| host.address == ip)
        })
    }

    /// Whether a socket of the host may have this address.
    pub(super) fn is_own(&self, host: HostId, ip: IpAddr) -> bool {
        ip.is_loopback() || self.host_at(ip) == Some(host)
    }

    pub(super) fn route(&self, host: HostId, ip: IpAddr) -> Route {
        if ip.is_loopback() {
            return Route::Loopback;
        }
        if is_group(ip) {
            return Route::Group;
        }
        match self.host_at(ip) {
            Some(owner) if owner == host => Route::Loopback,
            Some(owner) => Route::Host(owner),
            None => Route::Void,
        }
    }

    /// The address from which the host sends to `ip`.
    pub(super) fn source_for(&self, host: HostId, ip: IpAddr) -> IpAddr {
        let own = self.host(host).address;
        match ip {
            IpAddr::V4(ip) if ip.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V4(_) => IpAddr::V4(own),
            IpAddr::V6(ip) if ip.is_loopback() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(ip6_of(own)),
        }
    }

    /// The addresses of a name, as a thread of `host` sees it.
    pub(crate) fn resolve(&self, host: HostId, name: &str) -> Option<Vec<IpAddr>> {
        if let Ok(ip) = name.parse() {
            return Some(vec![ip]);
        }
        if name.eq_ignore_ascii_case("localhost") {
            return Some(vec![
                IpAddr::V6(Ipv6Addr::LOCALHOST),
                IpAddr::V4(Ipv4Addr::LOCALHOST),
            ]);
        }
        let found = self.host_named(name).or_else(|| {
            let is_own = self.host(host).name.eq_ignore_ascii_case(name);
            is_own.then_some(host)
        })?;
        let ip = self.host(found).address;
        Some(vec![IpAddr::V4(ip), IpAddr::V6(ip6_of(ip))])
    }
}
