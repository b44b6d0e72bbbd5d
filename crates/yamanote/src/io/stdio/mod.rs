//! Standard input, output and error.
//!
//! What these descriptors are is up to whoever started the program, and a terminal shared with
//! other processes must not be made non-blocking; so their operations are blocking calls in the
//! pool. [`reader`] and [`writer`] say what that means for one operation at a time.
#![forbid(unsafe_code)]

mod reader;
mod writer;

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use self::reader::PooledReader;
use self::writer::PooledWriter;
use super::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that one job moves. More would hold memory without saving anything.
const MAX_CHUNK: usize = 2 * 1024 * 1024;

/// A handle to the standard input of this process; made by [`stdin`].
///
/// # Examples
///
/// Lines from another program's output:
///
/// ```no_run
/// use yamanote::io::{self, AsyncBufReadExt, BufReader};
///
/// # #[yamanote::main]
/// # async fn main() -> io::Result<()> {
/// let mut lines = BufReader::new(io::stdin()).lines();
/// while let Some(line) = lines.next_line().await? {
///     println!("{}", line.to_uppercase());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stdin {
    std: io::Stdin,
    reader: PooledReader<io::Stdin>,
}

/// A handle to the standard output of this process; made by [`stdout`].
///
/// What was written may not have reached the other side before
/// [`flush`](crate::io::AsyncWriteExt::flush).
///
/// Several handles, and `println!`, write to the same buffer of the standard library; a write of up
/// to 2 MiB goes there as a whole, a larger one in parts, and other writes may come between the
/// parts.
///
/// # Examples
///
/// ```
/// use yamanote::io::{self, AsyncWriteExt};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let mut stdout = io::stdout();
/// stdout.write_all(b"done\n").await?;
/// stdout.flush().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stdout {
    std: io::Stdout,
    writer: PooledWriter<io::Stdout>,
}

/// A handle to the standard error of this process; made by [`stderr`].
///
/// What was written may not have reached the other side before
/// [`flush`](crate::io::AsyncWriteExt::flush).
#[derive(Debug)]
pub struct Stderr {
    std: io::Stderr,
    writer: PooledWriter<io::Stderr>,
}

/// A new handle to the standard input of this process.
///
/// A blocking call in the thread pool does the reading, and nothing can interrupt it: a runtime
/// that is dropped during such a call waits for it, on a terminal until somebody types a line. So
/// use this for input that comes by itself. For what a user types, read `std::io::stdin` in a
/// thread of its own, or end the runtime with
/// [`shutdown_background`](crate::runtime::Runtime::shutdown_background).
///
/// A read goes on when its future is dropped; the next read of the same handle gets its bytes.
///
/// # Panics
///
/// Reading panics outside a runtime.
pub fn stdin() -> Stdin {
    Stdin {
        std: io::stdin(),
        reader: PooledReader::new(io::stdin()),
    }
}

/// A new handle to the standard output of this process.
///
/// Writing is done by blocking calls in the thread pool, one at a time for each handle, so in
/// order. A write is complete when its bytes are on their way; the next write or flush reports a
/// failure. Bytes that are on their way are written even if the runtime is dropped.
///
/// # Panics
///
/// Writing panics outside a runtime.
///
/// # Examples
///
/// ```
/// use yamanote::io::{self, AsyncWriteExt};
///
/// # yamanote::runtime::Runtime::new().unwrap().block_on(async {
/// let mut out = io::stdout();
/// out.write_all(b"hello\n").await?;
/// out.flush().await?;
/// # io::Result::Ok(()) }).unwrap();
/// ```
pub fn stdout() -> Stdout {
    Stdout {
        std: io::stdout(),
        writer: PooledWriter::new(io::stdout()),
    }
}

/// A new handle to the standard error of this process.
///
/// As [`stdout`].
///
/// # Panics
///
/// Writing panics outside a runtime.
pub fn stderr() -> Stderr {
    Stderr {
        std: io::stderr(),
        writer: PooledWriter::new(io::stderr()),
    }
}

impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reader.poll_read(cx, buf)
    }
}

macro_rules! through_pooled_writer {
    ($($stream:ty),*) => {$(
        impl AsyncWrite for $stream {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.writer.poll_write(cx, &[IoSlice::new(buf)])
            }

            fn poll_flush(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                self.writer.poll_flush(cx)
            }

            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                // The stream belongs to the process: it is not closed.
                self.writer.poll_flush(cx)
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.writer.poll_write(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    )*};
}
through_pooled_writer!(Stdout, Stderr);

macro_rules! through_std_fd {
    ($($stream:ty),*) => {$(
        impl AsFd for $stream {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.std.as_fd()
            }
        }

        impl AsRawFd for $stream {
            fn as_raw_fd(&self) -> RawFd {
                self.std.as_raw_fd()
            }
        }
    )*};
}
through_std_fd!(Stdin, Stdout, Stderr);
