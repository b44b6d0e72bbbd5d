//! Socket options of a [`UdpSocket`].
#![forbid(unsafe_code)]

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use socket2::SockRef;

use crate::net::UdpSocket;

/// # Options
impl UdpSocket {
    /// Whether datagrams may be sent to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn broadcast(&self) -> io::Result<bool> {
        self.io.broadcast()
    }

    /// Allows datagrams to be sent to broadcast addresses (`SO_BROADCAST`); without that, sending
    /// there fails with EACCES.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.io.set_broadcast(on)
    }

    /// Whether IPv4 multicasts of this machine come back to it (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.io.multicast_loop_v4()
    }

    /// Sets whether IPv4 multicasts sent here come back to sockets of this machine
    /// (`IP_MULTICAST_LOOP`). On by default; of no effect on IPv6 sockets.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.io.set_multicast_loop_v4(on)
    }

    /// How many hops an IPv4 multicast goes (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.io.multicast_ttl_v4()
    }

    /// Sets how many hops an IPv4 multicast goes (`IP_MULTICAST_TTL`). One by default: it stays in
    /// the local network. Of no effect on IPv6 sockets.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): EINVAL for more than 255.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.io.set_multicast_ttl_v4(ttl)
    }

    /// Whether IPv6 multicasts of this machine come back to it (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2): EOPNOTSUPP for an IPv4 socket.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.io.multicast_loop_v6()
    }

    /// Sets whether IPv6 multicasts sent here come back to sockets of this machine
    /// (`IPV6_MULTICAST_LOOP`). On by default.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): ENOPROTOOPT for an IPv4 socket.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.io.set_multicast_loop_v6(on)
    }

    /// Joins the IPv4 multicast group `multiaddr` (`IP_ADD_MEMBERSHIP`) on the interface with the
    /// address `interface`, or on one that the system chooses if that is `0.0.0.0`.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): EINVAL if it is no multicast address, ENODEV if there is no such
    /// interface, EADDRINUSE if the socket is a member already.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.join_multicast_v4(&multiaddr, &interface)
    }

    /// Joins the IPv6 multicast group `multiaddr` (`IPV6_ADD_MEMBERSHIP`) on the interface of index
    /// `interface`, or on one that the system chooses if that is 0.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): EINVAL if it is no multicast address, ENODEV if there is no such
    /// interface, EADDRINUSE if the socket is a member already.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.join_multicast_v6(multiaddr, interface)
    }

    /// Leaves the group that [`join_multicast_v4`](UdpSocket::join_multicast_v4) with the same
    /// arguments has joined (`IP_DROP_MEMBERSHIP`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): EADDRNOTAVAIL if the socket is no member.
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.leave_multicast_v4(&multiaddr, &interface)
    }

    /// Leaves the group that [`join_multicast_v6`](UdpSocket::join_multicast_v6) with the same
    /// arguments has joined (`IPV6_DROP_MEMBERSHIP`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): EADDRNOTAVAIL if the socket is no member.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.leave_multicast_v6(multiaddr, interface)
    }

    /// The time to live of datagrams (`IP_TTL`); see [`set_ttl`](UdpSocket::set_ttl).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.ttl()
    }

    /// Sets the time to live of datagrams (`IP_TTL`): the number of hops.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): EINVAL unless it is 1 to 255.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.set_ttl(ttl)
    }

    /// The traffic class of IPv6 packets (`IPV6_TCLASS`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2): EOPNOTSUPP for an IPv4 socket.
    pub fn tclass_v6(&self) -> io::Result<u32> {
        SockRef::from(self).tclass_v6()
    }

    /// Sets the traffic class of IPv6 packets (`IPV6_TCLASS`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): EINVAL for a number above 255, ENOPROTOOPT for an IPv4 socket.
    pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
        SockRef::from(self).set_tclass_v6(tclass)
    }

    /// The type of service of IPv4 packets (`IP_TOS`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn tos_v4(&self) -> io::Result<u32> {
        SockRef::from(self).tos_v4()
    }

    /// Sets the type of service of IPv4 packets (`IP_TOS`).
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
        SockRef::from(self).set_tos_v4(tos)
    }

    /// The former name of [`tos_v4`](UdpSocket::tos_v4).
    #[doc(hidden)]
    #[deprecated = "renamed to `tos_v4`, as it is about IPv4 only"]
    pub fn tos(&self) -> io::Result<u32> {
        self.tos_v4()
    }

    /// The former name of [`set_tos_v4`](UdpSocket::set_tos_v4).
    #[doc(hidden)]
    #[deprecated = "renamed to `set_tos_v4`, as it is about IPv4 only"]
    pub fn set_tos(&self, tos: u32) -> io::Result<()> {
        self.set_tos_v4(tos)
    }

    /// The interface the socket is bound to (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        SockRef::from(self).device()
    }

    /// Binds the socket to an interface, such as `b"eth0"` (`SO_BINDTODEVICE`); `None` takes the
    /// binding back.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): ENODEV if there is no such interface, EPERM if the socket has a
    /// binding already and the process lacks CAP_NET_RAW.
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        SockRef::from(self).bind_device(interface)
    }
}
