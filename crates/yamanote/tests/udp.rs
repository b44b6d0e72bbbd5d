//! UDP sockets: datagrams arrive whole, cut or not at all, whatever is dropped, closed or refused.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use yamanote::io::{Interest, ReadBuf};
use yamanote::net::UdpSocket;
use yamanote::time::timeout;
use yamanote_test::{CountingWaker, Snapshot};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(30);

async fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Two sockets connected to each other.
async fn connected() -> (UdpSocket, UdpSocket) {
    let ((one, its), (other, others)) = (bound().await, bound().await);
    one.connect(others).await.unwrap();
    other.connect(its).await.unwrap();
    (one, other)
}

/// An address at which no other socket receives, and none will as long as this socket lives.
async fn nobody() -> (UdpSocket, SocketAddr) {
    let (socket, address) = bound().await;
    socket.connect(address).await.unwrap();
    (socket, address)
}

/// Readiness ends though nothing is found, after at most `sent` events that come late.
async fn falls_asleep(socket: &UdpSocket, sent: usize) {
    for _ in 0..sent {
        match timeout(SHORT, socket.readable()).await {
            Ok(late) => late.unwrap(),
            Err(_) => return,
        }
        let nothing = socket.try_recv(&mut [0; 4]).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }
    timeout(SHORT, socket.readable()).await.unwrap_err();
}

yamanote_test::matrix! {
    async fn datagrams_keep_their_bounds() {
        let (one, other) = connected().await;
        let mut buf = vec![0; 70_000];
        for length in [0, 1, 7, 1500, 65_507] {
            let sent: Vec<u8> = (0..length).map(|i| i as u8).collect();
            assert_eq!(one.send(&sent).await.unwrap(), length);
            assert_eq!(other.recv(&mut buf).await.unwrap(), length);
            assert_eq!(buf[..length], sent);
        }
        let too_long = one.send(&buf[..65_508]).await.unwrap_err();
        assert_eq!(too_long.raw_os_error(), Some(libc::EMSGSIZE));

        // A datagram that is cut takes nothing from the next, nor does an empty one end anything.
        for sent in [&b"0123456789"[..], b"", b"next"] {
            one.send(sent).await.unwrap();
        }
        assert_eq!(other.recv(&mut buf[..4]).await.unwrap(), 4);
        assert_eq!(&buf[..4], b"0123");
        assert_eq!(other.recv(&mut buf).await.unwrap(), 0);
        assert_eq!(other.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf[..4], b"next");
        assert_eq!(other.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);

        // So does an empty buffer: it takes a datagram.
        one.send(b"lost").await.unwrap();
        one.send(b"kept").await.unwrap();
        assert_eq!(other.recv(&mut []).await.unwrap(), 0);
        assert_eq!(other.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf[..4], b"kept");
    }

    async fn all_ways_to_receive_agree() {
        let ((one, its), (other, others)) = (bound().await, bound().await);
        let mut cx = Context::from_waker(futures::task::noop_waker_ref());
        let text = &b"abcdef"[..];
        let mut bytes = [0; 16];
        one.send_to(text, others).await.unwrap();
        for _ in 0..2 {
            assert_eq!(other.peek(&mut bytes).await.unwrap(), 6);
            assert_eq!(other.peek_from(&mut bytes[..3]).await.unwrap(), (3, its));
            assert_eq!(other.peek_sender().await.unwrap(), its);
            assert_eq!(other.try_peek(&mut bytes).unwrap(), 6);
            assert_eq!(other.try_peek_from(&mut bytes).unwrap(), (6, its));
            assert_eq!(other.try_peek_sender().unwrap(), its);
            let mut buf = ReadBuf::new(&mut bytes);
            assert!(other.poll_peek(&mut cx, &mut buf).is_ready());
            assert_eq!(buf.filled(), text);
            buf.set_filled(1);
            let sender = other.poll_peek_from(&mut cx, &mut buf);
            assert!(matches!(sender, Poll::Ready(Ok(sender)) if sender == its));
            assert_eq!(buf.filled(), b"aabcdef");
            let sender = other.poll_peek_sender(&mut cx);
            assert!(matches!(sender, Poll::Ready(Ok(sender)) if sender == its));
        }
        for _ in 0..8 {
            one.send_to(text, others).await.unwrap();
        }
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 6);
        assert_eq!(other.recv_from(&mut bytes).await.unwrap(), (6, its));
        let mut vector = b">".to_vec();
        vector.reserve(100);
        assert_eq!(other.recv_buf(&mut vector).await.unwrap(), 6);
        assert_eq!(other.recv_buf_from(&mut vector).await.unwrap(), (6, its));
        assert_eq!(other.try_recv_buf(&mut vector).unwrap(), 6);
        assert_eq!(other.try_recv_buf_from(&mut vector).unwrap(), (6, its));
        assert_eq!(vector, b">abcdefabcdefabcdefabcdef");
        assert_eq!(other.try_recv_from(&mut bytes).unwrap(), (6, its));
        let mut buf = ReadBuf::new(&mut bytes);
        assert!(other.poll_recv(&mut cx, &mut buf).is_ready());
        assert_eq!(buf.filled(), text);
        buf.clear();
        assert!(other.poll_recv_from(&mut cx, &mut buf).is_ready());
        assert_eq!(buf.filled(), text);
        assert_eq!(other.try_recv(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    async fn all_ways_to_send_agree() {
        let ((one, _), (other, others)) = (bound().await, bound().await);
        let mut cx = Context::from_waker(futures::task::noop_waker_ref());
        one.writable().await.unwrap();
        assert_eq!(one.send_to(b"0", others).await.unwrap(), 1);
        assert_eq!(one.try_send_to(b"1", others).unwrap(), 1);
        assert!(one.poll_send_to(&mut cx, b"2", others).is_ready());
        let unconnected = one.send(b"-").await.unwrap_err();
        assert_eq!(unconnected.raw_os_error(), Some(libc::EDESTADDRREQ));
        one.connect(others).await.unwrap();
        assert_eq!(one.peer_addr().unwrap(), others);
        assert_eq!(one.send(b"3").await.unwrap(), 1);
        assert_eq!(one.try_send(b"4").unwrap(), 1);
        assert!(one.poll_send(&mut cx, b"5").is_ready());
        for expected in b"012345" {
            let mut buf = [0; 2];
            assert_eq!(other.recv(&mut buf).await.unwrap(), 1);
            assert_eq!(buf[0], *expected);
        }
        let none: &[SocketAddr] = &[];
        assert_eq!(one.send_to(b"", none).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(one.connect(none).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(UdpSocket::bind(none).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    async fn a_connected_socket_hears_only_its_peer() {
        let ((one, its), (stranger, _), (other, others)) =
            (bound().await, bound().await, bound().await);
        other.connect(its).await.unwrap();
        stranger.send_to(b"stranger", others).await.unwrap();
        one.send_to(b"friend", others).await.unwrap();
        let mut buf = [0; 16];
        assert_eq!(other.recv_from(&mut buf).await.unwrap(), (6, its));
        assert_eq!(other.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        other.connect(stranger.local_addr().unwrap()).await.unwrap();
        stranger.send_to(b"stranger", others).await.unwrap();
        assert_eq!(other.recv(&mut buf).await.unwrap(), 8);
    }

    /// A refused datagram is reported once, to the one that waits, and then everything goes on as
    /// before.
    async fn a_refusal_is_told_once() {
        let (socket, its) = bound().await;
        let (_keeps_it, address) = nobody().await;
        socket.connect(address).await.unwrap();
        let mut buf = [0; 16];
        {
            let mut receiving = pin!(socket.recv(&mut buf));
            assert!(futures::poll!(receiving.as_mut()).is_pending());
            socket.send(b"anybody?").await.unwrap();
            let refused = timeout(LONG, receiving).await.unwrap().unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED));
        }
        timeout(SHORT, socket.recv(&mut buf)).await.unwrap_err();
        let (other, others) = bound().await;
        socket.connect(others).await.unwrap();
        socket.send(b"hello").await.unwrap();
        assert_eq!(other.recv_from(&mut buf).await.unwrap(), (5, its));
        other.send_to(b"hello", its).await.unwrap();
        assert_eq!(timeout(LONG, socket.recv(&mut buf)).await.unwrap().unwrap(), 5);
    }

    /// Futures dropped before they wait, while they wait, and when they could continue.
    async fn dropped_futures_take_nothing() {
        let ((one, its), (other, others)) = (bound().await, bound().await);
        let mut buf = [0; 16];
        for round in 0..50_u8 {
            drop(one.send_to(b"never polled", others));
            drop(other.recv_from(&mut buf));
            assert!(other.recv_from(&mut buf).now_or_never().is_none());
            {
                let mut waiting = pin!(other.recv_from(&mut buf));
                assert!(futures::poll!(waiting.as_mut()).is_pending());
                one.send_to(&[round], others).await.unwrap();
                other.readable().await.unwrap();
            }
            assert_eq!(other.recv_from(&mut buf).await.unwrap(), (1, its));
            assert_eq!(buf[0], round);
        }
        assert_eq!(other.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    /// Readiness stays until an operation finds nothing; then the next datagram brings it back.
    async fn readiness_ends_when_nothing_is_found() {
        let (one, other) = connected().await;
        let mut buf = [0; 16];
        assert!(other.readable().now_or_never().is_none());
        for text in [&b"one"[..], b"", b"three"] {
            one.send(text).await.unwrap();
        }
        for length in [3, 0, 5] {
            timeout(LONG, other.readable()).await.unwrap().unwrap();
            assert!(other.ready(Interest::READABLE).await.unwrap().is_readable());
            assert_eq!(other.try_recv(&mut buf).unwrap(), length);
        }
        assert_eq!(other.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        falls_asleep(&other, 3).await;

        // An operation of the user's own is believed.
        one.send(b"x").await.unwrap();
        other.readable().await.unwrap();
        let denied = other.try_io(Interest::READABLE, || {
            io::Result::<()>::Err(ErrorKind::WouldBlock.into())
        });
        assert_eq!(denied.unwrap_err().kind(), ErrorKind::WouldBlock);
        timeout(SHORT, other.readable()).await.unwrap_err();
        one.send(b"y").await.unwrap();
        let received = other.async_io(Interest::READABLE, || {
            socket2::SockRef::from(&other).recv(&mut [std::mem::MaybeUninit::uninit(); 4])
        });
        assert_eq!(timeout(LONG, received).await.unwrap().unwrap(), 1);
    }

    async fn only_the_last_task_that_polls_is_woken() {
        let (one, other) = connected().await;
        let (first, last) = (CountingWaker::new(), CountingWaker::new());
        let mut bytes = [0; 16];
        let mut buf = ReadBuf::new(&mut bytes);
        for counting in [&first, &last] {
            let waker = counting.waker();
            let mut cx = Context::from_waker(&waker);
            assert!(other.poll_recv(&mut cx, &mut buf).is_pending());
        }
        one.send(b"x").await.unwrap();
        timeout(LONG, other.readable()).await.unwrap().unwrap();
        // Readiness is there before the last waker has been called.
        timeout(LONG, async {
            while last.wakes() == 0 {
                yamanote::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .unwrap();
        assert_eq!((first.wakes(), last.wakes()), (0, 1));
    }

    async fn tasks_share_a_socket() {
        const EACH: u32 = 200;
        let (receiver, address) = bound().await;
        let sender = Arc::new(bound().await.0);
        let permits = Arc::new(yamanote::sync::Semaphore::new(64));
        let senders: Vec<_> = (0..4_u32)
            .map(|id| {
                let (sender, permits) = (Arc::clone(&sender), Arc::clone(&permits));
                yamanote::spawn(async move {
                    for count in 0..EACH {
                        // No more under way than the receive buffer holds.
                        permits.acquire().await.unwrap().forget();
                        let number = id * EACH + count;
                        sender.send_to(&number.to_le_bytes(), address).await.unwrap();
                    }
                })
            })
            .collect();
        let mut seen = vec![false; 4 * EACH as usize];
        for _ in 0..4 * EACH {
            let mut buf = [0; 8];
            let (length, _) = timeout(LONG, receiver.recv_from(&mut buf)).await.unwrap().unwrap();
            assert_eq!(length, 4);
            let number = u32::from_le_bytes(buf[..4].try_into().unwrap()) as usize;
            assert!(!std::mem::replace(&mut seen[number], true), "{number} came twice");
            permits.add_permits(1);
        }
        for sender in senders {
            sender.await.unwrap();
        }
    }

    async fn options_are_what_was_set() {
        let (socket, _) = bound().await;
        assert!(!socket.broadcast().unwrap());
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        socket.set_multicast_loop_v4(false).unwrap();
        assert!(!socket.multicast_loop_v4().unwrap());
        socket.set_multicast_ttl_v4(5).unwrap();
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 5);
        socket.set_ttl(77).unwrap();
        assert_eq!(socket.ttl().unwrap(), 77);
        socket.set_tos_v4(0x10).unwrap();
        assert_eq!(socket.tos_v4().unwrap(), 0x10);
        assert_eq!(socket.device().unwrap(), None);
        let unknown = socket.bind_device(Some(b"no such one")).unwrap_err();
        assert!(matches!(unknown.raw_os_error(), Some(libc::ENODEV | libc::EPERM)));
        assert!(socket.take_error().unwrap().is_none());
        let group = Ipv4Addr::new(224, 0, 0, 251);
        if socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST).is_ok() {
            socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        }
        assert!(socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).is_err());

        let Ok(socket) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await else {
            return;
        };
        socket.set_multicast_loop_v6(false).unwrap();
        assert!(!socket.multicast_loop_v6().unwrap());
        socket.set_tclass_v6(0x20).unwrap();
        assert_eq!(socket.tclass_v6().unwrap(), 0x20);
        let group = "ff02::fb".parse().unwrap();
        if socket.join_multicast_v6(&group, 0).is_ok() {
            socket.leave_multicast_v6(&group, 0).unwrap();
        }
    }

    alone fn no_descriptor_is_left(setup: yamanote_test::Setup) {
        let before = Snapshot::take();
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let inside = Snapshot::take().descriptor_count();
        let count = || Snapshot::take().descriptor_count() - inside;
        let outlives = runtime.block_on(async {
            let (one, address) = bound().await;
            assert_eq!(count(), 1);
            assert!(UdpSocket::bind(address).await.is_err());
            assert_eq!(count(), 1);
            let std = one.into_std().unwrap();
            assert_eq!(count(), 1);
            let one = UdpSocket::try_from(std).unwrap();
            let (other, others) = bound().await;
            one.send_to(b"x", others).await.unwrap();
            assert_eq!(other.recv_from(&mut [0; 2]).await.unwrap(), (1, address));
            let waiting = yamanote::spawn(async move { other.recv(&mut [0; 2]).await });
            yamanote::task::yield_now().await;
            waiting.abort();
            assert!(waiting.await.unwrap_err().is_cancelled());
            assert_eq!(count(), 1);
            one
        });
        drop(runtime);
        let gone = outlives.readable().now_or_never().expect("told at once").unwrap_err();
        assert!(gone.to_string().contains("being shutdown"), "{gone}");
        drop(outlives);
        before.assert_restored();
    }

    fn what_is_outside_a_runtime_or_blocking_is_refused(setup: yamanote_test::Setup) {
        let nonblocking = || {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let message = |f: fn(std::net::UdpSocket) -> io::Result<UdpSocket>, socket| {
            let panic = std::panic::catch_unwind(move || f(socket)).unwrap_err();
            let text = panic.downcast_ref::<String>().cloned();
            text.unwrap_or_else(|| panic.downcast_ref::<&str>().unwrap().to_string())
        };
        assert!(message(UdpSocket::from_std, nonblocking()).contains("there is no reactor running"));
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let _guard = runtime.enter();
        UdpSocket::from_std(nonblocking()).unwrap();
        if cfg!(debug_assertions) {
            let blocking = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            assert!(message(UdpSocket::from_std, blocking).contains("Registering a blocking socket"));
        }
    }
}
