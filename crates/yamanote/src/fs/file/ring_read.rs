//! A read of a pipe, a terminal or another stream, by the ring: it may wait for long, and unlike a
//! thread of the pool the ring waits at no cost and can be told to stop.
//!
//! The read belongs to the handle, not to the future that asked first. Whoever polls the handle
//! carries it on; its end wakes all who wait. When the handle is dropped, it is cancelled.
#![forbid(unsafe_code)]

use std::fs::File as StdFile;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::buf::{IoBuf, Slice};
use crate::fs::pool::background_task_failed;
use crate::fs::submit;
use crate::runtime::Handle;
use crate::runtime::driver::Driver;
use crate::runtime::driver::op::Op;
use crate::runtime::driver::op::read::Read;
use crate::runtime::driver::op::transfer::Offset;

pub(super) struct RingRead {
    operation: Op<Read<Arc<StdFile>, Slice<Vec<u8>>>>,
    driver: Arc<Driver>,
    waker: Waker,
}

impl std::fmt::Debug for RingRead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RingRead")
    }
}

impl RingRead {
    /// Reads at most `max` bytes at the cursor into `buf`, which is empty; its end wakes `waker`.
    pub(super) fn new(
        runtime: &Handle,
        waker: Waker,
        std: Arc<StdFile>,
        mut buf: Vec<u8>,
        max: usize,
    ) -> RingRead {
        buf.reserve(max);
        let read = Read::new(std, buf.slice(..max), Offset::Cursor);
        RingRead {
            operation: submit::to_ring(runtime, read),
            driver: runtime.driver_handle().clone(),
            waker,
        }
    }

    /// The bytes that came, and how many or why not.
    pub(super) fn poll(&mut self) -> Poll<(Vec<u8>, io::Result<usize>)> {
        if self.driver.is_shutdown() {
            // The operation went with the ring, and the buffer with it.
            return Poll::Ready((Vec::new(), Err(background_task_failed())));
        }
        let mut cx = Context::from_waker(&self.waker);
        Pin::new(&mut self.operation)
            .poll(&mut cx)
            .map(|(result, buf)| (buf.into_inner(), result))
    }
}
