//! Options of IP that TCP and UDP sockets have in common, written once.
#![forbid(unsafe_code)]

/// How packets are marked and which interface they use, in an `impl` block of a type that is `AsFd`.
macro_rules! ip_options {
    () => {
        /// The traffic class of IPv6 packets (`IPV6_TCLASS`).
        ///
        /// # Errors
        ///
        /// Those of getsockopt(2): EOPNOTSUPP for an IPv4 socket.
        pub fn tclass_v6(&self) -> std::io::Result<u32> {
            socket2::SockRef::from(self).tclass_v6()
        }

        /// Sets the traffic class of IPv6 packets (`IPV6_TCLASS`).
        ///
        /// # Errors
        ///
        /// Those of setsockopt(2): EINVAL for a number above 255, ENOPROTOOPT for an IPv4 socket.
        pub fn set_tclass_v6(&self, tclass: u32) -> std::io::Result<()> {
            socket2::SockRef::from(self).set_tclass_v6(tclass)
        }

        /// The type of service of IPv4 packets (`IP_TOS`).
        ///
        /// # Errors
        ///
        /// Those of getsockopt(2).
        pub fn tos_v4(&self) -> std::io::Result<u32> {
            socket2::SockRef::from(self).tos_v4()
        }

        /// Sets the type of service of IPv4 packets (`IP_TOS`).
        ///
        /// # Errors
        ///
        /// Those of setsockopt(2).
        pub fn set_tos_v4(&self, tos: u32) -> std::io::Result<()> {
            socket2::SockRef::from(self).set_tos_v4(tos)
        }

        /// The former name of [`tos_v4`](Self::tos_v4).
        #[doc(hidden)]
        #[deprecated = "renamed to `tos_v4`, as it is about IPv4 only"]
        pub fn tos(&self) -> std::io::Result<u32> {
            self.tos_v4()
        }

        /// The former name of [`set_tos_v4`](Self::set_tos_v4).
        #[doc(hidden)]
        #[deprecated = "renamed to `set_tos_v4`, as it is about IPv4 only"]
        pub fn set_tos(&self, tos: u32) -> std::io::Result<()> {
            self.set_tos_v4(tos)
        }

        /// The interface the socket is bound to (`SO_BINDTODEVICE`).
        ///
        /// # Errors
        ///
        /// Those of getsockopt(2).
        pub fn device(&self) -> std::io::Result<Option<Vec<u8>>> {
            socket2::SockRef::from(self).device()
        }

        /// Binds the socket to an interface, such as `b"eth0"` (`SO_BINDTODEVICE`); `None` takes the
        /// binding back.
        ///
        /// # Errors
        ///
        /// Those of setsockopt(2): ENODEV if there is no such interface, EPERM if the socket has a
        /// binding already and the process lacks CAP_NET_RAW.
        pub fn bind_device(&self, interface: Option<&[u8]>) -> std::io::Result<()> {
            socket2::SockRef::from(self).bind_device(interface)
        }
    };
}

pub(super) use ip_options;
