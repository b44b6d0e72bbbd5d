//! TCP: what belongs to [`TcpStream`](super::TcpStream), [`TcpListener`](super::TcpListener) and
//! [`TcpSocket`](super::TcpSocket), which stand in [`net`](super).
//!
//! A stream has two directions, and its halves are one each. [`TcpStream::split`] lends them, for one
//! task that reads and writes at once; [`TcpStream::into_split`] gives them away, for two tasks.
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

/// Peeking of a read half, whose stream is `$stream` of `$this`.
macro_rules! peek_methods {
    ($this:ident => $stream:expr) => {
        /// Polls for bytes without taking them; errors as [`TcpStream::poll_peek`].
        pub fn poll_peek(
            &mut self,
            cx: &mut std::task::Context<'_>,
            buf: &mut crate::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<usize>> {
            let $this = self;
            $stream.poll_peek(cx, buf)
        }

        /// Reads without taking the bytes. Cancel safe; errors as [`TcpStream::peek`].
        pub async fn peek(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let mut buf = crate::io::ReadBuf::new(buf);
            std::future::poll_fn(|cx| self.poll_peek(cx, &mut buf)).await
        }
    };
}
use peek_methods;
