//! The methods of `AsyncReadExt` and `AsyncBufReadExt`; memory and pointers as streams.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Cursor, ErrorKind, SeekFrom};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use futures::executor::block_on;
use yamanote::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite, AsyncWriteExt,
    BufReader, ReadBuf, duplex, empty,
};

/// A reader that returns a given piece per call, with failures and waits in between.
#[derive(Default)]
struct Steps(VecDeque<Step>);

enum Step {
    Data(&'static [u8]),
    Fail(ErrorKind),
    Wait,
}
use Step::{Data, Fail, Wait};

fn steps(steps: impl IntoIterator<Item = Step>) -> Steps {
    Steps(steps.into_iter().collect())
}

impl AsyncRead for Steps {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.0.pop_front() {
            None => {}
            Some(Data(data)) => {
                let (now, later) = data.split_at(data.len().min(buf.remaining()));
                buf.put_slice(now);
                if !later.is_empty() {
                    self.0.push_front(Data(later));
                }
            }
            Some(Fail(kind)) => return Poll::Ready(Err(kind.into())),
            Some(Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Each number in both orders: the bytes are those of the standard library, and they come back,
/// also in pieces.
#[test]
fn numbers() {
    macro_rules! check {
        ($($number:ident: $be_write:ident $be_read:ident, $le_write:ident $le_read:ident;)*) => {$(
            for value in [$number::MIN, $number::MAX, 0x12 as $number, -0.0_f64 as $number] {
                let mut bytes = Vec::new();
                block_on(bytes.$be_write(value)).unwrap();
                assert_eq!(bytes, value.to_be_bytes());
                assert_eq!(block_on((&bytes[..]).$be_read()).unwrap(), value);
                bytes.clear();
                block_on(bytes.$le_write(value)).unwrap();
                assert_eq!(bytes, value.to_le_bytes());
                assert_eq!(block_on((&bytes[..]).$le_read()).unwrap(), value);

                // Through a pipe of one byte.
                let (mut here, mut there) = duplex(1);
                let (_, read) = block_on(futures::future::join(
                    async { here.$be_write(value).await.unwrap() },
                    there.$be_read(),
                ));
                assert_eq!(read.unwrap(), value);

                let short = &bytes[1..];
                let error = block_on((&short[..]).$be_read()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
                let mut small = vec![0; short.len()];
                let error = block_on(Cursor::new(&mut small[..]).$le_write(value)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WriteZero);
            }
        )*};
    }
    check! {
        u8: write_u8 read_u8, write_u8 read_u8;
        i8: write_i8 read_i8, write_i8 read_i8;
        u16: write_u16 read_u16, write_u16_le read_u16_le;
        i16: write_i16 read_i16, write_i16_le read_i16_le;
        u32: write_u32 read_u32, write_u32_le read_u32_le;
        i32: write_i32 read_i32, write_i32_le read_i32_le;
        u64: write_u64 read_u64, write_u64_le read_u64_le;
        i64: write_i64 read_i64, write_i64_le read_i64_le;
        u128: write_u128 read_u128, write_u128_le read_u128_le;
        i128: write_i128 read_i128, write_i128_le read_i128_le;
        f32: write_f32 read_f32, write_f32_le read_f32_le;
        f64: write_f64 read_f64, write_f64_le read_f64_le;
    }
    let mut source = steps([
        Data(&[1]),
        Fail(ErrorKind::Interrupted),
        Wait,
        Data(&[2, 3]),
    ]);
    assert_eq!(block_on(source.read_u16()).unwrap(), 0x0102);
    assert_eq!(block_on(source.read_u8()).unwrap(), 3);
}

#[test]
fn read_reads_once() {
    let mut source = steps([Data(b"abc"), Fail(ErrorKind::Interrupted), Data(b"d")]);
    let mut buf = [0; 8];
    assert_eq!(block_on(source.read(&mut [])).unwrap(), 0);
    assert_eq!(block_on(source.read(&mut buf[..2])).unwrap(), 2);
    assert_eq!(block_on(source.read(&mut buf[2..])).unwrap(), 1);
    let error = block_on(source.read(&mut buf)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(block_on(source.read(&mut buf[3..])).unwrap(), 1);
    assert_eq!(&buf[..4], b"abcd");
    assert_eq!(block_on(source.read(&mut buf)).unwrap(), 0);
}

/// Into any `BufMut`: a full one gets nothing, a growing one always has room.
#[test]
fn read_buf_fills_the_free_part() {
    let mut full: &mut [u8] = &mut [];
    assert_eq!(block_on((&b"abc"[..]).read_buf(&mut full)).unwrap(), 0);
    let mut array = [0; 4];
    let mut rest = &mut array[..];
    let mut source = steps([Data(b"abc"), Wait, Data(b"def")]);
    assert_eq!(block_on(source.read_buf(&mut rest)).unwrap(), 3);
    assert_eq!(rest.len(), 1);
    assert_eq!(block_on(source.read_buf(&mut rest)).unwrap(), 1);
    assert_eq!(&array, b"abcd");
    let mut bytes = BytesMut::new();
    let mut vec = Vec::new();
    assert_eq!(block_on(source.read_buf(&mut bytes)).unwrap(), 2);
    assert_eq!(block_on((&b"xyz"[..]).read_buf(&mut vec)).unwrap(), 3);
    assert_eq!((&bytes[..], &vec[..]), (&b"ef"[..], &b"xyz"[..]));
    // Also where only the trait is known.
    let dynamic: &mut dyn bytes::BufMut = &mut vec;
    assert_eq!(block_on((&b"!"[..]).read_buf(dynamic)).unwrap(), 1);
}

#[test]
fn read_exact_goes_on_until_full() {
    let script = || {
        steps([
            Data(b"ab"),
            Wait,
            Fail(ErrorKind::Interrupted),
            Data(b"cde"),
        ])
    };
    let mut buf = [0; 4];
    assert_eq!(block_on(script().read_exact(&mut buf)).unwrap(), 4);
    assert_eq!(&buf, b"abcd");
    let error = block_on(script().read_exact(&mut [0; 6])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(error.to_string(), "early eof");
    assert_eq!(block_on(empty().read_exact(&mut [])).unwrap(), 0);
}

#[test]
fn read_to_end_appends() {
    let mut vec = b"old".to_vec();
    let mut source = steps([
        Data(b"ab"),
        Fail(ErrorKind::Interrupted),
        Wait,
        Data(b"c"),
        Fail(ErrorKind::ConnectionReset),
        Data(b"d"),
    ]);
    let error = block_on(source.read_to_end(&mut vec)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(vec, b"oldabc");
    assert_eq!(block_on(source.read_to_end(&mut vec)).unwrap(), 1);
    assert_eq!(vec, b"oldabcd");

    // A capacity that fits exactly is kept, as is one that a long read has outgrown.
    for (len, kept) in [(100, true), (50, true), (101, false)] {
        let mut vec = Vec::with_capacity(100);
        let data = vec![7; len];
        assert_eq!(block_on((&data[..]).read_to_end(&mut vec)).unwrap(), len);
        assert_eq!(vec, data);
        assert_eq!(vec.capacity() == 100, kept);
    }
}

#[test]
fn read_to_string_is_text_or_nothing() {
    let mut text = "old ".to_owned();
    let mut source = steps([
        Data("ü".as_bytes().split_at(1).0),
        Wait,
        Data(&[0xbc, b'!']),
    ]);
    assert_eq!(block_on(source.read_to_string(&mut text)).unwrap(), 3);
    assert_eq!(text, "old ü!");

    let mut source = steps([Data(b"ok"), Data(&[0xff])]);
    let error = block_on(source.read_to_string(&mut text)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(text, "old ü!");

    for bytes in [&b"ok"[..], &[0xff]] {
        let mut source = steps([Data(bytes), Fail(ErrorKind::TimedOut)]);
        let error = block_on(source.read_to_string(&mut text)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(text, "old ü!");
    }
}

#[test]
fn read_until_and_read_line() {
    let script = || {
        BufReader::new(steps([
            Data(b"on"),
            Wait,
            Data(b"e\ntwo"),
            Fail(ErrorKind::Interrupted),
            Data(b"\n"),
            Data(b"three"),
        ]))
    };
    let mut source = script();
    let mut vec = Vec::new();
    assert_eq!(block_on(source.read_until(b'\n', &mut vec)).unwrap(), 4);
    assert_eq!(block_on(source.read_until(b'\n', &mut vec)).unwrap(), 4);
    assert_eq!(block_on(source.read_until(b'\n', &mut vec)).unwrap(), 5);
    assert_eq!(block_on(source.read_until(b'\n', &mut vec)).unwrap(), 0);
    assert_eq!(vec, b"one\ntwo\nthree");

    let mut source = script();
    let mut text = ">".to_owned();
    assert_eq!(block_on(source.read_line(&mut text)).unwrap(), 4);
    assert_eq!(text, ">one\n");

    // Not text: the old contents stay, the bytes are gone.
    let mut source = &b"\xff\nnext\n"[..];
    let error = block_on(source.read_line(&mut text)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(text, ">one\n");
    assert_eq!(block_on(source.read_line(&mut text)).unwrap(), 5);
    assert_eq!(text, ">one\nnext\n");

    // A failure keeps what was read before.
    let mut source = BufReader::new(steps([Data(b"half"), Fail(ErrorKind::TimedOut)]));
    text.clear();
    let error = block_on(source.read_line(&mut text)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(text, "half");
}

/// `read_until` can be abandoned and resumed with the same output.
#[test]
fn read_until_taken_up_again() {
    let mut source = BufReader::new(steps([Data(b"ab"), Wait, Data(b"c;d")]));
    let mut vec = Vec::new();
    assert!(poll_once(source.read_until(b';', &mut vec)).is_pending());
    assert_eq!(vec, b"ab");
    assert_eq!(block_on(source.read_until(b';', &mut vec)).unwrap(), 2);
    assert_eq!(vec, b"abc;");
}

/// No line or segment is lost when the futures are dropped at every wait.
#[test]
fn lines_and_split() {
    let script = || {
        BufReader::new(steps([
            Data(b"one\r"),
            Wait,
            Data(b"\n\n"),
            Wait,
            Data(b"th\rree\n"),
            Wait,
            Data(b"last\r"),
        ]))
    };
    fn retry<T>(mut poll: impl FnMut() -> Poll<io::Result<Option<T>>>) -> Vec<T> {
        let mut all = Vec::new();
        loop {
            match poll() {
                Poll::Pending => {}
                Poll::Ready(next) => match next.unwrap() {
                    Some(next) => all.push(next),
                    None => return all,
                },
            }
        }
    }
    let mut lines = script().lines();
    let all = retry(|| poll_once(lines.next_line()));
    assert_eq!(all, ["one", "", "th\rree", "last\r"]);
    assert!(lines.get_ref().buffer().is_empty());

    let mut segments = script().split(b'\n');
    let all = retry(|| poll_once(segments.next_segment()));
    assert_eq!(all, [&b"one\r"[..], b"", b"th\rree", b"last\r"]);

    let mut lines = AsyncBufReadExt::lines(&b"bad \xff\ngood"[..]);
    let error = block_on(lines.next_line()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(block_on(lines.next_line()).unwrap().unwrap(), "good");
}

#[test]
fn fill_buf_and_consume() {
    let mut source = BufReader::with_capacity(4, steps([Data(b"abcdef"), Wait, Data(b"g")]));
    assert_eq!(block_on(source.fill_buf()).unwrap(), b"abcd");
    source.consume(3);
    assert_eq!(block_on(source.fill_buf()).unwrap(), b"d");
    source.consume(1);
    assert_eq!(block_on(source.fill_buf()).unwrap(), b"ef");
    source.consume(2);
    assert!(poll_once(source.fill_buf()).is_pending());
    assert_eq!(block_on(source.fill_buf()).unwrap(), b"g");
    source.consume(1);
    assert_eq!(block_on(source.fill_buf()).unwrap(), b"");
}

#[test]
fn memory_as_a_stream() {
    block_on(async {
        let mut boxed = Cursor::new(vec![0; 3].into_boxed_slice());
        assert_eq!(boxed.write(b"abcd").await.unwrap(), 3);
        assert_eq!(boxed.write(b"d").await.unwrap(), 0);
        boxed.flush().await.unwrap();
        let mut owned = Cursor::new(Vec::new());
        owned.set_position(2);
        owned.write_all(b"x").await.unwrap();
        assert_eq!(owned.into_inner(), b"\0\0x");
        let mut vec = vec![1];
        let mut borrowed = Cursor::new(&mut vec);
        borrowed.seek(SeekFrom::End(0)).await.unwrap();
        borrowed.write_all(&[2]).await.unwrap();
        assert_eq!(vec, [1, 2]);

        // Beyond the end there is nothing.
        let mut cursor = Cursor::new(b"abc");
        cursor.set_position(u64::MAX);
        assert_eq!(cursor.read(&mut [0; 4]).await.unwrap(), 0);
        assert_eq!(cursor.position(), u64::MAX);
        cursor.set_position(2);
        assert_eq!(cursor.fill_buf().await.unwrap(), b"c");
    });
}

/// The traits go through boxes, borrows and pins, also of unknown types.
#[test]
fn through_pointers() {
    trait Stream: AsyncRead + AsyncWrite + AsyncSeek {}
    impl<T: AsyncRead + AsyncWrite + AsyncSeek> Stream for T {}
    block_on(async {
        let mut stream: Pin<Box<dyn Stream>> = Box::pin(Cursor::new(vec![0; 4]));
        assert!(stream.is_write_vectored());
        stream.write_all(b"data").await.unwrap();
        stream.rewind().await.unwrap();
        let mut text = String::new();
        (&mut stream)
            .take(3)
            .read_to_string(&mut text)
            .await
            .unwrap();
        assert_eq!(text, "dat");
        assert_eq!(stream.stream_position().await.unwrap(), 3);

        let mut boxed: Box<dyn AsyncRead + Unpin> = Box::new(&b"xy"[..]);
        assert_eq!(boxed.read_u8().await.unwrap(), b'x');
        let mut boxed: Box<dyn yamanote::io::AsyncBufRead + Unpin> = Box::new(&b"1\n2"[..]);
        boxed.read_line(&mut text).await.unwrap();
        assert_eq!(text, "dat1\n");
    });
}

/// A reader that claims more than there was room for is stopped, not believed.
#[test]
fn read_buf_is_not_fooled() {
    let mut memory = [0; 4];
    let mut buf = ReadBuf::new(&mut memory);
    buf.put_slice(b"ab");
    assert_eq!((buf.filled(), buf.remaining()), (&b"ab"[..], 2));
    assert_eq!(
        format!("{buf:?}"),
        "ReadBuf { filled: 2, initialized: 4, capacity: 4 }"
    );
    for mistake in [
        |buf: &mut ReadBuf<'_>| buf.put_slice(b"cde"),
        |buf: &mut ReadBuf<'_>| buf.advance(3),
        |buf: &mut ReadBuf<'_>| buf.advance(usize::MAX),
        |buf: &mut ReadBuf<'_>| buf.set_filled(5),
        |buf: &mut ReadBuf<'_>| drop(buf.initialize_unfilled_to(3).to_vec()),
    ] {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| mistake(&mut buf)));
        assert!(panic.is_err());
        assert_eq!(buf.filled(), b"ab");
    }
    buf.take(1).put_slice(b"c");
    assert_eq!(buf.filled(), b"ab");
    buf.advance(1);
    assert_eq!(buf.filled_mut(), b"abc");
    buf.clear();
    assert_eq!(buf.initialized(), b"abc\0");
}
