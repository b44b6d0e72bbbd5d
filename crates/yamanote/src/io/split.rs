//! Two halves of one stream, for two tasks.

use std::fmt;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::io::transfer::{Sink, Source};
use crate::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The half that reads, from [`split`].
pub struct ReadHalf<T> {
    stream: Arc<Shared<T>>,
    auto_traits: Explicit,
}

/// The half that writes, from [`split`]. Its `shutdown` is that of the stream; dropping the half
/// shuts nothing down.
pub struct WriteHalf<T> {
    stream: Arc<Shared<T>>,
    auto_traits: Explicit,
}

/// Neither `Send` nor `Sync`, so that the impls below alone say what the halves are.
type Explicit = PhantomData<*const ()>;

// SAFETY: the stream is reached only under the lock, so the most that can happen to it is that it
// moves, as a whole, to another thread.
unsafe impl<T: Send> Send for ReadHalf<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for WriteHalf<T> {}
// SAFETY: a shared reference to a half does not lead to the stream.
unsafe impl<T: Sync> Sync for ReadHalf<T> {}
// SAFETY: as above. Whether writing is vectored was asked once, and is a plain bool.
unsafe impl<T: Sync> Sync for WriteHalf<T> {}

/// Splits a stream that can be read and written into a half for each.
///
/// The halves may go to different tasks. Each poll of either takes a lock for as long as it lasts;
/// types that can be split without one have methods for it, as `TcpStream` has. To put the halves
/// together again use [`ReadHalf::unsplit`].
///
/// Dropping one half does not close that direction; call
/// [`shutdown`](crate::io::AsyncWriteExt::shutdown) on the writing one for that.
pub fn split<T: AsyncRead + AsyncWrite>(stream: T) -> (ReadHalf<T>, WriteHalf<T>) {
    let stream = Arc::new(Shared {
        is_write_vectored: stream.is_write_vectored(),
        locked: Mutex::new(Box::pin(stream)),
    });
    let read = ReadHalf {
        stream: Arc::clone(&stream),
        auto_traits: PhantomData,
    };
    let write = WriteHalf {
        stream,
        auto_traits: PhantomData,
    };
    (read, write)
}

struct Shared<T> {
    /// Asked once, so that the question needs no lock.
    is_write_vectored: bool,
    /// Pinned in a box of its own: a lock's guard gives no pinned access.
    locked: Mutex<Pin<Box<T>>>,
}

impl<T> Shared<T> {
    fn with<R>(&self, f: impl FnOnce(Pin<&mut T>) -> R) -> R {
        let mut guard = self
            .locked
            .lock()
            .expect("the other half of this stream panicked");
        f(guard.as_mut())
    }

    /// Does nothing if the other half has the stream: who visits the one may visit the other.
    fn try_with(&self, f: impl FnOnce(Pin<&mut T>)) {
        if let Ok(mut guard) = self.locked.try_lock() {
            f(guard.as_mut());
        }
    }
}

impl<T> ReadHalf<T> {
    /// Whether the two halves come from the same [`split`].
    pub fn is_pair_of(&self, other: &WriteHalf<T>) -> bool {
        other.is_pair_of(self)
    }

    /// Puts the halves together again and returns the stream.
    ///
    /// # Panics
    ///
    /// If they do not come from the same [`split`]; ask [`is_pair_of`](ReadHalf::is_pair_of) first.
    #[track_caller]
    pub fn unsplit(self, write: WriteHalf<T>) -> T
    where
        T: Unpin,
    {
        assert!(
            self.is_pair_of(&write),
            "Unrelated `split::Write` passed to `split::Read::unsplit`."
        );
        drop(write);
        let shared = Arc::into_inner(self.stream).expect("a pair of halves has two owners");
        let stream = shared
            .locked
            .into_inner()
            .expect("a half of this stream panicked");
        *Pin::into_inner(stream)
    }
}

impl<T> WriteHalf<T> {
    /// Whether the two halves come from the same [`split`].
    pub fn is_pair_of(&self, other: &ReadHalf<T>) -> bool {
        Arc::ptr_eq(&self.stream, &other.stream)
    }
}

impl<T: AsyncRead> AsyncRead for ReadHalf<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.with(|stream| stream.poll_read(cx, buf))
    }

    fn lend_source(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        self.stream.try_with(|stream| stream.lend_source(user));
    }
}

impl<T: AsyncWrite> AsyncWrite for WriteHalf<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.with(|stream| stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.with(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.with(|stream| stream.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream
            .with(|stream| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored
    }

    fn lend_sink(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Sink<'_>)) {
        self.stream.try_with(|stream| stream.lend_sink(user));
    }
}

impl<T: fmt::Debug> fmt::Debug for ReadHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("split::ReadHalf").finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for WriteHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("split::WriteHalf").finish()
    }
}
