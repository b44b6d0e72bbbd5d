//! TCP: listeners, streams and the halves of streams.

pub(super) mod listener;
pub(super) mod socket;
pub(super) mod stream;

mod split;
mod split_owned;
pub use split::{ReadHalf, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
