//! TCP: what belongs to [`TcpStream`](super::TcpStream), [`TcpListener`](super::TcpListener) and
//! [`TcpSocket`](super::TcpSocket), which are in [`net`](super).
//!
//! A stream has two directions, and each of its halves is one of them. [`TcpStream::split`] lends
//! them, for one task that reads and writes at once; [`TcpStream::into_split`] gives them away, for
//! two tasks.
//!
//! [`TcpStream::split`]: super::TcpStream::split
//! [`TcpStream::into_split`]: super::TcpStream::into_split

pub(super) mod listener;
pub(super) mod socket;
pub(super) mod stream;

mod split;
mod split_owned;
pub use split::{ReadHalf, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
