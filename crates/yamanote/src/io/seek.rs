//! The future behind `AsyncSeekExt`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io::{self, SeekFrom};
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::io::AsyncSeek;

pin_project! {
    /// Future for the [`seek`](crate::io::AsyncSeekExt::seek) method.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Seek<'a, S: ?Sized> {
        seek: &'a mut S,
        // Taken when the order is given.
        order: Option<SeekFrom>,
        #[pin]
        _pin: PhantomPinned,
    }
}

pub(crate) fn seek<S: AsyncSeek + ?Sized + Unpin>(seek: &mut S, position: SeekFrom) -> Seek<'_, S> {
    Seek {
        seek,
        order: Some(position),
        _pin: PhantomPinned,
    }
}

impl<S: AsyncSeek + ?Sized + Unpin> Future for Seek<'_, S> {
    type Output = io::Result<u64>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let me = self.project();
        let mut seek = Pin::new(&mut **me.seek);
        if let Some(position) = *me.order {
            // An operation that is still under way would make it refuse.
            ready!(seek.as_mut().poll_complete(cx))?;
            seek.as_mut().start_seek(position)?;
            *me.order = None;
        }
        seek.poll_complete(cx)
    }
}
