//! Sockets and pipes between processes of one machine.
//!
//! The sockets themselves, [`UnixStream`](super::UnixStream),
//! [`UnixListener`](super::UnixListener), [`UnixDatagram`](super::UnixDatagram) and
//! [`UnixSocket`](super::UnixSocket), are in [`net`](super); this module has what belongs to them.

#[doc(hidden)]
pub mod datagram;
pub(super) mod listener;
pub(super) mod socket;
pub(super) mod stream;

mod split;
mod split_owned;
pub use split::{ReadHalf, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};

mod address;
mod credentials;
pub use address::SocketAddr;
pub use credentials::UCred;

pub mod pipe;

/// The number of a user.
#[allow(non_camel_case_types)]
pub type uid_t = u32;

/// The number of a group.
#[allow(non_camel_case_types)]
pub type gid_t = u32;

/// The number of a process.
#[allow(non_camel_case_types)]
pub type pid_t = i32;
