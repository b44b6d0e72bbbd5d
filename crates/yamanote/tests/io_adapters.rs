//! Readers and writers made of others: copies, buffers, halves, chains.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Cursor, ErrorKind, IoSlice, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures::executor::block_on;
use yamanote::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite, AsyncWriteExt,
    BufReader, BufStream, BufWriter, ReadBuf, copy, copy_bidirectional,
    copy_bidirectional_with_sizes, copy_buf, duplex, empty, join, repeat, sink, split,
};

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A writer that records what happens to it, and waits when it is set to.
#[derive(Default, Debug)]
struct Log {
    events: Vec<String>,
    /// Writes that wait before one succeeds.
    waits: usize,
    /// At most this many bytes per write, if not 0.
    most: usize,
    vectored: bool,
    failures: VecDeque<ErrorKind>,
}

impl AsyncWrite for Log {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(kind) = self.failures.pop_front() {
            return Poll::Ready(Err(kind.into()));
        }
        if self.waits > 0 {
            self.waits -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let n = match self.most {
            0 => buf.len(),
            most => buf.len().min(most),
        };
        self.events.push(buf[..n].escape_ascii().to_string());
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.events.push("FLUSH".into());
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.events.push("SHUTDOWN".into());
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.to_vec()).collect();
        self.poll_write(cx, &all)
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }
}

/// While no input comes, what was written is flushed; at the end too.
#[test]
fn copy_flushes_before_it_waits() {
    let (mut source, mut reader) = duplex(64);
    let mut log = Log::default();
    {
        let mut copying = pin!(copy(&mut reader, &mut log));
        assert!(poll_once(copying.as_mut()).is_pending());
        block_on(source.write_all(b"one")).unwrap();
        assert!(poll_once(copying.as_mut()).is_pending());
        assert!(poll_once(copying.as_mut()).is_pending());
        block_on(source.write_all(b"two")).unwrap();
        drop(source);
        assert_eq!(block_on(copying).unwrap(), 6);
    }
    assert_eq!(log.events, ["one", "FLUSH", "two", "FLUSH"]);

    let (mut source, reader) = duplex(64);
    let mut reader = BufReader::new(reader);
    let mut log = Log::default();
    {
        let mut copying = pin!(copy_buf(&mut reader, &mut log));
        block_on(source.write_all(b"one")).unwrap();
        assert!(poll_once(copying.as_mut()).is_pending());
        drop(source);
        assert_eq!(block_on(copying).unwrap(), 3);
    }
    assert_eq!(log.events, ["one", "FLUSH", "FLUSH"]);
}

/// While the writer waits, the buffer is filled, so that the next write is a larger one.
#[test]
fn copy_reads_ahead() {
    let mut reader = (&b"ab"[..]).chain(&b"cd"[..]).chain(&b"ef"[..]);
    let mut log = Log {
        waits: 2,
        ..Log::default()
    };
    assert_eq!(block_on(copy(&mut reader, &mut log)).unwrap(), 6);
    assert_eq!(log.events[0], "abcdef");
}

#[test]
fn copies_fail_as_their_ends_do() {
    let mut full = Cursor::new(vec![0; 2].into_boxed_slice());
    let error = block_on(copy(&mut &b"abc"[..], &mut full)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
    let mut full = Cursor::new(vec![0; 2].into_boxed_slice());
    let error = block_on(copy_buf(&mut &b"abc"[..], &mut full)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);

    for failures in [
        &[ErrorKind::Interrupted, ErrorKind::BrokenPipe][..],
        &[ErrorKind::Interrupted],
    ] {
        let log = || Log {
            failures: failures.iter().copied().collect(),
            ..Log::default()
        };
        let last = failures.get(1).copied();
        let result = block_on(copy(&mut &b"abc"[..], &mut log()));
        assert_eq!(result.err().map(|e| e.kind()), last);
        let result = block_on(copy_buf(&mut &b"abc"[..], &mut log()));
        assert_eq!(result.err().map(|e| e.kind()), last);
    }
    assert_eq!(block_on(copy(&mut empty(), &mut sink())).unwrap(), 0);
    let mut endless = repeat(b'x').take(100_000);
    assert_eq!(block_on(copy(&mut endless, &mut sink())).unwrap(), 100_000);
}

/// Each direction ends on its own, and its end is passed on.
#[test]
fn copy_both_ways() {
    for sizes in [None, Some((1, 3))] {
        let (client, mut here) = duplex(16);
        let (mut there, mut server) = duplex(16);
        let copying = async {
            match sizes {
                None => copy_bidirectional(&mut here, &mut there).await,
                Some((a, b)) => copy_bidirectional_with_sizes(&mut here, &mut there, a, b).await,
            }
        };
        let (mut answers, mut questions) = split(client);
        let asking = async {
            questions.write_all(b"question").await.unwrap();
            questions.shutdown().await.unwrap();
            let mut text = String::new();
            answers.read_to_string(&mut text).await.unwrap();
            text
        };
        let answering = async {
            let mut text = String::new();
            server.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "question");
            // The other direction is still open.
            server.write_all(&[b'a'; 1000]).await.unwrap();
            server.shutdown().await.unwrap();
        };
        let (copied, answer, ()) = block_on(futures::future::join3(copying, asking, answering));
        assert_eq!(copied.unwrap(), (8, 1000));
        assert_eq!(answer, "a".repeat(1000));
    }
}

#[test]
fn copy_needs_buffers() {
    for (a, b) in [(0, 1), (1, 0)] {
        let (mut x, mut y) = (duplex(1).0, duplex(1).0);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            block_on(copy_bidirectional_with_sizes(&mut x, &mut y, a, b))
        }));
        assert!(panic.is_err());
    }
}

#[test]
fn halves() {
    let (stream, mut other) = duplex(8);
    let (mut reader, mut writer) = split(stream);
    assert!(writer.is_write_vectored());
    assert!(reader.is_pair_of(&writer) && writer.is_pair_of(&reader));
    block_on(async {
        writer.write_all(b"out").await.unwrap();
        other.write_all(b"in").await.unwrap();
        let mut buf = [0; 3];
        assert_eq!(reader.read(&mut buf).await.unwrap(), 2);
        other.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"out");
    });
    let (foreign_reader, foreign_writer) = split(duplex(8).0);
    assert!(!reader.is_pair_of(&foreign_writer));
    let panic = catch_unwind(AssertUnwindSafe(|| foreign_reader.unsplit(writer)));
    assert!(panic.is_err());
    assert!(format!("{reader:?}").contains("ReadHalf"));

    let (reader, writer) = split(Cursor::new(vec![1, 2]));
    assert_eq!(reader.unsplit(writer).into_inner(), [1, 2]);
    fn auto<T: Send + Sync + Unpin>(_: &T) {}
    let halves = split(duplex(1).0);
    auto(&halves);
}

#[test]
fn joined() {
    let mut stream = join(&b"line\nrest"[..], Vec::new());
    block_on(async {
        let mut text = String::new();
        stream.read_line(&mut text).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        assert!(stream.is_write_vectored());
    });
    assert_eq!(*stream.reader(), b"rest");
    stream.writer_mut().push(b'!');
    assert_eq!(stream.into_inner(), (&b"rest"[..], b"line\n!".to_vec()));
}

#[test]
fn chain_and_take() {
    block_on(async {
        let mut text = String::new();
        let mut both = (&b"first"[..]).chain(&b"second"[..]);
        // A read into an empty buffer is not the end of the first reader.
        assert_eq!(both.read(&mut []).await.unwrap(), 0);
        assert_eq!(both.fill_buf().await.unwrap(), b"first");
        both.consume(3);
        both.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "stsecond");
        assert_eq!(both.into_inner(), (&b""[..], &b""[..]));

        let mut some = (&b"abcdef"[..]).take(4);
        let mut buf = [0; 3];
        assert_eq!(some.read(&mut buf).await.unwrap(), 3);
        assert_eq!(some.limit(), 1);
        assert_eq!(some.fill_buf().await.unwrap(), b"d");
        some.consume(9);
        assert_eq!((some.limit(), some.read(&mut buf).await.unwrap()), (0, 0));
        assert_eq!(some.fill_buf().await.unwrap(), b"");
        some.set_limit(u64::MAX);
        assert_eq!(some.read(&mut buf).await.unwrap(), 2);
        assert_eq!(some.limit(), u64::MAX - 2);
    });
}

#[test]
fn buf_reader() {
    block_on(async {
        let mut reader = BufReader::with_capacity(4, Cursor::new(b"0123456789"));
        assert_eq!(reader.fill_buf().await.unwrap(), b"0123");
        reader.consume(1);
        let mut large = [0; 8];
        // What is in the buffer comes first, then large reads go past it.
        assert_eq!(reader.read(&mut large).await.unwrap(), 3);
        assert_eq!(reader.read(&mut large[..6]).await.unwrap(), 6);
        assert_eq!(reader.read(&mut large[..1]).await.unwrap(), 0);
        assert_eq!(reader.buffer(), b"");

        // The position is that of what was read from outside.
        reader.rewind().await.unwrap();
        reader.read_u8().await.unwrap();
        assert_eq!(reader.buffer(), b"123");
        assert_eq!(reader.get_ref().position(), 4);
        assert_eq!(reader.seek(SeekFrom::Current(2)).await.unwrap(), 3);
        assert_eq!(reader.buffer(), b"");
        assert_eq!(reader.read_u8().await.unwrap(), b'3');
        assert_eq!(reader.seek(SeekFrom::Current(-4)).await.unwrap(), 0);
        reader.read_u8().await.unwrap();
        // Two steps, of which the second cannot succeed: the first one remains.
        assert!(reader.seek(SeekFrom::Current(i64::MIN)).await.is_err());
        assert_eq!(reader.get_ref().position(), 1);
        assert_eq!(reader.read_u8().await.unwrap(), b'1');
        assert_eq!(reader.seek(SeekFrom::End(-1)).await.unwrap(), 9);
    });
    assert!(catch_unwind(|| BufReader::with_capacity(0, empty())).is_err());
}

#[test]
fn buf_writer_gathers() {
    block_on(async {
        for vectored in [false, true] {
            let log = Log {
                vectored,
                ..Log::default()
            };
            let mut writer = BufWriter::with_capacity(8, log);
            writer.write_all(b"abc").await.unwrap();
            writer.write_all(b"def").await.unwrap();
            assert_eq!(writer.buffer(), b"abcdef");
            // It does not fit: what is there goes first.
            writer.write_all(b"ghi").await.unwrap();
            assert_eq!(writer.get_ref().events, ["abcdef"]);
            // As large as the buffer: it goes past it.
            writer.write_all(b"12345678").await.unwrap();
            assert_eq!(writer.get_ref().events[1..], ["ghi", "12345678"]);

            let bufs = [b"".as_slice(), b"xy", b"", b"z"].map(IoSlice::new);
            assert_eq!(writer.write_vectored(&bufs).await.unwrap(), 3);
            assert_eq!(writer.buffer(), b"xyz");
            let bufs = [b"12345".as_slice(), b"6789"].map(IoSlice::new);
            let n = writer.write_vectored(&bufs).await.unwrap();
            // Together past the buffer, or the first one into it.
            assert_eq!(n, if vectored { 9 } else { 5 });
            assert_eq!(writer.write_vectored(&[]).await.unwrap(), 0);
            writer.shutdown().await.unwrap();
            let events = &writer.get_ref().events[3..];
            let expected: &[&str] = if vectored {
                &["xyz", "123456789", "SHUTDOWN"]
            } else {
                &["xyz12345", "SHUTDOWN"]
            };
            assert_eq!(events, expected);
        }
    });
}

/// A flush resumes where it stopped, whether it waited, failed or was abandoned.
#[test]
fn buf_writer_writes_each_byte_once() {
    let log = Log {
        most: 2,
        waits: 1,
        failures: [ErrorKind::Interrupted].into(),
        ..Log::default()
    };
    let mut writer = BufWriter::with_capacity(16, log);
    block_on(writer.write_all(b"abcdefgh")).unwrap();
    assert!(poll_once(writer.flush()).is_pending());
    writer.get_mut().failures.push_back(ErrorKind::TimedOut);
    let error = block_on(writer.flush()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    writer.get_mut().waits = 1;
    block_on(writer.flush()).unwrap();
    assert_eq!(writer.get_ref().events, ["ab", "cd", "ef", "gh", "FLUSH"]);
    assert_eq!(writer.buffer(), b"");

    let mut full = BufWriter::new(Cursor::new(vec![0; 3].into_boxed_slice()));
    block_on(full.write_all(b"abcde")).unwrap();
    let error = block_on(full.flush()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
    assert_eq!(full.buffer(), b"de");
}

/// What is in the buffer belongs where the position was.
#[test]
fn buf_writer_seeks_after_writing() {
    block_on(async {
        let mut writer = BufWriter::new(Cursor::new(Vec::new()));
        writer.write_all(b"abcdef").await.unwrap();
        assert_eq!(writer.seek(SeekFrom::Start(2)).await.unwrap(), 2);
        assert_eq!(writer.get_ref().get_ref(), b"abcdef");
        writer.write_all(b"XY").await.unwrap();
        assert_eq!(writer.stream_position().await.unwrap(), 4);
        assert!(writer.seek(SeekFrom::Current(-9)).await.is_err());
        assert_eq!(writer.into_inner().into_inner(), b"abXYef");
    });
}

#[test]
fn buf_stream() {
    block_on(async {
        let (stream, mut other) = duplex(64);
        let mut stream = BufStream::with_capacity(4, 8, stream);
        stream.write_all(b"hello").await.unwrap();
        assert!(poll_once(other.read(&mut [0; 1])).is_pending());
        stream.flush().await.unwrap();
        assert_eq!(other.read(&mut [0; 9]).await.unwrap(), 5);
        other.write_all(b"a\nb").await.unwrap();
        let mut text = String::new();
        stream.read_line(&mut text).await.unwrap();
        assert_eq!(text, "a\n");
        assert_eq!(stream.fill_buf().await.unwrap(), b"b");

        // The buffers survive being put together the other way round.
        let (stream, mut other) = duplex(64);
        other.write_all(b"read").await.unwrap();
        let mut reader = BufReader::new(stream);
        reader.fill_buf().await.unwrap();
        let mut writer = BufWriter::new(reader);
        writer.write_all(b"write").await.unwrap();
        let mut stream = BufStream::from(writer);
        assert_eq!(stream.fill_buf().await.unwrap(), b"read");
        stream.shutdown().await.unwrap();
        text.clear();
        other.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "write");
        assert!(format!("{stream:?}").contains("4/8192"));
    });
}

#[test]
fn empty_repeat_and_sink() {
    block_on(async {
        let mut nothing = empty();
        assert_eq!(nothing.write(b"gone").await.unwrap(), 4);
        assert_eq!(nothing.seek(SeekFrom::End(5)).await.unwrap(), 0);
        assert_eq!(nothing.read(&mut [0; 4]).await.unwrap(), 0);
        assert_eq!(
            format!("{nothing:?} {:?}", sink()),
            "Empty { .. } Sink { .. }"
        );
        let bufs = [IoSlice::new(b"ab"), IoSlice::new(b"c")];
        assert_eq!(sink().write_vectored(&bufs).await.unwrap(), 3);
        let mut buf = [0; 4];
        repeat(9).read_exact(&mut buf).await.unwrap();
        assert_eq!(buf, [9; 4]);
    });
}

/// Pinning goes through all layers of adapters: streams that must not move can be used in them.
#[test]
fn adapters_of_pinned_streams() {
    struct Pinned(std::marker::PhantomPinned);
    impl AsyncRead for Pinned {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buf.put_slice(&b"pinned"[..buf.remaining().min(6)]);
            Poll::Ready(Ok(()))
        }
    }
    impl AsyncSeek for Pinned {
        fn start_seek(self: Pin<&mut Self>, _: SeekFrom) -> io::Result<()> {
            Ok(())
        }
        fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
            Poll::Ready(Ok(7))
        }
    }
    let pinned = || Pinned(std::marker::PhantomPinned);
    let mut reader = pin!(BufReader::new(pinned().take(6).chain(pinned().take(1))));
    let mut text = String::new();
    block_on(reader.read_to_string(&mut text)).unwrap();
    assert_eq!(text, "pinnedp");
    let mut seeker = pin!(BufReader::new(pinned()));
    assert_eq!(block_on(seeker.stream_position()).unwrap(), 7);
}
