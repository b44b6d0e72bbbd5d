//! Streams of exact bytes: both directions, half-closed, reset, under back-pressure, in pieces.

mod tcp_support;

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tcp_support::{assert_numbered, numbered, pair, total, unless_blocked};
use yamanote::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};
use yamanote::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use yamanote::time::{sleep, timeout};

const MIB: usize = 1024 * 1024;

yamanote_test::matrix! {
    // Every byte sent is echoed, while both ends read and write at the same time.
    async fn an_echo_returns_every_byte() {
        const LEN: usize = 4 * MIB;
        let (mut client, server) = pair().await;
        let echo = yamanote::spawn(async move {
            let (mut read, mut write) = server.into_split();
            let copied = yamanote::io::copy(&mut read, &mut write).await.unwrap();
            write.shutdown().await.unwrap();
            copied
        });
        let (mut read, mut write) = client.split();
        let send = async {
            let mut sent = 0;
            while sent < LEN {
                let chunk = (sent % 70_000 + 1).min(LEN - sent);
                write.write_all(&numbered(sent..sent + chunk)).await.unwrap();
                sent += chunk;
            }
            write.shutdown().await.unwrap();
        };
        let receive = async {
            let mut received = 0;
            let mut buf = vec![0; 50_000];
            loop {
                let n = read.read(&mut buf).await.unwrap();
                if n == 0 {
                    break received;
                }
                assert_numbered(received, &buf[..n]);
                received += n;
            }
        };
        let (_, received) = yamanote::join!(send, receive);
        assert_eq!(received, LEN);
        assert_eq!(echo.await.unwrap(), LEN as u64);
    }

    // Small messages, one at a time: each waits for the driver.
    async fn ping_pong() {
        let (mut client, mut server) = pair().await;
        let pong = yamanote::spawn(async move {
            let mut buf = [0; 64];
            while server.read_exact(&mut buf).await.is_ok() {
                server.write_all(&buf).await.unwrap();
            }
        });
        for round in 0..2_000 {
            let message: [u8; 64] = numbered(round * 64..(round + 1) * 64).try_into().unwrap();
            client.write_all(&message).await.unwrap();
            let mut answer = [0; 64];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, message);
        }
        drop(client);
        pong.await.unwrap();
    }

    // The end of one direction leaves the other alone, whichever end begins.
    async fn half_close_both_ways() {
        for client_first in [true, false] {
            let (client, server) = pair().await;
            let (mut first, mut second) = if client_first { (client, server) } else { (server, client) };
            first.write_all(b"from the first").await.unwrap();
            first.shutdown().await.unwrap();
            let mut text = String::new();
            second.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "from the first");
            for _ in 0..3 {
                assert_eq!(second.read(&mut [0; 8]).await.unwrap(), 0, "the end stays the end");
            }

            let reply = numbered(0..3 * MIB);
            let sender = yamanote::spawn(async move {
                second.write_all(&reply).await.unwrap();
                second.shutdown().await.unwrap();
                second
            });
            let mut received = Vec::new();
            first.read_to_end(&mut received).await.unwrap();
            assert_numbered(0, &received);
            assert_eq!(received.len(), 3 * MIB);
            drop(sender.await.unwrap());
            assert_eq!(first.read(&mut [0; 8]).await.unwrap(), 0);
        }
    }

    // A read into an empty buffer is not the end of the stream.
    async fn an_empty_read_is_not_the_end() {
        let (mut client, mut server) = pair().await;
        client.write_all(b"abc").await.unwrap();
        server.readable().await.unwrap();
        assert_eq!(server.read(&mut []).await.unwrap(), 0);
        assert_eq!(server.write(&[]).await.unwrap(), 0);
        let mut buf = [0; 3];
        server.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"abc");
        let waiting = timeout(Duration::from_millis(5), server.read(&mut buf)).await;
        assert!(waiting.is_err(), "nothing came, and nothing ended");
    }

    // A reset is reported once; afterwards the stream has ended, and nothing spins or hangs.
    async fn a_reset_is_told_once() {
        let (mut client, server) = pair().await;
        server.set_zero_linger().unwrap();
        let reading = yamanote::spawn(async move {
            let error = client.read(&mut [0; 8]).await.unwrap_err();
            (client, error)
        });
        sleep(Duration::from_millis(5)).await;
        drop(server);
        let (mut client, error) = reading.await.unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        for _ in 0..10 {
            assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
            let error = client.write(b"x").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
        assert!(client.ready(Interest::READABLE).await.unwrap().is_read_closed());
    }

    // With the smallest buffers a writer gets only a little ahead, sleeps while nobody reads, and
    // every byte arrives.
    async fn back_pressure_lets_the_writer_sleep() {
        const LEN: usize = 2 * MIB;
        let listening = TcpSocket::new_v4().unwrap();
        listening.set_recv_buffer_size(1).unwrap();
        listening.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = listening.listen(1).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(1).unwrap();
        let address = listener.local_addr().unwrap();
        let (connected, accepted) = yamanote::join!(socket.connect(address), listener.accept());
        let (mut client, (mut server, _)) = (connected.unwrap(), accepted.unwrap());

        let polls = Arc::new(AtomicUsize::new(0));
        let polls_of_writer = polls.clone();
        let writer = yamanote::spawn(async move {
            let bytes = numbered(0..LEN);
            let mut write = pin!(client.write_all(&bytes));
            poll_fn(|cx| {
                polls_of_writer.fetch_add(1, Ordering::Relaxed);
                write.as_mut().poll(cx)
            })
            .await
            .unwrap();
        });
        sleep(Duration::from_millis(50)).await;
        let before = polls.load(Ordering::Relaxed);
        sleep(Duration::from_millis(100)).await;
        let spun = polls.load(Ordering::Relaxed) - before;
        assert!(spun <= 4, "the writer was polled {spun} times with nowhere to write");
        assert!(!writer.is_finished());

        let mut received = 0;
        let mut buf = vec![0; 10_000];
        loop {
            let n = server.read(&mut buf).await.unwrap();
            if n == 0 {
                break;
            }
            assert_numbered(received, &buf[..n]);
            received += n;
        }
        assert_eq!(received, LEN);
        writer.await.unwrap();
    }

    // More slices than one system call takes, empty ones among them.
    async fn vectored_beyond_iov_max() {
        let (mut client, server) = pair().await;
        let mut bytes = Vec::new();
        let mut bounds = vec![0];
        for index in 0..3_000 {
            let len = match index % 8 { 3 => 0, 5 => 300, n => n };
            bytes.extend(numbered(bytes.len()..bytes.len() + len));
            bounds.push(bytes.len());
        }
        let len = bytes.len();
        let sender = yamanote::spawn(async move {
            let mut slices: Vec<_> =
                bounds.windows(2).map(|ends| IoSlice::new(&bytes[ends[0]..ends[1]])).collect();
            let mut rest = &mut slices[..];
            while total(rest) > 0 {
                let n = client.write_vectored(rest).await.unwrap();
                assert!(n > 0);
                IoSlice::advance_slices(&mut rest, n);
            }
            let nothing = vec![IoSlice::new(&[]); 2_000];
            assert_eq!(client.write_vectored(&nothing).await.unwrap(), 0);
        });

        let mut received = 0;
        let mut buf = vec![0; 5_000];
        loop {
            server.readable().await.unwrap();
            let mut slices: Vec<_> = buf.chunks_mut(2).map(IoSliceMut::new).collect();
            match unless_blocked(server.try_read_vectored(&mut slices)) {
                Some(0) => break,
                Some(n) => {
                    assert_numbered(received, &buf[..n]);
                    received += n;
                }
                None => {}
            }
        }
        assert_eq!(received, len);
        sender.await.unwrap();
    }

    // The operations that do not wait return `WouldBlock`, and what they leave is there for those
    // that do.
    async fn try_operations_and_peek() {
        let (client, mut server) = pair().await;
        // An accepted stream is tried before the first event, and found empty.
        assert!(unless_blocked(server.try_read(&mut [0; 8])).is_none());
        client.writable().await.unwrap();
        assert_eq!(client.try_write(b"hello").unwrap(), 5);
        let slices = [IoSlice::new(b" "), IoSlice::new(b"world")];
        assert_eq!(client.try_write_vectored(&slices).unwrap(), 6);

        let mut peeked = [0; 32];
        while server.peek(&mut peeked).await.unwrap() < 11 {
            yamanote::task::yield_now().await;
        }
        assert_eq!(&peeked[..11], b"hello world");
        let mut storage = [0; 32];
        let mut room = ReadBuf::new(&mut storage);
        assert_eq!(poll_fn(|cx| server.poll_peek(cx, &mut room)).await.unwrap(), 11);
        assert_eq!(room.filled(), b"hello world");

        let mut first = [0; 2];
        assert_eq!(server.try_read(&mut first).unwrap(), 2);
        let mut rest = Vec::with_capacity(4);
        assert_eq!(server.try_read_buf(&mut rest).unwrap(), 4);
        assert_eq!((&first, &rest[..]), (b"he", &b"llo "[..]));
        let mut last = [0; 5];
        server.read_exact(&mut last).await.unwrap();
        assert_eq!(&last, b"world");
        assert!(unless_blocked(server.try_read(&mut first)).is_none());

        drop(client);
        let end = server.async_io(Interest::READABLE, || server.try_io_probe()).await.unwrap();
        assert_eq!(end, 0);
    }

    // Halves go to different tasks, come back, and are the same stream.
    async fn halves_are_reunited() {
        let (client, server) = pair().await;
        let address = client.local_addr().unwrap();
        let (mut read, mut write) = client.into_split();
        let (server_read, mut server_write) = server.into_split();
        let writing = yamanote::spawn(async move {
            write.write_all(b"ping").await.unwrap();
            write
        });
        server_write.write_all(b"pong").await.unwrap();
        let mut buf = [0; 4];
        assert_eq!(read.peek(&mut buf).await.unwrap(), 4);
        read.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"pong");
        let write = writing.await.unwrap();

        let yamanote::net::tcp::ReuniteError(read, server_write) =
            read.reunite(server_write).unwrap_err();
        let client = read.reunite(write).unwrap();
        assert_eq!(client.local_addr().unwrap(), address);

        // Dropping the write half ends the direction, forgetting it does not.
        let (mut read, write) = client.into_split();
        write.forget();
        let mut server = server_read.reunite(server_write).unwrap();
        server.read_exact(&mut buf).await.unwrap();
        assert!(timeout(Duration::from_millis(5), server.read(&mut buf)).await.is_err());
        drop(read.read(&mut buf));
        drop(read);
        assert_eq!(server.read(&mut buf).await.unwrap(), 0);
    }

    // A stream leaves the runtime with its bytes and its state, and comes back.
    async fn into_std_and_back() {
        let (mut client, mut server) = pair().await;
        server.write_all(b"first second").await.unwrap();
        let mut buf = [0; 6];
        client.read_exact(&mut buf).await.unwrap();
        let mut plain = client.into_std().unwrap();
        plain.set_nonblocking(false).unwrap();
        plain.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"second");
        plain.write_all(b"third").unwrap();
        plain.set_nonblocking(true).unwrap();
        // A duplicate keeps the file open when the stream goes; nothing of it may stay behind.
        let duplicate = plain.try_clone().unwrap();
        let mut client = TcpStream::from_std(plain).unwrap();
        let mut buf = [0; 5];
        server.read_exact(&mut buf).await.unwrap();
        server.write_all(&buf).await.unwrap();
        client.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"third");
        drop(client);
        server.write_all(b"for the duplicate").await.unwrap();
        let mut client = TcpStream::from_std(duplicate).unwrap();
        let mut buf = [0; 17];
        client.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"for the duplicate");
    }

    // Refused connections, several addresses, names.
    async fn connecting() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // It holds the port, so that nobody else takes it, but does not listen.
        let deaf = TcpSocket::new_v4().unwrap();
        deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let refusing = deaf.local_addr().unwrap();
        let error = TcpStream::connect(refusing).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let addresses = [refusing, listener.local_addr().unwrap()];
        let stream = TcpStream::connect(&addresses[..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
        let error = TcpListener::bind(addresses[1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let error = TcpStream::connect(&[][..]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);

        let found: Vec<_> = lookup_host(("localhost", 7)).await.unwrap().collect();
        assert!(found.iter().any(|address| address.ip().is_loopback()), "{found:?}");
        assert!(lookup_host("127.0.0.1").await.is_err(), "a port is missing");
    }

    // Options go to the socket and come back.
    async fn options() {
        let (client, _server) = pair().await;
        client.set_nodelay(true).unwrap();
        assert!(client.nodelay().unwrap());
        client.set_quickack(false).unwrap();
        assert!(!client.quickack().unwrap());
        client.set_ttl(42).unwrap();
        assert_eq!(client.ttl().unwrap(), 42);
        assert_eq!(client.linger().unwrap(), None);
        client.set_zero_linger().unwrap();
        assert_eq!(client.linger().unwrap(), Some(Duration::ZERO));
        assert!(client.take_error().unwrap().is_none());

        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        assert!(socket.reuseaddr().unwrap());
        socket.set_reuseport(true).unwrap();
        assert!(socket.reuseport().unwrap());
        socket.set_keepalive(true).unwrap();
        assert!(socket.keepalive().unwrap());
        socket.set_tos_v4(16).unwrap();
        assert_eq!(socket.tos_v4().unwrap(), 16);
        assert_eq!(socket.device().unwrap(), None);
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let listener = socket.listen(16).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
        listener.set_ttl(10).unwrap();
        assert_eq!(listener.ttl().unwrap(), 10);
    }

    // Every waiter for one direction is woken, whichever way it waits.
    async fn many_tasks_wait_for_one_stream() {
        let (mut client, server) = pair().await;
        let server = Arc::new(server);
        let waiting: Vec<_> = (0..50)
            .map(|_| {
                let server = server.clone();
                yamanote::spawn(async move { server.readable().await.unwrap() })
            })
            .collect();
        yamanote::task::yield_now().await;
        client.write_all(b"x").await.unwrap();
        for waiter in waiting {
            waiter.await.unwrap();
        }
        assert_eq!(server.try_read(&mut [0; 4]).unwrap(), 1);
    }

    // Sockets of a runtime that is gone fail at once and say why.
    fn after_the_runtime(setup: yamanote_test::Setup) {
        let there = yamanote_test::builder!(setup).build().unwrap();
        let here = yamanote_test::builder!(setup).build().unwrap();
        let listener = there.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (client, mut server) = there.block_on(pair());
        let waiting = here.spawn(async move { client.readable().await });
        here.block_on(async { sleep(Duration::from_millis(2)).await });
        drop(there);
        let error = here.block_on(waiting).unwrap().unwrap_err();
        assert!(yamanote::runtime::is_rt_shutdown_err(&error));
        let error = here.block_on(listener.accept()).unwrap_err();
        assert!(yamanote::runtime::is_rt_shutdown_err(&error));
        let error = here.block_on(server.read(&mut [0; 1])).unwrap_err();
        assert!(yamanote::runtime::is_rt_shutdown_err(&error));
    }
}

/// An operation on the descriptor that [`TcpStream::async_io`] may call.
trait Probe {
    fn try_io_probe(&self) -> io::Result<usize>;
}

impl Probe for TcpStream {
    fn try_io_probe(&self) -> io::Result<usize> {
        let mut byte = [std::mem::MaybeUninit::uninit(); 1];
        socket2::SockRef::from(self).recv(&mut byte)
    }
}

#[test]
fn sockets_want_a_runtime_with_io() {
    let without = yamanote::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let panic = std::panic::catch_unwind(|| {
        without.block_on(async { drop(TcpListener::bind("127.0.0.1:0").await) })
    })
    .unwrap_err();
    let text = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    assert_eq!(
        text.as_deref(),
        Some(
            "A Tokio 1.x context was found, but IO is disabled. \
             Call `enable_io` on the runtime builder to enable IO."
        )
    );
    // Polling something else is allowed.
    let value = without.block_on(poll_fn(|_| Poll::Ready(7)));
    assert_eq!(value, 7);
}
