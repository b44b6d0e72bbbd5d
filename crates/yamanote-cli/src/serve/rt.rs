//! hyper on this runtime: its traits for sockets and timers, implemented for ours.
#![forbid(unsafe_code)]

use hyper::rt::{ReadBufCursor, Sleep, Timer};
use pin_project_lite::pin_project;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use yamanote::io::{AsyncRead, AsyncWrite, ReadBuf};
use yamanote::net::TcpStream;

/// A socket as hyper wants it.
pub struct HyperIo {
    stream: TcpStream,
    /// hyper lends uninitialised memory through a cursor that only unsafe code can write to in
    /// place; one copy through here keeps this crate free of it. Requests are small.
    scratch: Box<[u8]>,
}

impl HyperIo {
    pub fn new(stream: TcpStream) -> Self {
        HyperIo {
            stream,
            scratch: vec![0; 8 * 1024].into_boxed_slice(),
        }
    }
}

impl hyper::rt::Read for HyperIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let limit = cursor.remaining().min(this.scratch.len());
        let mut buffer = ReadBuf::new(&mut this.scratch[..limit]);
        ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer))?;
        cursor.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for HyperIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

/// Our timers as hyper's.
#[derive(Debug, Clone, Copy)]
pub struct HyperTimer;

impl Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep {
            sleep: yamanote::time::sleep(duration),
        })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep {
            sleep: yamanote::time::sleep_until(deadline.into()),
        })
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        if let Some(sleep) = sleep.as_mut().downcast_mut_pin::<HyperSleep>() {
            sleep.project().sleep.reset(deadline.into());
        }
    }
}

pin_project! {
    struct HyperSleep {
        #[pin]
        sleep: yamanote::time::Sleep,
    }
}

impl Sleep for HyperSleep {}

impl Future for HyperSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().sleep.poll(cx)
    }
}
