//! Our ends of a child's standard streams.
#![forbid(unsafe_code)]

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use crate::io::evented::Evented;
use crate::io::transfer::{Sink, Source};
use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use crate::sys::child_pipe::ChildPipe;

/// The standard input of a child, to be written to.
///
/// The child sees the end of its input when this is dropped; neither a flush nor a shutdown does
/// anything. Writing when the child has closed its end or exited is a
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe).
///
/// # Examples
///
/// One child's output as the input of another:
///
/// ```
/// use std::process::Stdio;
/// use yamanote::io;
/// use yamanote::process::Command;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let mut writer = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
/// let mut counter =
///     Command::new("wc").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
///
/// let mut from = writer.stdout.take().expect("piped");
/// let mut to = counter.stdin.take().expect("piped");
/// io::copy(&mut from, &mut to).await?;
/// drop(to); // the end of the counter's input
///
/// let output = counter.wait_with_output().await?;
/// assert_eq!(output.stdout.trim_ascii(), b"6");
/// assert!(writer.wait().await?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ChildStdin {
    pipe: Evented<ChildPipe>,
}

/// The standard output of a child, to be read from.
///
/// Its end comes when the child, and every process that inherited the pipe from it, has closed
/// theirs.
///
/// # Examples
///
/// What a child writes, line by line, while it runs:
///
/// ```
/// use std::process::Stdio;
/// use yamanote::io::{AsyncBufReadExt, BufReader};
/// use yamanote::process::Command;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut child = Command::new("sh")
///     .args(["-c", "echo one; echo two"])
///     .stdout(Stdio::piped())
///     .spawn()?;
/// let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
/// assert_eq!(lines.next_line().await?.as_deref(), Some("one"));
/// assert_eq!(lines.next_line().await?.as_deref(), Some("two"));
/// assert!(child.wait().await?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ChildStdout {
    pipe: Evented<ChildPipe>,
}

/// The standard error of a child, to be read from.
///
/// Its end comes when the child, and every process that inherited the pipe from it, has closed
/// theirs.
#[derive(Debug)]
pub struct ChildStderr {
    pipe: Evented<ChildPipe>,
}

#[track_caller]
fn register(end: OwnedFd, interest: Interest) -> io::Result<Evented<ChildPipe>> {
    Evented::with_interest(ChildPipe::new(end)?, interest)
}

macro_rules! ends {
    ($($end:ident, $std:ident, $interest:ident;)*) => { $(
        impl $end {
            /// Takes over the stream of a child that std has started.
            ///
            /// # Errors
            ///
            /// If the pipe cannot be made non-blocking, or the runtime is shut down.
            ///
            /// # Panics
            ///
            /// Outside a runtime, and in one that was built without `enable_io`.
            pub fn from_std(inner: std::process::$std) -> io::Result<Self> {
                let pipe = register(inner.into(), Interest::$interest)?;
                Ok($end { pipe })
            }

            /// Takes the descriptor out of the runtime, and makes it blocking.
            ///
            /// # Errors
            ///
            /// If the kernel refuses either; the stream is closed then.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                self.pipe.into_inner()?.into_blocking()
            }
        }

        impl AsRawFd for $end {
            fn as_raw_fd(&self) -> RawFd {
                self.pipe.as_raw_fd()
            }
        }

        impl AsFd for $end {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.pipe.as_fd()
            }
        }
    )* };
}

ends! {
    ChildStdin, ChildStdin, WRITABLE;
    ChildStdout, ChildStdout, READABLE;
    ChildStderr, ChildStderr, READABLE;
}

/// As the stream of another child, in blocking mode, as programs expect it.
///
/// `TryInto` rather than `TryFrom` because that is what Tokio implements.
macro_rules! try_into_stdio {
    ($($end:ident)*) => { $(
        #[allow(clippy::from_over_into, reason = "the impl is part of the API")]
        impl TryInto<Stdio> for $end {
            type Error = io::Error;

            fn try_into(self) -> io::Result<Stdio> {
                self.into_owned_fd().map(Stdio::from)
            }
        }
    )* };
}

try_into_stdio! { ChildStdin ChildStdout ChildStderr }

impl AsyncWrite for ChildStdin {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pipe.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pipe.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn lend_sink(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Sink<'_>)) {
        user(&mut Sink::ready(&self.pipe));
    }
}

impl AsyncRead for ChildStdout {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pipe.poll_read(cx, buf)
    }

    fn lend_source(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        user(&mut Source::ready(&self.pipe));
    }
}

impl AsyncRead for ChildStderr {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pipe.poll_read(cx, buf)
    }

    fn lend_source(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        user(&mut Source::ready(&self.pipe));
    }
}
