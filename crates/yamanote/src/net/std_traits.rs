//! Traits of the standard library that sockets implement alike, by asking what they contain. No
//! reader looks for these by name and they have no documentation of their own, so they alone are
//! written by macro in `net`; everything else stands in the file of its type.
#![forbid(unsafe_code)]

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

pub(super) use {descriptor_traits, impl_debug};
