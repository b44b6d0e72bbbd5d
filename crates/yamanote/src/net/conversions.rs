//! Ways in and out of a socket type: the standard library's twin, the descriptor, and how it is shown.
//! Written once for all of them.
#![forbid(unsafe_code)]

/// `from_std`, `into_std` and `TryFrom` for `$Socket`, whose twin is `$Std`, by way of `$Mio` and the
/// constructor `$Socket::new`.
macro_rules! std_conversions {
    ($Socket:ident, $Std:ty, $Mio:ty) => {
        impl $Socket {
            /// Takes a socket of the standard library, which must be in non-blocking mode.
            ///
            /// # Errors
            ///
            /// If the kernel cannot watch the socket, or the runtime has shut down; the socket is
            /// closed then.
            ///
            /// # Panics
            ///
            /// Outside a runtime, and in one that was built without `enable_io`. In debug builds
            /// also if the socket is in blocking mode.
            ///
            /// # Examples
            ///
            /// ```no_run
            #[doc = concat!("use yamanote::net::", stringify!($Socket), ";")]
            ///
            #[doc = concat!("async fn example(socket: ", stringify!($Std), ") -> std::io::Result<()> {")]
            ///     socket.set_nonblocking(true)?;
            #[doc = concat!("    let socket = ", stringify!($Socket), "::from_std(socket)?;")]
            ///     # drop(socket); Ok(())
            /// }
            /// ```
            #[track_caller]
            pub fn from_std(socket: $Std) -> std::io::Result<$Socket> {
                crate::net::debug_assert_nonblocking(&socket)?;
                $Socket::new(<$Mio>::from_std(socket))
            }

            /// Takes the socket out of the runtime. It stays in non-blocking mode; to use it with
            /// blocking calls, set `set_nonblocking(false)`.
            ///
            /// # Errors
            ///
            /// If the socket cannot be taken out of the set that is watched (epoll_ctl(2)); it is
            /// closed then.
            pub fn into_std(self) -> std::io::Result<$Std> {
                self.io.into_inner().map(<$Std>::from)
            }
        }

        impl TryFrom<$Std> for $Socket {
            type Error = std::io::Error;

            /// [`from_std`](Self::from_std).
            fn try_from(socket: $Std) -> std::io::Result<Self> {
                $Socket::from_std(socket)
            }
        }
    };
}

/// `AsRawFd` and `AsFd` for `$T`, whose descriptor is that of its field `$inner`.
macro_rules! descriptor_traits {
    ($T:ident, $inner:ident) => {
        impl std::os::fd::AsRawFd for $T {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.$inner.as_raw_fd()
            }
        }

        impl std::os::fd::AsFd for $T {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.$inner.as_fd()
            }
        }
    };
}

/// `Debug` for `$T`: as the socket in its field `io` is shown.
macro_rules! impl_debug {
    ($T:ident) => {
        impl std::fmt::Debug for $T {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&*self.io, f)
            }
        }
    };
}

pub(super) use {descriptor_traits, impl_debug, std_conversions};
