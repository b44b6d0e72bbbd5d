//! Unix sockets for datagrams: none is lost, one that is cut takes nothing from others, a full
//! queue makes the sender sleep.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use yamanote::io::ReadBuf;
use yamanote::net::UnixDatagram;
use yamanote::time::timeout;
use yamanote_test::{Snapshot, TempDir};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(30);

/// Fills the queue of the peer; returns how many datagrams that took.
fn fill(sender: &UnixDatagram) -> u64 {
    let mut sent = 0_u64;
    loop {
        match sender.try_send(&sent.to_le_bytes()) {
            Ok(length) => assert_eq!(length, 8),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
            Err(error) => panic!("{error}"),
        }
        sent += 1;
    }
}

yamanote_test::matrix! {
    async fn datagrams_keep_their_bounds() {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut buf = vec![0; 200_000];
        for length in [0, 1, 100_000] {
            let sent: Vec<u8> = (0..length).map(|i| i as u8).collect();
            assert_eq!(one.send(&sent).await.unwrap(), length);
            assert_eq!(other.recv(&mut buf).await.unwrap(), length);
            assert_eq!(buf[..length], sent);
        }
        for sent in [&b"0123456789"[..], b"", b"next"] {
            one.send(sent).await.unwrap();
        }
        assert_eq!(other.recv(&mut buf[..4]).await.unwrap(), 4);
        assert_eq!(&buf[..4], b"0123");
        assert_eq!(other.recv(&mut buf).await.unwrap(), 0);
        assert_eq!(other.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf[..4], b"next");
        assert_eq!(other.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    async fn all_ways_to_send_and_receive_agree() {
        let directory = TempDir::new();
        let at = |name: &str| directory.path().join(name);
        let one = UnixDatagram::bind(at("one")).unwrap();
        let other = UnixDatagram::bind(at("other")).unwrap();
        let mut cx = Context::from_waker(futures::task::noop_waker_ref());
        one.writable().await.unwrap();
        assert_eq!(one.send_to(b"0", at("other")).await.unwrap(), 1);
        assert_eq!(one.try_send_to(b"1", at("other")).unwrap(), 1);
        assert!(one.poll_send_to(&mut cx, b"2", at("other")).is_ready());
        assert_eq!(one.send(b"-").await.unwrap_err().kind(), ErrorKind::NotConnected);
        one.connect(at("other")).unwrap();
        assert_eq!(one.peer_addr().unwrap().as_pathname(), Some(&*at("other")));
        assert_eq!(one.send(b"3").await.unwrap(), 1);
        assert_eq!(one.try_send(b"4").unwrap(), 1);
        assert!(one.poll_send(&mut cx, b"5").is_ready());

        let mut bytes = [0; 4];
        let (length, sender) = other.recv_from(&mut bytes).await.unwrap();
        assert_eq!((length, bytes[0]), (1, b'0'));
        assert_eq!(sender.as_pathname(), Some(&*at("one")));
        assert_eq!(other.try_recv_from(&mut bytes).unwrap().0, 1);
        let mut buf = ReadBuf::new(&mut bytes);
        let Poll::Ready(Ok(sender)) = other.poll_recv_from(&mut cx, &mut buf) else {
            panic!("there are some");
        };
        assert_eq!(sender.as_pathname(), Some(&*at("one")));
        assert!(other.poll_recv(&mut cx, &mut buf).is_ready());
        assert_eq!(buf.filled(), b"23");
        let mut vector = Vec::with_capacity(16);
        assert_eq!(other.recv_buf(&mut vector).await.unwrap(), 1);
        let (length, sender) = other.recv_buf_from(&mut vector).await.unwrap();
        assert_eq!((length, sender.as_pathname()), (1, Some(&*at("one"))));
        assert_eq!(vector, b"45");
        assert_eq!(other.try_recv_buf(&mut vector).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    async fn addresses_of_every_kind() {
        let name = format!("\0yamanote {} {:p}", std::process::id(), &());
        let named = UnixDatagram::bind(&name);
        let Ok(named) = named else {
            // Another cell of the matrix has it.
            return;
        };
        let own = named.local_addr().unwrap();
        assert_eq!(own.as_abstract_name(), Some(&name.as_bytes()[1..]));
        assert!(own.as_pathname().is_none() && !own.is_unnamed());
        let unbound = UnixDatagram::unbound().unwrap();
        assert!(unbound.local_addr().unwrap().is_unnamed());
        unbound.send_to(b"x", &name).await.unwrap();
        unbound.connect(&name).unwrap();
        unbound.send(b"y").await.unwrap();
        let mut vector = Vec::new();
        for _ in 0..2 {
            let (length, sender) = named.recv_buf_from(&mut vector).await.unwrap();
            assert!(length == 1 && sender.is_unnamed());
        }
        assert_eq!(vector, b"xy");
        let back = UnixDatagram::bind(format!("{name} back")).unwrap();
        back.send_to(b"z", &name).await.unwrap();
        let (_, sender) = named.recv_from(&mut [0; 2]).await.unwrap();
        assert_eq!(sender.as_abstract_name(), Some(&format!("{name} back").as_bytes()[1..]));

        for path in ["a\0b".to_owned(), "long".repeat(30)] {
            assert_eq!(UnixDatagram::bind(&path).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(unbound.connect(&path).unwrap_err().kind(), ErrorKind::InvalidInput);
            let sending = unbound.send_to(b"x", &path).await;
            assert_eq!(sending.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let missing = unbound.send_to(b"x", Path::new("/nowhere/at all")).await;
        assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    }

    async fn a_full_queue_lets_the_sender_sleep() {
        let (one, other) = UnixDatagram::pair().unwrap();
        let before = fill(&one);
        let next = before.to_le_bytes();
        assert!(one.send(&next).now_or_never().is_none(), "dropped: it sends nothing");
        let mut sending = pin!(one.send(&next));
        timeout(SHORT, sending.as_mut()).await.unwrap_err();
        let mut buf = [0; 16];
        for expected in 0..before {
            assert_eq!(other.recv(&mut buf).await.unwrap(), 8);
            assert_eq!(buf[..8], expected.to_le_bytes());
        }
        assert_eq!(timeout(LONG, sending).await.unwrap().unwrap(), 8);
        assert_eq!(other.recv(&mut buf).await.unwrap(), 8);
        assert_eq!(buf[..8], next);
        assert_eq!(other.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    /// To epoll an error looks like a close, which never ends. It must not make a sender believe
    /// for ever that there is room.
    async fn a_sender_sleeps_also_after_an_error() {
        let directory = TempDir::new();
        let at = |name: &str| directory.path().join(name);
        let sockets = ["one", "other", "third"].map(|name| UnixDatagram::bind(at(name)).unwrap());
        let [one, other, third] = &sockets;
        one.connect(at("other")).unwrap();
        other.connect(at("one")).unwrap();
        one.writable().await.unwrap();
        // What is in the queue is thrown away, and the sender is told.
        one.send(b"unread").await.unwrap();
        other.connect(at("third")).unwrap();
        let mut buf = [0; 16];
        let reset = timeout(LONG, one.recv(&mut buf)).await.unwrap().unwrap_err();
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);

        one.connect(at("third")).unwrap();
        fill(one);
        timeout(SHORT, one.send(b"more")).await.unwrap_err();
        timeout(SHORT, one.recv(&mut buf)).await.unwrap_err();
        third.recv(&mut buf).await.unwrap();
        while third.try_recv(&mut buf).is_ok() {}
        timeout(LONG, one.send(b"more")).await.unwrap().unwrap();
        assert_eq!(timeout(LONG, third.recv(&mut buf)).await.unwrap().unwrap(), 4);
    }

    async fn shutdown_ends_sending() {
        let (one, other) = UnixDatagram::pair().unwrap();
        one.send(b"last").await.unwrap();
        other.send(b"queued").await.unwrap();
        one.shutdown(Shutdown::Both).unwrap();
        let mut buf = [0; 16];
        assert_eq!(one.recv(&mut buf).await.unwrap(), 6);
        assert_eq!(one.send(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(other.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(other.send(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop(one);
        let gone = other.send(b"x").await.unwrap_err().kind();
        assert!(matches!(gone, ErrorKind::ConnectionRefused | ErrorKind::BrokenPipe), "{gone}");
    }

    async fn shutdown_wakes_who_waits_for_room() {
        let (one, _other) = UnixDatagram::pair().unwrap();
        fill(&one);
        let mut sending = pin!(one.send(b"more"));
        timeout(SHORT, sending.as_mut()).await.unwrap_err();
        one.shutdown(Shutdown::Write).unwrap();
        let error = timeout(LONG, sending).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }

    async fn dropped_futures_take_nothing() {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut buf = [0; 16];
        for round in 0..50_u8 {
            drop(one.send(b"never polled"));
            drop(other.recv(&mut buf));
            {
                let mut waiting = pin!(other.recv(&mut buf));
                assert!(futures::poll!(waiting.as_mut()).is_pending());
                one.send(&[round]).await.unwrap();
                other.readable().await.unwrap();
            }
            assert_eq!(other.recv(&mut buf).await.unwrap(), 1);
            assert_eq!(buf[0], round);
        }
        assert_eq!(other.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    alone fn no_descriptor_is_left(setup: yamanote_test::Setup) {
        let directory = TempDir::new();
        let before = Snapshot::take();
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let inside = Snapshot::take().descriptor_count();
        let count = || Snapshot::take().descriptor_count() - inside;
        let outlives = runtime.block_on(async {
            let (one, other) = UnixDatagram::pair().unwrap();
            assert_eq!(count(), 2);
            let std = one.into_std().unwrap();
            std.send(b"from std").unwrap();
            let one = UnixDatagram::from_std(std).unwrap();
            assert_eq!(other.recv(&mut [0; 16]).await.unwrap(), 8);
            assert_eq!(count(), 2);
            let path = directory.path().join("it");
            let bound = UnixDatagram::bind(&path).unwrap();
            assert_eq!(UnixDatagram::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
            assert_eq!(count(), 3);
            drop((bound, other));
            assert_eq!(count(), 1);
            one
        });
        drop(runtime);
        let gone = outlives.recv(&mut [0; 4]).now_or_never().expect("told at once");
        assert!(gone.is_err());
        drop(outlives);
        before.assert_restored();
    }
}
