//! Copies between sockets and pipes that the kernel does: the same bytes, ends and errors as by
//! reads and writes, through everything that passes bytes on unchanged, and not through what does
//! not.

mod kernel_copy_support;
mod tcp_support;

use std::io;
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures::FutureExt;
use kernel_copy_support::{
    KIB, KINDS, MIB, Reader, Writer, copy_to_end, moved, pass, sink, source,
};
use tcp_support::{assert_numbered, numbered, pair, unless_blocked};
use yamanote::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufStream, BufWriter, ReadBuf,
    copy, copy_bidirectional_with_sizes, join, split,
};
use yamanote::net::TcpStream;
use yamanote::net::unix::pipe;
use yamanote::process::Command;

/// A type of another crate: changes each byte, twice the same way.
struct Secret<T>(T);

impl<T: AsyncRead + Unpin> AsyncRead for Secret<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.0).poll_read(cx, buf);
        buf.filled_mut()[before..]
            .iter_mut()
            .for_each(|byte| *byte ^= 0x5a);
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Secret<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let changed: Vec<u8> = buf.iter().map(|byte| byte ^ 0x5a).collect();
        Pin::new(&mut self.0).poll_write(cx, &changed)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

yamanote_test::matrix! {
    async fn every_pair_of_descriptors_leaves_it_to_the_kernel() {
        for from in KINDS {
            for to in KINDS {
                let (far, reader) = source(from).await;
                let (writer, end) = sink(to).await;
                let before = moved();
                pass(far, 2 * MIB, copy_to_end(reader, writer), end).await;
                let moved = moved() - before;
                assert!(moved >= 32 * KIB as u64, "{from:?} to {to:?}: {moved} bytes");
            }
        }
    }

    async fn whatever_passes_bytes_on_unchanged_passes_the_descriptor_on() {
        type Wrap = (&'static str, fn(TcpStream) -> Reader, fn(TcpStream) -> Writer);
        let wraps: &[Wrap] = &[
            ("nothing", |s| Box::new(s), |s| Box::new(s)),
            ("Box", |s| Box::new(Box::new(s)), |s| Box::new(Box::new(s))),
            ("Pin", |s| Box::new(Box::pin(s)), |s| Box::new(Box::pin(s))),
            (
                "&mut",
                |s| Box::new(Box::leak(Box::new(s))),
                |s| Box::new(Box::leak(Box::new(s))),
            ),
            ("Take", |s| Box::new(s.take(u64::MAX)), |s| Box::new(s)),
            ("BufReader", |s| Box::new(BufReader::new(s)), |s| Box::new(BufReader::new(s))),
            ("BufWriter", |s| Box::new(BufWriter::new(s)), |s| Box::new(BufWriter::new(s))),
            (
                "a large BufWriter",
                |s| Box::new(s),
                |s| Box::new(BufWriter::with_capacity(100_000, s)),
            ),
            ("BufStream", |s| Box::new(BufStream::new(s)), |s| Box::new(BufStream::new(s))),
            (
                "join",
                |s| Box::new(join(s, yamanote::io::sink())),
                |s| Box::new(join(yamanote::io::empty(), s)),
            ),
            (
                "the second of a chain",
                |s| Box::new(yamanote::io::empty().chain(s)),
                |s| Box::new(s),
            ),
            ("split", |s| Box::new(split(s).0), |s| Box::new(split(s).1)),
            ("owned halves", |s| Box::new(s.into_split().0), |s| Box::new(s.into_split().1)),
        ];
        for (name, wrap_reader, wrap_writer) in wraps {
            // A half that is dropped shuts its side down; here that side has nothing to say.
            let (far, near) = pair().await;
            let (out, end) = pair().await;
            let (reader, writer) = (wrap_reader(near), wrap_writer(out));
            let before = moved();
            let far: Writer = Box::new(far);
            pass(far, 2 * MIB, copy_to_end(reader, writer), Box::new(end)).await;
            let moved = moved() - before;
            assert!(moved >= 32 * KIB as u64, "{name}: {moved} bytes");
        }
    }

    async fn borrowed_halves_and_both_directions() {
        let (mut a, mut b) = pair().await;
        let (mut c, mut d) = pair().await;
        let before = moved();
        let relay = yamanote::spawn(async move {
            let (b_read, b_write) = b.split();
            let (c_read, c_write) = c.split();
            let (mut b, mut c) = (join(b_read, b_write), join(c_read, c_write));
            copy_bidirectional_with_sizes(&mut b, &mut c, 8 * KIB, 100).await
        });
        let ends = async {
            let (mut a_read, mut a_write) = a.split();
            let (mut d_read, mut d_write) = d.split();
            let (to_d, to_a) = (numbered(0..3 * MIB), numbered(0..2 * MIB));
            let (mut at_d, mut at_a) = (Vec::new(), Vec::new());
            let sending = async {
                a_write.write_all(&to_d).await.unwrap();
                a_write.shutdown().await.unwrap();
            };
            let answering = async {
                d_write.write_all(&to_a).await.unwrap();
                d_write.shutdown().await.unwrap();
            };
            let _ = yamanote::join!(
                sending,
                answering,
                d_read.read_to_end(&mut at_d),
                a_read.read_to_end(&mut at_a),
            );
            assert!(at_d == to_d && at_a == to_a);
        };
        ends.await;
        assert_eq!(relay.await.unwrap().unwrap(), (3 * MIB as u64, 2 * MIB as u64));
        assert!(moved() > before);
    }

    async fn types_of_others_get_every_byte() {
        let (far, near) = pair().await;
        let (out, end) = pair().await;
        let before = moved();
        let copying = copy_to_end(Secret(near), Secret(out));
        pass(Box::new(far), 2 * MIB, copying, Box::new(end)).await;
        assert_eq!(moved(), before);
        for (mine, reading) in [(true, true), (true, false)] {
            let (far, near) = pair().await;
            let (out, end) = pair().await;
            let reader: Reader = match mine && reading {
                true => Box::new(Secret(near)),
                false => Box::new(near),
            };
            let writer: Writer = match mine && !reading {
                true => Box::new(Secret(out)),
                false => Box::new(out),
            };
            let end = Box::new(Secret(end));
            pass(Box::new(far), MIB, copy_to_end(reader, writer), end).await;
        }
        assert_eq!(moved(), before);
    }

    async fn a_take_is_kept_to_the_byte() {
        for limit in [0, 1, 20_000, 300_001, MIB - 1, 2 * MIB] {
            let (mut far, near) = pair().await;
            let (mut out, mut end) = pair().await;
            let sending = yamanote::spawn(async move {
                far.write_all(&numbered(0..MIB)).await.unwrap();
                far.shutdown().await.unwrap();
            });
            let copying = yamanote::spawn(async move {
                let mut reader = near.take(limit as u64);
                let copied = copy(&mut reader, &mut out).await.unwrap();
                assert_eq!(copied as usize, limit.min(MIB));
                assert_eq!(reader.limit() as usize, limit - copied as usize);
                let mut rest = Vec::new();
                reader.into_inner().read_to_end(&mut rest).await.unwrap();
                assert_numbered(limit.min(MIB), &rest);
                assert_eq!(rest.len(), MIB - limit.min(MIB));
            });
            let mut received = Vec::new();
            end.read_to_end(&mut received).await.unwrap();
            assert_numbered(0, &received);
            assert_eq!(received.len(), limit.min(MIB));
            copying.await.unwrap();
            sending.await.unwrap();
        }
    }

    async fn what_is_buffered_on_either_side_comes_first() {
        let (mut far, near) = pair().await;
        let (out, mut end) = pair().await;
        let mut writer = BufWriter::with_capacity(70_000, out);
        writer.write_all(&numbered(0..9)).await.unwrap();
        far.write_all(&numbered(9..100_000)).await.unwrap();
        far.shutdown().await.unwrap();
        // Its buffer ends with a read of the copy, when the writer's is not empty.
        let mut reader = BufReader::with_capacity(48 * KIB, near);
        let mut first = vec![0; 8 * KIB];
        reader.read_exact(&mut first).await.unwrap();
        writer.write_all(&first).await.unwrap();
        let copied = copy(&mut reader, &mut writer).await.unwrap();
        assert_eq!(copied as usize, 100_000 - 9 - 8 * KIB);
        drop(writer);
        let mut received = Vec::new();
        end.read_to_end(&mut received).await.unwrap();
        assert_numbered(0, &received);
        assert_eq!(received.len(), 100_000);
    }

    /// As a proxy does that has looked at the first bytes.
    async fn the_first_of_a_chain_comes_first() {
        let (mut far, near) = pair().await;
        let (mut out, mut end) = pair().await;
        let sending = yamanote::spawn(async move {
            far.write_all(&numbered(70_000..MIB)).await.unwrap();
        });
        let first = numbered(0..70_000);
        // There is something that could overtake it.
        near.peek(&mut [0]).await.unwrap();
        let mut reader = (&first[..]).chain(near);
        let copying = async {
            let copied = copy(&mut reader, &mut out).await.unwrap();
            out.shutdown().await.unwrap();
            copied
        };
        let mut received = Vec::new();
        let (copied, read) = yamanote::join!(copying, end.read_to_end(&mut received));
        assert_eq!((copied, read.unwrap()), (MIB as u64, MIB));
        assert_numbered(0, &received);
        assert!(moved() > 0);
        sending.await.unwrap();
    }

    async fn a_stream_can_be_copied_to_itself() {
        for way in 0..4 {
            let (far, near) = pair().await;
            let before = moved();
            let echo = yamanote::spawn(async move {
                let mut near = near;
                match way {
                    0 => {
                        let (mut read, mut write) = split(near);
                        copy(&mut read, &mut write).await?;
                        write.shutdown().await
                    }
                    1 => {
                        let (mut read, mut write) = near.into_split();
                        copy(&mut read, &mut write).await?;
                        write.shutdown().await
                    }
                    2 => {
                        let (mut read, mut write) = near.split();
                        copy(&mut read, &mut write).await?;
                        write.shutdown().await
                    }
                    _ => {
                        let (mut read, mut write) = split(BufStream::new(near));
                        copy(&mut read, &mut write).await?;
                        write.shutdown().await
                    }
                }
            });
            let (mut read, mut write) = far.into_split();
            let sending = yamanote::spawn(async move {
                write.write_all(&numbered(0..2 * MIB)).await.unwrap();
                write.shutdown().await.unwrap();
            });
            let mut received = Vec::new();
            read.read_to_end(&mut received).await.unwrap();
            assert_numbered(0, &received);
            assert_eq!(received.len(), 2 * MIB, "way {way}");
            echo.await.unwrap().unwrap();
            sending.await.unwrap();
            assert!(moved() > before, "way {way}");
        }
        // A pipe that is its own source and sink is no work for the kernel.
        let (sender, receiver) = pipe::pipe().unwrap();
        let (mut read, mut write) = split(join(receiver, sender));
        write.write_all(&numbered(0..60_000)).await.unwrap();
        let mut copying = pin!(copy(&mut read, &mut write));
        for _ in 0..20 {
            assert!(copying.as_mut().now_or_never().is_none());
        }
    }

    async fn childrens_streams_are_pipes() {
        let mut cat = Command::new("cat");
        let piped = std::process::Stdio::piped;
        let mut child = cat.stdin(piped()).stdout(piped()).spawn().unwrap();
        let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (mut far, mut near) = pair().await;
        let before = moved();
        let feeding = yamanote::spawn(async move {
            copy(&mut near, &mut stdin).await.unwrap();
        });
        let sending = yamanote::spawn(async move {
            far.write_all(&numbered(0..2 * MIB)).await.unwrap();
        });
        let (out, mut end) = pair().await;
        let copying = yamanote::spawn(copy_to_end(stdout, out));
        let mut received = Vec::new();
        end.read_to_end(&mut received).await.unwrap();
        assert_numbered(0, &received);
        assert_eq!(received.len(), 2 * MIB);
        assert_eq!(copying.await.unwrap().unwrap(), 2 * MIB as u64);
        feeding.await.unwrap();
        sending.await.unwrap();
        assert!(child.wait().await.unwrap().success());
        assert!(moved() > before);
    }

    async fn urgent_data_is_stepped_over() {
        let (far, near) = pair().await;
        let (out, mut end) = pair().await;
        let copying = yamanote::spawn(copy_to_end(near, out));
        let sending = yamanote::spawn(async move {
            let mut far = far;
            for piece in 0..8 {
                let start = piece * 100_000;
                far.write_all(&numbered(start..start + 100_000)).await.unwrap();
                loop {
                    far.writable().await.unwrap();
                    let sent = far.try_io(yamanote::io::Interest::WRITABLE, || {
                        // SAFETY: one byte of a static.
                        let sent = unsafe {
                            libc::send(far.as_raw_fd(), b"!".as_ptr().cast(), 1, libc::MSG_OOB)
                        };
                        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
                    });
                    if unless_blocked(sent).is_some() {
                        break;
                    }
                }
            }
            far.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        end.read_to_end(&mut received).await.unwrap();
        sending.await.unwrap();
        assert_eq!(copying.await.unwrap().unwrap() as usize, received.len());
        // An urgent byte that the next one follows before it was passed stays in the stream.
        let mut position = 0;
        for byte in received {
            match position < 800_000 && byte == numbered(position..position + 1)[0] {
                true => position += 1,
                false => assert_eq!(byte, b'!', "at byte {position}"),
            }
        }
        assert_eq!(position, 800_000);
    }

    async fn errors_of_either_side_end_a_copy() {
        // The reader of the far end goes, with bytes unread: the writer learns of it.
        let (far, near) = pair().await;
        let (out, mut end) = pair().await;
        let sending = yamanote::spawn(async move {
            let mut far = far;
            while far.write_all(&numbered(0..MIB)).await.is_ok() {}
        });
        let mut out = out;
        let mut near = near;
        let copying = yamanote::spawn(async move { copy(&mut near, &mut out).await });
        let mut some = vec![0; 3 * MIB];
        end.read_exact(&mut some).await.unwrap();
        drop(end);
        let error = copying.await.unwrap().unwrap_err();
        let expected = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert!(expected.contains(&error.kind()), "{error}");
        sending.await.unwrap();

        // The sender resets its connection: the reader learns of it.
        let (mut far, mut near) = pair().await;
        let (mut out, mut end) = pair().await;
        near.write_all(b"unread").await.unwrap();
        let copying = yamanote::spawn(async move { copy(&mut near, &mut out).await });
        far.write_all(&numbered(0..MIB)).await.unwrap();
        drop(far);
        let error = copying.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let mut received = Vec::new();
        end.read_to_end(&mut received).await.unwrap();
        assert_numbered(0, &received);
    }
}
