//! The methods of `AsyncWriteExt` and `AsyncSeekExt`.

use std::future::Future;
use std::io::{self, Cursor, ErrorKind, IoSlice, SeekFrom};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures::executor::block_on;
use yamanote::io::{AsyncSeek, AsyncSeekExt, AsyncWrite, AsyncWriteExt};

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A sink that takes two bytes at a time, with waits and interruptions.
#[derive(Default)]
struct Slow {
    calls: usize,
    taken: Vec<u8>,
}

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.calls += 1;
        match self.calls % 3 {
            0 => Poll::Ready(Err(ErrorKind::Interrupted.into())),
            1 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => {
                let n = buf.len().min(2);
                self.taken.extend_from_slice(&buf[..n]);
                Poll::Ready(Ok(n))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(ErrorKind::NotConnected.into()))
    }
}

#[test]
fn write_all_goes_on_until_written() {
    let mut sink = Slow::default();
    block_on(sink.write_all(b"hello world")).unwrap();
    block_on(sink.write_all(b"")).unwrap();
    assert_eq!(sink.taken, b"hello world");
    let error = block_on(Cursor::new(&mut [0; 3][..]).write_all(b"four")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
    block_on(sink.flush()).unwrap();
    let error = block_on(sink.shutdown()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected);
}

/// Without an implementation of its own, a vectored write is a write of the first non-empty buffer.
#[test]
fn write_vectored() {
    let bufs = [b"".as_slice(), b"ab", b"cd"].map(IoSlice::new);
    let mut sink = Slow::default();
    assert_eq!(block_on(sink.write_vectored(&bufs[..2])).unwrap(), 2);
    assert_eq!(sink.taken, b"ab");
    assert!(!sink.is_write_vectored());
    let mut vec = Vec::new();
    assert_eq!(block_on(vec.write_vectored(&bufs)).unwrap(), 4);
    assert!(vec.is_write_vectored());
    assert_eq!(block_on(vec.write_vectored(&[])).unwrap(), 0);
}

/// A seek that is still under way is completed before the next one starts.
#[test]
fn seek_waits_for_the_one_before() {
    #[derive(Default)]
    struct Seeker {
        busy: bool,
        orders: Vec<SeekFrom>,
    }
    impl AsyncSeek for Seeker {
        fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
            assert!(!self.busy, "ordered while busy");
            self.busy = true;
            self.orders.push(position);
            match position {
                SeekFrom::Current(i64::MIN) => Err(ErrorKind::InvalidInput.into()),
                _ => Ok(()),
            }
        }
        fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
            if self.busy {
                self.busy = false;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Ok(self.orders.len() as u64))
        }
    }
    let mut seeker = Seeker::default();
    assert!(poll_once(seeker.seek(SeekFrom::Start(1))).is_pending());
    seeker.busy = true;
    assert_eq!(block_on(seeker.rewind()).unwrap(), 2);
    assert_eq!(block_on(seeker.stream_position()).unwrap(), 3);
    let error = block_on(seeker.seek(SeekFrom::Current(i64::MIN))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        seeker.orders[..3],
        [SeekFrom::Start(1), SeekFrom::Start(0), SeekFrom::Current(0)]
    );
}
