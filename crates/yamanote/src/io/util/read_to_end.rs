//! The future behind `AsyncReadExt::read_to_end`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::uninterrupted;
use crate::io::read_buf::FillVec;
use crate::io::{AsyncRead, ReadBuf};

pin_project! {
    /// Future for the [`read_to_end`](crate::io::AsyncReadExt::read_to_end) method.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ReadToEnd<'a, R: ?Sized> {
        reader: &'a mut R,
        filling: Filling<&'a mut Vec<u8>>,
        #[pin]
        _pin: PhantomPinned,
    }
}

pub(super) fn read_to_end<'a, R>(reader: &'a mut R, vec: &'a mut Vec<u8>) -> ReadToEnd<'a, R>
where
    R: AsyncRead + Unpin + ?Sized,
{
    ReadToEnd {
        reader,
        filling: Filling::new(FillVec::borrowed(vec)),
        _pin: PhantomPinned,
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToEnd<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.project();
        me.filling.poll_to_end(cx, Pin::new(&mut **me.reader))
    }
}

/// The least room that is offered to the reader.
const LEAST_ROOM: usize = 32;

/// A vector on the way to the end of a reader.
#[derive(Debug)]
pub(super) struct Filling<V> {
    pub(super) vec: FillVec<V>,
    capacity_at_start: usize,
    read: usize,
}

impl<V: AsRef<Vec<u8>> + AsMut<Vec<u8>>> Filling<V> {
    pub(super) fn new(vec: FillVec<V>) -> Self {
        Filling {
            capacity_at_start: vec.capacity(),
            vec,
            read: 0,
        }
    }

    /// Reads until the end. Returns the number of bytes read; after an error that number is in
    /// [`read`](Filling::read).
    pub(super) fn poll_to_end<R: AsyncRead + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let n = ready!(uninterrupted(|| self.poll_some(cx, reader.as_mut())))?;
            if n == 0 {
                return Poll::Ready(Ok(mem::take(&mut self.read)));
            }
            self.read += n;
        }
    }

    /// Bytes read so far.
    pub(super) fn read(&self) -> usize {
        self.read
    }

    fn poll_some<R: AsyncRead + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut R>,
    ) -> Poll<io::Result<usize>> {
        if self.may_fit_exactly() {
            // Only the end may be left: look for it without making the vector grow.
            let mut probe = [std::mem::MaybeUninit::uninit(); LEAST_ROOM];
            let mut probe = ReadBuf::uninit(&mut probe);
            ready!(reader.poll_read(cx, &mut probe))?;
            self.vec.extend_from_slice(probe.filled());
            return Poll::Ready(Ok(probe.filled().len()));
        }
        self.vec.reserve(LEAST_ROOM);
        self.vec.poll_spare(|buf| reader.poll_read(cx, buf))
    }

    /// Whether the caller's capacity is nearly used up; it may have been chosen to fit.
    fn may_fit_exactly(&self) -> bool {
        self.vec.spare() < LEAST_ROOM
            && self.vec.capacity() == self.capacity_at_start
            && self.capacity_at_start >= LEAST_ROOM
    }
}
