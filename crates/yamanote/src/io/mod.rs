//! Traits, helpers and definitions for asynchronous I/O.
//!
//! The asynchronous twin of [`std::io`]. At its heart are the traits [`AsyncRead`] and
//! [`AsyncWrite`], [`AsyncBufRead`] and [`AsyncSeek`]: where their blocking relatives would wait,
//! they arrange for the task to be woken. Code that uses streams calls the methods of
//! [`AsyncReadExt`], [`AsyncWriteExt`], [`AsyncBufReadExt`] and [`AsyncSeekExt`]; code that offers
//! a new kind of stream implements the traits themselves.
//!
//! ```
//! use yamanote::io::{self, AsyncBufReadExt, AsyncReadExt, BufReader};
//!
//! # futures::executor::block_on(async {
//! let mut reader = BufReader::new(&b"first\nsecond"[..]);
//! let mut line = String::new();
//! reader.read_line(&mut line).await?;
//! assert_eq!(line, "first\n");
//!
//! let mut rest = Vec::new();
//! reader.read_to_end(&mut rest).await?;
//! assert_eq!(rest, b"second");
//! # io::Result::Ok(()) }).unwrap();
//! ```

mod async_read;
mod async_write;
mod read_buf;
pub use async_read::AsyncRead;
pub use async_write::AsyncWrite;
pub use read_buf::ReadBuf;

mod async_buf_read;
mod async_seek;
pub use async_buf_read::AsyncBufRead;
pub use async_seek::AsyncSeek;

pub(crate) mod transfer;

mod join;
mod seek;
mod split;
pub use join::{Join, join};
pub use split::{ReadHalf, WriteHalf, split};

#[cfg(feature = "io-util")]
mod util;
#[cfg(feature = "io-util")]
pub use util::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufStream, BufWriter,
    Chain, DuplexStream, Empty, Lines, Repeat, SimplexStream, Sink, Split, Take, copy,
    copy_bidirectional, copy_bidirectional_with_sizes, copy_buf, duplex, empty, repeat, simplex,
    sink,
};

#[cfg(feature = "io-std")]
mod stdio;
#[cfg(feature = "io-std")]
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};

#[cfg(feature = "rt")]
mod async_fd;
#[cfg(feature = "rt")]
pub(crate) mod evented;
#[cfg(feature = "rt")]
pub(crate) mod splice;
#[cfg(feature = "rt")]
pub use evented::{Interest, Ready};

/// Descriptors of any kind in the runtime.
#[cfg(feature = "rt")]
pub mod unix {
    pub use super::async_fd::{
        AsyncFd, AsyncFdReadyGuard, AsyncFdReadyMutGuard, AsyncFdRegisterError, TryIoError,
    };

    #[doc(hidden)]
    #[allow(deprecated)]
    pub use super::async_fd::AsyncFdTryNewError;
}

#[doc(no_inline)]
pub use std::io::{Error, ErrorKind, Result, SeekFrom};
