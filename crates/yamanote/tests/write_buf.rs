//! `AsyncWriteExt::write_buf` makes one write and keeps the buffer in step with it, whatever the
//! writer does; `write_all_buf` goes on to the end.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Cursor, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use futures::executor::block_on;
use yamanote::io::{AsyncWrite, AsyncWriteExt, duplex};

/// What a scripted writer answers to one call.
#[derive(Clone, Debug)]
enum Answer {
    Pending,
    /// Takes at most this many bytes.
    Take(usize),
    Fail(io::ErrorKind),
}
use Answer::{Fail, Pending, Take};

/// A writer that follows a script, and records what it was asked.
#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    vectored: bool,
    taken: Vec<u8>,
    /// The number of buffers in each call.
    calls: Vec<usize>,
}

impl Script {
    fn new(vectored: bool, answers: impl IntoIterator<Item = Answer>) -> Self {
        Script {
            answers: answers.into_iter().collect(),
            vectored,
            ..Script::default()
        }
    }

    fn answer(&mut self, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.calls.push(bufs.len());
        match self.answers.pop_front().expect("more calls than expected") {
            Pending => Poll::Pending,
            Fail(kind) => Poll::Ready(Err(kind.into())),
            Take(n) => {
                let before = self.taken.len();
                let all = bufs.iter().flat_map(|buf| buf.iter());
                self.taken.extend(all.take(n));
                Poll::Ready(Ok(self.taken.len() - before))
            }
        }
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        assert!(!self.vectored, "a vectored writer gets a vectored write");
        self.answer(&[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(self.vectored, "a plain writer gets plain writes");
        self.answer(bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("not asked for");
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("not asked for");
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A buffer of many chunks.
#[derive(Clone)]
struct Chunks(VecDeque<Bytes>);
impl Buf for Chunks {
    fn remaining(&self) -> usize {
        self.0.iter().map(|chunk| chunk.len()).sum()
    }
    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |chunk| chunk)
    }
    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        for (slice, chunk) in dst.iter_mut().zip(&self.0) {
            *slice = IoSlice::new(chunk);
        }
        self.0.len().min(dst.len())
    }
    fn advance(&mut self, mut n: usize) {
        while n > 0 {
            let front = &mut self.0[0];
            let step = n.min(front.len());
            front.advance(step);
            n -= step;
            if front.is_empty() {
                self.0.pop_front();
            }
        }
    }
}

fn three_chunks() -> Chunks {
    Chunks([&b"one"[..], b"two", b"three"].map(Bytes::from).into())
}

fn rest(buf: &Chunks) -> Vec<u8> {
    buf.0.iter().flatten().copied().collect()
}

/// Nothing to write: the writer is not even asked.
#[test]
fn an_empty_buffer_does_not_touch_the_writer() {
    for vectored in [false, true] {
        let mut writer = Script::new(vectored, []);
        let n = block_on(writer.write_buf(&mut Bytes::new())).unwrap();
        assert_eq!(n, 0);
        let n = block_on(writer.write_buf(&mut Bytes::new().chain(&b""[..]))).unwrap();
        assert_eq!(n, 0);
        block_on(writer.write_all_buf(&mut Bytes::new())).unwrap();
        assert!(writer.calls.is_empty());
    }
    // Not even a closed one, which fails everything else.
    let (mut here, there) = duplex(1);
    drop(there);
    assert_eq!(block_on(here.write_buf(&mut Bytes::new())).unwrap(), 0);
    assert!(block_on(here.write(b"")).is_err());
}

/// One future is one write, also if the writer took less than it was offered.
#[test]
fn a_partial_write_moves_the_buffer_by_that_part() {
    for vectored in [false, true] {
        let mut writer = Script::new(vectored, [Take(4), Take(0), Take(99)]);
        let mut buf = Cursor::new(&b"hello world"[..]);
        assert_eq!(block_on(writer.write_buf(&mut buf)).unwrap(), 4);
        assert_eq!(buf.position(), 4);
        // The writer returned zero, so the caller gets zero.
        assert_eq!(block_on(writer.write_buf(&mut buf)).unwrap(), 0);
        assert_eq!(buf.position(), 4);
        assert_eq!(block_on(writer.write_buf(&mut buf)).unwrap(), 7);
        assert_eq!(writer.taken, b"hello world");
        assert_eq!(writer.calls, [1, 1, 1]);
    }
}

/// A plain writer gets the first chunk only, a vectored one all of them.
#[test]
fn chunks_go_one_by_one_or_together() {
    let mut buf = three_chunks();
    let mut writer = Script::new(false, [Take(2), Take(99), Take(99), Take(99)]);
    let mut written = Vec::new();
    while buf.has_remaining() {
        written.push(block_on(writer.write_buf(&mut buf)).unwrap());
    }
    assert_eq!(written, [2, 1, 3, 5]);
    assert_eq!(writer.taken, b"onetwothree");

    let mut buf = three_chunks();
    let mut writer = Script::new(true, [Take(4), Take(99)]);
    assert_eq!(block_on(writer.write_buf(&mut buf)).unwrap(), 4);
    assert_eq!(rest(&buf), b"wothree");
    assert_eq!(block_on(writer.write_buf(&mut buf)).unwrap(), 7);
    assert_eq!(writer.taken, b"onetwothree");
    assert_eq!(writer.calls, [3, 2]);
}

/// More chunks than one vectored write takes: the rest waits for the next one.
#[test]
fn at_most_64_chunks_go_together() {
    let expected: Vec<u8> = (0..200).collect();
    let mut buf = Chunks(expected.iter().map(|b| vec![*b].into()).collect());
    let mut writer = Script::new(true, [Take(999), Take(10), Take(999), Take(999)]);
    assert_eq!(block_on(writer.write_buf(&mut buf)).unwrap(), 64);
    block_on(writer.write_all_buf(&mut buf)).unwrap();
    assert_eq!(writer.calls, [64, 64, 64, 62]);
    assert_eq!(writer.taken, expected);
}

/// `Pending` and errors leave the buffer where it was, and errors come through unchanged.
#[test]
fn pending_and_errors_do_not_move_the_buffer() {
    for vectored in [false, true] {
        let script = [
            Pending,
            Pending,
            Take(3),
            Fail(io::ErrorKind::Interrupted),
            Fail(io::ErrorKind::ConnectionReset),
            Take(99),
        ];
        let mut writer = Script::new(vectored, script);
        let mut buf = Cursor::new(&b"abcdef"[..]);
        {
            let mut future = pin!(writer.write_buf(&mut buf));
            assert!(poll_once(future.as_mut()).is_pending());
            assert!(poll_once(future.as_mut()).is_pending());
            assert!(matches!(poll_once(future), Poll::Ready(Ok(3))));
        }
        // Also an interruption is the caller's business: this is one write.
        for kind in [io::ErrorKind::Interrupted, io::ErrorKind::ConnectionReset] {
            let error = block_on(writer.write_buf(&mut buf)).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_eq!(buf.position(), 3);
        }
        assert_eq!(block_on(writer.write_buf(&mut buf)).unwrap(), 3);
        assert_eq!(writer.taken, b"abcdef");
    }
}

/// A future abandoned before it is ready has written nothing: another one goes on from the same
/// place.
#[test]
fn dropped_between_polls_it_has_written_nothing() {
    let (mut here, mut there) = duplex(4);
    let mut buf = BytesMut::from(&b"abcdefgh"[..]).freeze();
    assert_eq!(block_on(here.write_buf(&mut buf)).unwrap(), 4);
    for _ in 0..3 {
        let future = pin!(here.write_buf(&mut buf));
        assert!(poll_once(future).is_pending());
    }
    drop(here.write_buf(&mut buf));
    assert_eq!(&buf[..], b"efgh");

    let mut read = [0; 3];
    block_on(yamanote::io::AsyncReadExt::read_exact(
        &mut there, &mut read,
    ))
    .unwrap();
    assert_eq!(block_on(here.write_buf(&mut buf)).unwrap(), 3);
    assert_eq!(&buf[..], b"h");
}

#[test]
fn write_all_buf_goes_on_after_interruptions_and_stops_where_the_writer_does() {
    for vectored in [false, true] {
        let script = [
            Take(1),
            Fail(io::ErrorKind::Interrupted),
            Take(2),
            Fail(io::ErrorKind::BrokenPipe),
            Pending,
            Take(1),
            Take(0),
        ];
        let mut writer = Script::new(vectored, script);
        let mut buf = three_chunks();
        let error = block_on(writer.write_all_buf(&mut buf)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(rest(&buf), b"twothree");
        // Abandoned in the middle, and taken up again.
        assert!(poll_once(pin!(writer.write_all_buf(&mut buf))).is_pending());
        let error = block_on(writer.write_all_buf(&mut buf)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
        assert_eq!(rest(&buf), b"wothree");
        assert_eq!(writer.taken, b"onet");
    }
}

/// The future is as movable between threads as its parts, and must be pinned, as in Tokio.
#[test]
fn auto_traits() {
    fn send_sync<T: Send + Sync>(value: T) -> T {
        value
    }
    // Ambiguous, and so an error, if `T` is Unpin.
    trait NotUnpin<Marker> {
        fn check(&self) {}
    }
    struct Unpinned;
    impl<T: ?Sized> NotUnpin<()> for T {}
    impl<T: ?Sized + Unpin> NotUnpin<Unpinned> for T {}

    let mut writer = Vec::new();
    let mut buf = Bytes::new();
    send_sync(writer.write_buf(&mut buf)).check();
}
