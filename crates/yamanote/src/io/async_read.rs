//! The trait of everything bytes can be read from.
#![forbid(unsafe_code)]

use std::io;
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::io::ReadBuf;
use crate::io::transfer::Source;

/// Reads bytes from a source.
///
/// The asynchronous twin of [`std::io::Read`]: where that would block, this arranges for the task
/// to be woken and returns [`Poll::Pending`]. To read, use the methods of [`AsyncReadExt`], which
/// is implemented for every type that has this trait.
///
/// [`AsyncReadExt`]: crate::io::AsyncReadExt
///
/// # Examples
///
/// A source that has nothing to wait for:
///
/// ```
/// use std::io;
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// use yamanote::io::{AsyncRead, AsyncReadExt, ReadBuf};
///
/// struct Countdown(u8);
///
/// impl AsyncRead for Countdown {
///     fn poll_read(
///         mut self: Pin<&mut Self>,
///         _cx: &mut Context<'_>,
///         buf: &mut ReadBuf<'_>,
///     ) -> Poll<io::Result<()>> {
///         while self.0 > 0 && buf.remaining() > 0 {
///             buf.put_slice(&[self.0]);
///             self.0 -= 1;
///         }
///         Poll::Ready(Ok(()))
///     }
/// }
///
/// # futures::executor::block_on(async {
/// let mut bytes = Vec::new();
/// Countdown(3).read_to_end(&mut bytes).await?;
/// assert_eq!(bytes, [3, 2, 1]);
/// # io::Result::Ok(()) }).unwrap();
/// ```
pub trait AsyncRead {
    /// Tries to read into `buf`.
    ///
    /// * `Poll::Ready(Ok(()))`: data was read and put into the unfilled part of `buf`; the change
    ///   of `buf.filled().len()` shows how much. No change means end of file, or that there was no
    ///   room in `buf`.
    /// * `Poll::Pending`: no data now. `buf` is unchanged, and the task of `cx` will be woken when
    ///   the source becomes readable or is closed.
    /// * `Poll::Ready(Err(e))`: a failure of the source. Nothing was read.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>>;

    /// Lends the descriptor that the bytes come from, if every byte comes from one unchanged.
    #[doc(hidden)]
    fn lend_source(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        let _ = user;
    }
}

impl<T: ?Sized + AsyncRead + Unpin> AsyncRead for Box<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut **self).poll_read(cx, buf)
    }

    fn lend_source(mut self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        Pin::new(&mut **self).lend_source(user);
    }
}

impl<T: ?Sized + AsyncRead + Unpin> AsyncRead for &mut T {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut **self).poll_read(cx, buf)
    }

    fn lend_source(mut self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        Pin::new(&mut **self).lend_source(user);
    }
}

impl<P> AsyncRead for Pin<P>
where
    P: DerefMut,
    P::Target: AsyncRead,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.as_deref_mut().poll_read(cx, buf)
    }

    fn lend_source(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        self.as_deref_mut().lend_source(user);
    }
}

/// Reads from the front; the slice becomes what is left.
impl AsyncRead for &[u8] {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, rest) = self.split_at(self.len().min(buf.remaining()));
        buf.put_slice(now);
        *self = rest;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsRef<[u8]> + Unpin> AsyncRead for io::Cursor<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let position = self.position();
        let data = self.get_ref().as_ref();
        // A cursor may stand beyond the end; there it reads nothing.
        let start = usize::try_from(position).map_or(data.len(), |at| at.min(data.len()));
        let n = (data.len() - start).min(buf.remaining());
        buf.put_slice(&data[start..start + n]);
        self.set_position(position + n as u64);
        Poll::Ready(Ok(()))
    }
}
