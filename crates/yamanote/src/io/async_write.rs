//! The trait of everything bytes can be written to.
#![forbid(unsafe_code)]

use std::io::{self, IoSlice, Write};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::io::transfer::Sink;

/// Writes bytes to a sink.
///
/// The asynchronous twin of [`std::io::Write`]: where that would block, this arranges for the task
/// to be woken and returns [`Poll::Pending`]. To write, use the methods of [`AsyncWriteExt`], which
/// is implemented for every type that has this trait.
///
/// [`AsyncWriteExt`]: crate::io::AsyncWriteExt
///
/// # Examples
///
/// A sink that counts what it passes on to another one:
///
/// ```
/// use std::io;
/// use std::pin::Pin;
/// use std::task::{Context, Poll, ready};
/// use yamanote::io::{AsyncWrite, AsyncWriteExt};
///
/// struct Counting<W> {
///     inner: W,
///     written: usize,
/// }
///
/// impl<W: AsyncWrite + Unpin> AsyncWrite for Counting<W> {
///     fn poll_write(
///         mut self: Pin<&mut Self>,
///         cx: &mut Context<'_>,
///         buf: &[u8],
///     ) -> Poll<io::Result<usize>> {
///         let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
///         self.written += written;
///         Poll::Ready(Ok(written))
///     }
///
///     fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Pin::new(&mut self.inner).poll_flush(cx)
///     }
///
///     fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Pin::new(&mut self.inner).poll_shutdown(cx)
///     }
/// }
///
/// # futures::executor::block_on(async {
/// let mut sink = Counting { inner: Vec::new(), written: 0 };
/// sink.write_all(b"hello").await?;
/// assert_eq!(sink.written, 5);
/// # io::Result::Ok(()) }).unwrap();
/// ```
pub trait AsyncWrite {
    /// Tries to write bytes from the front of `buf`, and returns how many were taken.
    ///
    /// * `Poll::Ready(Ok(n))` with `n <= buf.len()`. Zero from a non-empty `buf` usually means that
    ///   the sink takes no more bytes.
    /// * `Poll::Pending`: nothing was written; the task of `cx` will be woken when the sink becomes
    ///   writable or is closed.
    /// * `Poll::Ready(Err(e))`: a failure of the sink. Nothing was written.
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>>;

    /// Tries to pass on everything that was written and is still buffered on this side.
    ///
    /// On `Poll::Pending` the task of `cx` will be woken when it can go on.
    ///
    /// # Errors
    ///
    /// A failure of the sink. How much of what was buffered has been passed on is up to the
    /// implementation.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Starts or continues an orderly end: flushes what is buffered, then tells the other side that
    /// nothing more will come.
    ///
    /// After `Poll::Ready(Ok(()))` the sink may be dropped without losing what was written. Writing
    /// after the first call may fail. For a sink whose end nobody can see this is the same as
    /// [`poll_flush`](AsyncWrite::poll_flush).
    ///
    /// A caller that stops polling leaves the sink as if nobody had asked for a shutdown, or with
    /// it half done; dropping the sink deals with either.
    ///
    /// # Errors
    ///
    /// A failure of the sink, or of the flush that belongs to the shutdown. What was buffered may
    /// be lost then.
    ///
    /// # Panics
    ///
    /// An implementation may panic when it has reported completion or an error and is polled again.
    /// The sinks of this crate do not.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Like [`poll_write`](AsyncWrite::poll_write), from several buffers in their order, as if they
    /// were one.
    ///
    /// Without an implementation of its own a sink writes the first buffer that is not empty.
    ///
    /// # Errors
    ///
    /// As [`poll_write`](AsyncWrite::poll_write).
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.poll_write(cx, first.map_or(&[], |buf| buf))
    }

    /// Whether [`poll_write_vectored`](AsyncWrite::poll_write_vectored) does better than writing
    /// the first buffer. If not, a caller with many small buffers should join them first.
    fn is_write_vectored(&self) -> bool {
        false
    }

    /// Lends the descriptor that the bytes go to, if every byte goes to one unchanged.
    #[doc(hidden)]
    fn lend_sink(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Sink<'_>)) {
        let _ = user;
    }
}

/// The trait for a pointer to a sink that may be moved.
macro_rules! through_unpin_target {
    () => {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut **self).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut **self).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut **self).poll_shutdown(cx)
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut **self).poll_write_vectored(cx, bufs)
        }

        fn is_write_vectored(&self) -> bool {
            (**self).is_write_vectored()
        }

        fn lend_sink(mut self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Sink<'_>)) {
            Pin::new(&mut **self).lend_sink(user);
        }
    };
}

impl<T: ?Sized + AsyncWrite + Unpin> AsyncWrite for Box<T> {
    through_unpin_target!();
}

impl<T: ?Sized + AsyncWrite + Unpin> AsyncWrite for &mut T {
    through_unpin_target!();
}

impl<P> AsyncWrite for Pin<P>
where
    P: DerefMut,
    P::Target: AsyncWrite,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.as_deref_mut().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_deref_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_deref_mut().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.as_deref_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        (**self).is_write_vectored()
    }

    fn lend_sink(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Sink<'_>)) {
        self.as_deref_mut().lend_sink(user);
    }
}

/// The trait for memory, which never blocks, by way of `std::io::Write`.
macro_rules! through_std_write {
    ($($memory:ty),*) => {$(
        impl AsyncWrite for $memory {
            fn poll_write(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(Write::write(&mut *self, buf))
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(Write::write_vectored(&mut *self, bufs))
            }

            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    )*};
}

through_std_write!(
    Vec<u8>,
    io::Cursor<&mut [u8]>,
    io::Cursor<&mut Vec<u8>>,
    io::Cursor<Vec<u8>>,
    io::Cursor<Box<[u8]>>
);
