//! TCP: listeners, streams and the halves of streams.

mod listener;
mod socket;
mod stream;
pub use listener::TcpListener;
pub use socket::TcpSocket;
pub use stream::TcpStream;

mod split;
mod split_owned;
pub use split::{ReadHalf, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
