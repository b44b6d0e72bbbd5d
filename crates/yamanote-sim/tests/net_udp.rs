//! Datagrams to one, to all, and to a group; control messages; what is cut short.

mod net_support;

use net_support::{code, host, ms, secs, world};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::thread::sleep;
use yamanote_sim::{hosts, net, now};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

#[test]
fn a_group_is_those_who_have_joined() {
    for seed in 0..10 {
        world(seed, || {
            let member = |joins: bool| {
                move || {
                    let socket = UdpSocket::bind("0.0.0.0:9").unwrap();
                    socket.set_read_timeout(Some(secs(1))).unwrap();
                    if joins {
                        socket
                            .join_multicast_v4(&GROUP, &Ipv4Addr::UNSPECIFIED)
                            .unwrap();
                        let twice = socket.join_multicast_v4(&GROUP, &Ipv4Addr::UNSPECIFIED);
                        assert_eq!(code(&twice.unwrap_err()), libc::EADDRINUSE);
                    }
                    let heard = socket.recv(&mut [0; 8]).is_ok();
                    if joins {
                        socket
                            .leave_multicast_v4(&GROUP, &Ipv4Addr::UNSPECIFIED)
                            .unwrap();
                    }
                    heard && socket.recv(&mut [0; 8]).is_err()
                }
            };
            let joins = [true, false, true];
            let running: Vec<_> = joins
                .iter()
                .enumerate()
                .map(|(n, joins)| host(&format!("host{n}"), member(*joins)).1)
                .collect();
            sleep(ms(10));
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.send_to(b"all", (GROUP, 9)).unwrap();
            sleep(ms(500));
            for (running, joins) in running.into_iter().zip(joins) {
                assert_eq!(running.join(), joins);
            }
        });
    }
}

#[test]
fn a_broadcast_reaches_all_hosts() {
    world(1, || {
        let listen = || {
            let socket = UdpSocket::bind("0.0.0.0:9").unwrap();
            let mut buf = [0; 8];
            let (n, from) = socket.recv_from(&mut buf).unwrap();
            (n, from.ip().to_string())
        };
        let (_, one) = host("one", listen);
        let (_, two) = host("two", listen);
        sleep(ms(10));
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let error = socket.send_to(b"all", "255.255.255.255:9").unwrap_err();
        assert_eq!(code(&error), libc::EACCES);
        socket.set_broadcast(true).unwrap();
        socket.send_to(b"all", "255.255.255.255:9").unwrap();
        let expected = (3, "10.0.255.254".to_owned());
        assert_eq!((one.join(), two.join()), (expected.clone(), expected));
    });
}

#[test]
fn a_datagram_that_is_cut_short_says_so() {
    world(1, || {
        let one = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        let any = SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        one.bind(&any).unwrap();
        let to = one.local_addr().unwrap();
        let two = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        let pieces = [
            std::io::IoSlice::new(b"in "),
            std::io::IoSlice::new(b"pieces"),
        ];
        assert_eq!(two.send_to_vectored(&pieces, &to).unwrap(), 9);
        two.send_to(b"whole", &to).unwrap();
        let mut buf = [MaybeUninit::uninit(); 4];
        let (n, _) = one
            .recv_from_with_flags(&mut buf, libc::MSG_TRUNC | libc::MSG_PEEK)
            .unwrap();
        assert_eq!(n, 9);
        let mut buf = [MaybeUninit::uninit(); 4];
        let mut bufs = [socket2::MaybeUninitSlice::new(&mut buf)];
        let (n, flags, from) = one.recv_from_vectored(&mut bufs).unwrap();
        assert!(n == 4 && flags.is_truncated());
        assert_eq!(
            from.as_socket(),
            two.local_addr().unwrap().as_socket().map(|mut it| {
                it.set_ip(Ipv4Addr::LOCALHOST.into());
                it
            })
        );
        let mut buf = [MaybeUninit::uninit(); 9];
        let mut bufs = [socket2::MaybeUninitSlice::new(&mut buf)];
        let (n, flags) = one.recv_vectored(&mut bufs).unwrap();
        assert!(n == 5 && !flags.is_truncated());
    });
}

/// A buffer that nobody reads is full at some time, and what comes then is lost.
#[test]
fn a_buffer_overflows() {
    world(1, || {
        let (_, running) = host("server", || {
            let socket = UdpSocket::bind("0.0.0.0:9").unwrap();
            sleep(secs(10));
            socket.set_nonblocking(true).unwrap();
            let mut heard = 0;
            while socket.recv(&mut [0; 2000]).is_ok() {
                heard += 1;
            }
            heard
        });
        sleep(ms(10));
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        for _ in 0..1000 {
            socket.send_to(&[1; 1000], "server:9").unwrap();
        }
        let heard = running.join();
        assert!((100..250).contains(&heard), "{heard}");
    });
}

/// Who has no port is told of only to those that are connected, and only while the link is there.
#[test]
fn nobody_has_the_port() {
    for seed in 0..10 {
        world(seed, || {
            let (server, _running) = host("server", || sleep(secs(100)));
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(secs(1))).unwrap();
            socket.connect("server:9").unwrap();
            let before = now();
            socket.send(b"x").unwrap();
            assert_eq!(
                code(&socket.recv(&mut [0]).unwrap_err()),
                libc::ECONNREFUSED
            );
            assert!(now() - before < ms(5));
            net::partition_one_way(&[server], &[yamanote_sim::HostId::DRIVER]);
            socket.send(b"x").unwrap();
            assert_eq!(code(&socket.recv(&mut [0]).unwrap_err()), libc::EAGAIN);
            net::heal();
            hosts::crash(server);
            socket.send(b"x").unwrap();
            assert_eq!(code(&socket.recv(&mut [0]).unwrap_err()), libc::EAGAIN);
        });
    }
}

#[test]
fn a_connected_socket_hears_its_peer_only() {
    world(1, || {
        let one = UdpSocket::bind("[::]:0").unwrap();
        let port = one.local_addr().unwrap().port();
        let six = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
        let four = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut buf = [0; 8];
        six.send_to(b"six", (Ipv6Addr::LOCALHOST, port)).unwrap();
        assert_eq!(
            one.recv_from(&mut buf).unwrap(),
            (3, six.local_addr().unwrap())
        );
        four.send_to(b"four", (Ipv4Addr::LOCALHOST, port)).unwrap();
        let (n, from) = one.recv_from(&mut buf).unwrap();
        assert_eq!(
            (n, from.ip().to_string()),
            (4, "::ffff:127.0.0.1".to_owned())
        );
        one.connect(six.local_addr().unwrap()).unwrap();
        one.set_read_timeout(Some(ms(10))).unwrap();
        four.send_to(b"four", (Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(one.recv(&mut buf).is_err());
        six.send_to(b"six", (Ipv6Addr::LOCALHOST, port)).unwrap();
        assert_eq!(one.recv(&mut buf).unwrap(), 3);
    });
}
