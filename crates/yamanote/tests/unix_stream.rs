//! Unix streams: every byte arrives once and in order, ends and errors are reported, nothing is
//! left open.

mod tcp_support;

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::task::Context;
use std::time::Duration;

use futures::FutureExt;
use tcp_support::{Chance, assert_numbered, numbered, unless_blocked};
use yamanote::io::{AsyncReadExt, AsyncWriteExt, Interest};
use yamanote::net::unix::SocketAddr;
use yamanote::net::{UnixListener, UnixSocket, UnixStream};
use yamanote::time::timeout;
use yamanote_test::{CountingWaker, Snapshot, TempDir};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(30);
const MIB: usize = 1024 * 1024;

/// A listener, and the directory with its path.
fn listening() -> (UnixListener, PathBuf, TempDir) {
    let directory = TempDir::new();
    let path = directory.path().join("socket");
    (UnixListener::bind(&path).unwrap(), path, directory)
}

/// Fills both buffers of the connection; returns how many numbered bytes that took.
fn fill(stream: &UnixStream) -> usize {
    let mut sent = 0;
    while let Some(written) = unless_blocked(stream.try_write(&numbered(sent..sent + 4096))) {
        sent += written;
    }
    sent
}

yamanote_test::matrix! {
    async fn every_byte_arrives_both_ways() {
        let (listener, path, _directory) = listening();
        let connecting = yamanote::spawn(UnixStream::connect(path));
        let (accepted, _) = listener.accept().await.unwrap();
        let connected = connecting.await.unwrap().unwrap();
        let ends = [(connected, 1), (accepted, 2)].map(|(stream, n)| {
            let (mut read, mut write) = stream.into_split();
            let mut chance = Chance::new("every_byte_arrives_both_ways");
            let writer = yamanote::spawn(async move {
                let mut sent = 0;
                while sent < n * MIB {
                    let length = (chance.below(20_000) + 1).min(n * MIB - sent);
                    let bytes = numbered(sent..sent + length);
                    sent += match chance.below(3) {
                        0 => {
                            write.writable().await.unwrap();
                            unless_blocked(write.try_write(&bytes)).unwrap_or(0)
                        }
                        1 => {
                            let (one, two) = bytes.split_at(length / 2);
                            let slices = [IoSlice::new(one), IoSlice::new(two)];
                            write.write_vectored(&slices).await.unwrap()
                        }
                        _ => write.write(&bytes).await.unwrap(),
                    };
                }
                write.shutdown().await.unwrap();
            });
            let mut chance = Chance::new("every_byte_arrives_both_ways, reading");
            let reader = yamanote::spawn(async move {
                let mut received = 0;
                let mut buf = vec![0; 30_000];
                loop {
                    let room = chance.below(buf.len()) + 1;
                    let length = match chance.below(3) {
                        0 => {
                            read.readable().await.unwrap();
                            let (one, two) = buf[..room].split_at_mut(room / 2);
                            let mut slices = [IoSliceMut::new(one), IoSliceMut::new(two)];
                            let Some(length) = unless_blocked(read.try_read_vectored(&mut slices))
                            else { continue };
                            length
                        }
                        1 => {
                            read.readable().await.unwrap();
                            let mut room = &mut buf[..room];
                            let Some(length) = unless_blocked(read.try_read_buf(&mut room))
                            else { continue };
                            length
                        }
                        _ => read.read(&mut buf[..room]).await.unwrap(),
                    };
                    if length == 0 {
                        return received;
                    }
                    assert_numbered(received, &buf[..length]);
                    received += length;
                }
            });
            (writer, reader)
        });
        let [(one_sent, one_received), (two_sent, two_received)] = ends;
        one_sent.await.unwrap();
        two_sent.await.unwrap();
        assert_eq!(one_received.await.unwrap(), 2 * MIB);
        assert_eq!(two_received.await.unwrap(), MIB);
    }

    async fn addresses_of_every_kind(setup: yamanote_test::Setup) {
        let (listener, path, directory) = listening();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        assert!(peer.is_unnamed() && client.local_addr().unwrap().is_unnamed());
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path));
        assert_eq!(server.local_addr().unwrap().as_pathname(), Some(&*path));
        assert_eq!(format!("{peer:?}"), "(unnamed)");

        // A client with a name.
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(directory.path().join("client")).unwrap();
        let _named = socket.connect(&path).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.as_pathname(), Some(&*directory.path().join("client")));

        let name = format!("\0yamanote {} {setup:?}", std::process::id());
        let listener = UnixListener::bind(&name).unwrap();
        let own = listener.local_addr().unwrap();
        assert_eq!(own.as_abstract_name(), Some(&name.as_bytes()[1..]));
        assert_eq!(UnixListener::bind(&name).unwrap_err().kind(), ErrorKind::AddrInUse);
        let _one = UnixStream::connect(&name).await.unwrap();
        let _other = UnixStream::connect_addr(&own).await.unwrap();
        for _ in 0..2 {
            listener.accept().await.unwrap();
        }
        drop(listener);
        let refused = UnixStream::connect(&name).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let std = std::os::unix::net::SocketAddr::from(own);
        UnixListener::bind_addr(&SocketAddr::from(std)).unwrap();

        for path in ["a\0b".to_owned(), "long".repeat(30)] {
            let error = UnixListener::bind(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let error = UnixStream::connect(&path).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let error = UnixSocket::new_stream().unwrap().bind(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        let missing = UnixStream::connect(directory.path().join("nobody")).await;
        assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    }

    async fn sockets_become_only_what_they_can() {
        let datagram = || UnixSocket::new_datagram().unwrap();
        let text = datagram().listen(1).unwrap_err().to_string();
        assert_eq!(text, "listen cannot be called on a datagram socket");
        let text = datagram().connect("/nowhere").await.unwrap_err().to_string();
        assert_eq!(text, "connect cannot be called on a datagram socket");
        let text = UnixSocket::new_stream().unwrap().datagram().unwrap_err().to_string();
        assert_eq!(text, "datagram cannot be called on a stream socket");
        datagram().datagram().unwrap();
    }

    async fn the_peer_is_known() {
        let (one, other) = UnixStream::pair().unwrap();
        // SAFETY: these calls only return numbers.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        for end in [one, other] {
            let peer = end.peer_cred().unwrap();
            assert_eq!((peer.uid(), peer.gid()), (uid, gid));
            assert_eq!(peer.pid(), Some(std::process::id() as i32));
        }
    }

    /// The kernel lets nobody wait for a place in the queue.
    async fn a_full_backlog_is_an_error_and_passes() {
        let directory = TempDir::new();
        let path = directory.path().join("socket");
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        let listener = socket.listen(1).unwrap();
        let mut waiting = Vec::new();
        let full = loop {
            match UnixStream::connect(&path).await {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
        };
        assert_eq!(full.raw_os_error(), Some(libc::EAGAIN));
        assert_eq!(waiting.len(), 2, "one more than asked for, as Linux counts");
        listener.accept().await.unwrap();
        waiting.push(UnixStream::connect(&path).await.unwrap());
        for _ in 1..waiting.len() {
            listener.accept().await.unwrap();
        }
        assert!(listener.accept().now_or_never().is_none());
        assert!(listener.take_error().unwrap().is_none());
    }

    async fn halves_end_and_are_reunited() {
        let mut buf = [0; 16];
        let (one, mut other) = UnixStream::pair().unwrap();
        let (read, write) = one.into_split();
        let (foreign, keep) = UnixStream::pair().unwrap().0.into_split();
        let error = read.reunite(keep).unwrap_err();
        assert_eq!(error.to_string(), "tried to reunite halves that are not from the same socket");
        let (read, keep) = (error.0, error.1);
        drop((foreign, keep));
        let mut one = write.reunite(read).unwrap();
        one.write_all(b"whole").await.unwrap();
        assert_eq!(other.read(&mut buf).await.unwrap(), 5);

        let (mut borrowed_read, mut borrowed_write) = one.split();
        borrowed_write.write_all(b"half").await.unwrap();
        assert_eq!(other.read(&mut buf).await.unwrap(), 4);
        other.write_all(b"back").await.unwrap();
        assert_eq!(borrowed_read.read(&mut buf).await.unwrap(), 4);
        assert!(borrowed_read.peer_addr().unwrap().is_unnamed());

        let (mut read, write) = one.into_split();
        write.forget();
        assert!(other.read(&mut buf).now_or_never().is_none(), "nothing was shut down");
        drop(read.as_ref().local_addr());
        other.write_all(b"more").await.unwrap();
        assert_eq!(read.read(&mut buf).await.unwrap(), 4);
        drop(read);
        assert_eq!(timeout(LONG, other.read(&mut buf)).await.unwrap().unwrap(), 0);

        let (one, mut other) = UnixStream::pair().unwrap();
        let (mut read, write) = one.into_split();
        drop(write);
        assert_eq!(timeout(LONG, other.read(&mut buf)).await.unwrap().unwrap(), 0);
        other.write_all(b"still").await.unwrap();
        assert_eq!(read.read(&mut buf).await.unwrap(), 5);
    }

    async fn ends_and_errors_are_told() {
        let mut buf = [0; 16];
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.write_all(b"last").await.unwrap();
        drop(one);
        assert_eq!(other.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(other.read(&mut []).await.unwrap(), 0);
        assert_eq!(other.read(&mut buf).await.unwrap(), 4);
        for _ in 0..2 {
            assert_eq!(other.read(&mut buf).await.unwrap(), 0);
            assert!(other.ready(Interest::READABLE).await.unwrap().is_read_closed());
        }
        // Closed twice is closed.
        other.shutdown().await.unwrap();
        other.shutdown().await.unwrap();

        // What the peer has not read when it goes is a reset, reported once.
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(b"unread").await.unwrap();
        drop(other);
        assert_eq!(one.read(&mut buf).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(one.read(&mut buf).await.unwrap(), 0);
    }

    async fn back_pressure_lets_the_writer_sleep() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let sent = fill(&one);
        let counting = CountingWaker::new();
        let waker = counting.waker();
        assert!(one.poll_write_ready(&mut Context::from_waker(&waker)).is_pending());
        timeout(SHORT, one.write(b"never")).await.unwrap_err();
        let rest = numbered(sent..sent + MIB);
        let writing = yamanote::spawn(async move {
            one.write_all(&rest).await.unwrap();
            drop(one);
        });
        let mut received = Vec::new();
        timeout(LONG, other.read_to_end(&mut received)).await.unwrap().unwrap();
        assert_eq!(received.len(), sent + MIB);
        assert_numbered(0, &received);
        writing.await.unwrap();
    }

    /// Readiness stays until an operation finds nothing; then the next byte brings it back.
    async fn readiness_ends_when_nothing_is_found() {
        let (one, other) = UnixStream::pair().unwrap();
        let mut buf = [0; 4];
        assert!(other.readable().now_or_never().is_none());
        one.try_write(b"abcdef").unwrap();
        timeout(LONG, other.readable()).await.unwrap().unwrap();
        assert_eq!(other.try_read(&mut buf).unwrap(), 4);
        other.readable().now_or_never().expect("still ready").unwrap();
        assert_eq!(other.try_read(&mut buf).unwrap(), 2);
        assert_eq!(other.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        timeout(SHORT, other.readable()).await.unwrap_err();
        one.try_write(b"g").unwrap();
        timeout(LONG, other.readable()).await.unwrap().unwrap();
        let read = other.async_io(Interest::READABLE, || {
            socket2::SockRef::from(&other).recv(&mut [std::mem::MaybeUninit::uninit(); 4])
        });
        assert_eq!(timeout(LONG, read).await.unwrap().unwrap(), 1);
        let denied = other.try_io(Interest::READABLE, || {
            std::io::Result::<()>::Err(ErrorKind::WouldBlock.into())
        });
        assert_eq!(denied.unwrap_err().kind(), ErrorKind::WouldBlock);
        timeout(SHORT, other.readable()).await.unwrap_err();
    }

    async fn dropped_futures_take_nothing() {
        let (listener, path, _directory) = listening();
        let (mut buf, mut kept) = ([0; 16], Vec::new());
        for round in 0..50_u8 {
            drop(UnixStream::connect(&path));
            {
                let mut accepting = pin!(listener.accept());
                assert!(futures::poll!(accepting.as_mut()).is_pending());
                kept.push(UnixStream::connect(&path).await.unwrap());
            }
            let (mut server, _) = listener.accept().await.unwrap();
            let client = kept.last_mut().unwrap();
            {
                let mut reading = pin!(server.read(&mut buf));
                assert!(futures::poll!(reading.as_mut()).is_pending());
                client.write_all(&[round]).await.unwrap();
            }
            assert_eq!(server.read(&mut buf).await.unwrap(), 1);
            assert_eq!(buf[0], round);
        }
        assert!(listener.accept().now_or_never().is_none());
    }

    async fn into_std_and_back() {
        let (one, mut other) = UnixStream::pair().unwrap();
        other.write_all(b"early").await.unwrap();
        let mut std = one.into_std().unwrap();
        std.set_nonblocking(false).unwrap();
        let mut buf = [0; 5];
        std.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"early");
        std.write_all(b"reply").unwrap();
        std.set_nonblocking(true).unwrap();
        let mut one = UnixStream::try_from(std).unwrap();
        other.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"reply");
        other.write_all(b"later").await.unwrap();
        one.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"later");
        let (listener, path, _directory) = listening();
        let std = listener.into_std().unwrap();
        let listener = UnixListener::try_from(std).unwrap();
        let _client = UnixStream::connect(path).await.unwrap();
        std::future::poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
    }

    alone fn no_descriptor_is_left(setup: yamanote_test::Setup) {
        let directory = TempDir::new();
        let before = Snapshot::take();
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let inside = Snapshot::take().descriptor_count();
        let count = || Snapshot::take().descriptor_count() - inside;
        let (outlives, listener) = runtime.block_on(async {
            let path = directory.path().join("socket");
            let listener = UnixListener::bind(&path).unwrap();
            let client = UnixStream::connect(&path).await.unwrap();
            assert_eq!(count(), 2);
            let (server, _) = listener.accept().await.unwrap();
            assert_eq!(count(), 3);
            let (read, write) = client.into_split();
            drop(write);
            assert_eq!(count(), 3, "the read half holds it");
            drop(read);
            assert_eq!(count(), 2);
            UnixStream::connect(directory.path().join("nobody")).await.unwrap_err();
            UnixListener::bind(&path).unwrap_err();
            UnixSocket::new_stream().unwrap().datagram().unwrap_err();
            drop(UnixSocket::new_stream().unwrap().connect(&path));
            assert_eq!(count(), 2);
            (server, listener)
        });
        drop(runtime);
        let gone = outlives.readable().now_or_never().expect("told at once").unwrap_err();
        assert!(gone.to_string().contains("being shutdown"), "{gone}");
        assert!(listener.accept().now_or_never().expect("told at once").is_err());
        drop((outlives, listener));
        before.assert_restored();
    }
}
