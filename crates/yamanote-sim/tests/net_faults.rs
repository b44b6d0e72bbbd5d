//! Links with faults: partitions, holds, losses, latencies, bandwidth.

mod net_support;

use net_support::{code, connect, host, ms, pattern, reader, secs, start, told, world};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread::sleep;
use std::time::Duration;
use yamanote_sim::net::Links;
use yamanote_sim::{HostId, hosts, net, now};

const SIM: HostId = HostId::DRIVER;

#[test]
fn a_partition_delays_and_loses_nothing() {
    for seed in 0..20 {
        world(seed, || {
            let (server, read) = reader("server", 1);
            let (client, running) = host("client", || {
                let mut stream = connect("server:80");
                for piece in pattern(100_000).chunks(1000) {
                    stream.write_all(piece).unwrap();
                    sleep(ms(50));
                }
            });
            sleep(secs(1));
            net::partition(&[server], &[client]);
            sleep(secs(20));
            net::heal();
            running.join();
            assert!(read.join() == [pattern(100_000)]);
            assert!(now() > secs(21) && now() < secs(80), "{:?}", now());
        });
    }
}

/// Both directions are cut off only if both are said to be.
#[test]
fn a_partition_one_way_lets_the_other_pass() {
    world(5, || {
        let (server, running) = host("server", || {
            let socket = UdpSocket::bind("0.0.0.0:80").unwrap();
            socket.set_read_timeout(Some(secs(5))).unwrap();
            let mut heard = Vec::new();
            let mut buf = [0; 8];
            while let Ok((n, from)) = socket.recv_from(&mut buf) {
                heard.push(buf[..n].to_vec());
                socket.send_to(&buf[..n], from).unwrap();
            }
            heard
        });
        sleep(ms(10));
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(ms(100))).unwrap();
        let answered = |data: &[u8]| {
            socket.send_to(data, "server:80").unwrap();
            socket.recv(&mut [0; 8]).is_ok()
        };
        assert!(answered(b"one"));
        net::partition_one_way(&[server], &[SIM]);
        assert!(!answered(b"two"));
        net::repair_one_way(&[server], &[SIM]);
        net::partition_one_way(&[SIM], &[server]);
        assert!(!answered(b"three"));
        net::repair(&[SIM], &[server]);
        assert!(answered(b"four"));
        assert_eq!(
            running.join(),
            [b"one".to_vec(), b"two".to_vec(), b"four".to_vec()]
        );
    });
}

/// The receiver has the bytes, the sender never learns it.
#[test]
fn bytes_whose_acknowledgements_are_lost() {
    world(2, || {
        let (server, running) = host("server", || {
            let listener = TcpListener::bind("0.0.0.0:80").unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            let mut buf = [0; 5];
            stream.read_exact(&mut buf).unwrap();
            (
                buf,
                now(),
                stream.set_read_timeout(Some(secs(2000))).unwrap(),
                stream.read(&mut buf),
            )
        });
        let mut stream = connect("server:80");
        sleep(ms(50));
        net::partition_one_way(&[server], &[SIM]);
        let before = now();
        stream.write_all(b"taken").unwrap();
        let error = stream.read(&mut [0]).unwrap_err();
        assert_eq!(code(&error), libc::ETIMEDOUT);
        assert!(now() - before > secs(900));
        let (buf, at, (), more) = running.join();
        assert_eq!(&buf, b"taken");
        assert!(at - before < ms(10));
        assert_eq!(code(&more.unwrap_err()), libc::EAGAIN, "no end, no reset");
    });
}

/// A partition is felt by what is on its way already, even if it is over when that would arrive.
#[test]
fn what_is_on_its_way_is_lost_in_a_partition() {
    world(1, || {
        net::set_latency(Links::All, secs(1)..=secs(1));
        let (server, running) = host("server", || {
            let socket = UdpSocket::bind("0.0.0.0:80").unwrap();
            let mut buf = [0; 8];
            let n = socket.recv(&mut buf).unwrap();
            buf[..n].to_vec()
        });
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.send_to(b"lost", "server:80").unwrap();
        sleep(ms(300));
        net::partition(&[server], &[SIM]);
        sleep(ms(300));
        net::repair(&[server], &[SIM]);
        socket.send_to(b"found", "server:80").unwrap();
        assert_eq!(running.join(), b"found");
        assert!(now() >= ms(1600) && now() < ms(1601), "{:?}", now());
    });
}

/// A hold keeps what is on its way too, and a release lets it arrive, in order.
#[test]
fn what_is_held_arrives_when_it_is_released() {
    world(1, || {
        let (server, running) = host("server", || {
            let socket = UdpSocket::bind("0.0.0.0:80").unwrap();
            let mut heard = Vec::new();
            let mut buf = [0; 8];
            for _ in 0..4 {
                socket.recv(&mut buf).unwrap();
                heard.push((buf[0], now()));
            }
            heard
        });
        sleep(ms(10));
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.send_to(&[0], "server:80").unwrap();
        net::hold(&[SIM], &[server]);
        for n in 1..4 {
            sleep(secs(1));
            socket.send_to(&[n], "server:80").unwrap();
        }
        sleep(secs(1));
        net::release(&[SIM], &[server]);
        let heard = running.join();
        let order: Vec<u8> = heard.iter().map(|it| it.0).collect();
        assert_eq!(order, [0, 1, 2, 3]);
        assert!(
            heard.iter().all(|it| it.1 >= secs(4) && it.1 < secs(5)),
            "{heard:?}"
        );
    });
}

#[test]
fn a_third_of_all_packets_is_lost() {
    let mut longest = Duration::ZERO;
    for seed in 0..30 {
        let took = world(seed, || {
            net::set_loss(Links::All, 0.3);
            let (_, read) = reader("server", 1);
            let (_, client) = host("client", || {
                let mut stream = connect("server:80");
                stream.write_all(&pattern(200_000)).unwrap();
            });
            client.join();
            assert!(read.join() == [pattern(200_000)]);
            now()
        });
        longest = longest.max(took);
    }
    assert!(longest > secs(2) && longest < secs(600), "{longest:?}");
}

/// Tells how many datagrams of 1,000 arrive, how many of them twice, how many after a later one.
fn statistics(seed: u64, set: fn()) -> (usize, usize, usize) {
    world(seed, move || {
        set();
        let (_, running) = host("server", || {
            let socket = UdpSocket::bind("0.0.0.0:80").unwrap();
            socket.set_read_timeout(Some(secs(5))).unwrap();
            let mut seen = BTreeMap::new();
            let (mut highest, mut late) = (0, 0);
            let mut buf = [0; 4];
            while socket.recv(&mut buf).is_ok() {
                let n = u32::from_ne_bytes(buf);
                *seen.entry(n).or_insert(0) += 1;
                if seen[&n] == 1 && n < highest {
                    late += 1;
                }
                highest = highest.max(n);
            }
            let twice = seen.values().filter(|times| **times == 2).count();
            assert!(seen.values().all(|times| *times <= 2));
            (seen.len(), twice, late)
        });
        sleep(ms(10));
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        for n in 0u32..1000 {
            socket.send_to(&n.to_ne_bytes(), "server:80").unwrap();
            sleep(ms(1));
        }
        running.join()
    })
}

#[test]
fn datagrams_are_lost_doubled_and_overtaken_as_often_as_is_said() {
    for seed in 0..10 {
        assert_eq!(statistics(seed, || {}), (1000, 0, 0));
        let (arrived, ..) = statistics(seed, || net::set_loss(Links::All, 0.25));
        assert!((690..810).contains(&arrived), "{arrived}");
        let (arrived, twice, _) = statistics(seed, || net::set_duplicate(Links::All, 0.1));
        assert!(
            arrived == 1000 && (60..150).contains(&twice),
            "{arrived} {twice}"
        );
        let (arrived, _, late) = statistics(seed, || net::set_reorder(Links::All, 0.2));
        assert!(
            arrived == 1000 && (60..250).contains(&late),
            "{arrived} {late}"
        );
        assert_eq!(
            statistics(seed, || net::set_loss(Links::All, 1.0)),
            (0, 0, 0)
        );
    }
}

#[test]
fn a_latency_is_of_one_link_or_of_all() {
    world(1, || {
        let serve = || {
            let listener = TcpListener::bind("0.0.0.0:80").unwrap();
            while let Ok((mut stream, _)) = listener.accept() {
                let mut buf = [0; 1];
                while stream.read(&mut buf).is_ok_and(|n| n > 0) {
                    stream.write_all(&buf).unwrap();
                }
            }
        };
        let (near, _a) = host("near", serve);
        let (far, _b) = host("far", serve);
        let trip = |stream: &mut TcpStream| {
            let before = now();
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            now() - before
        };
        let (mut to_near, mut to_far) = (connect("near:80"), connect("far:80"));
        // What was sent before is not overtaken.
        let quiet = || sleep(secs(3));
        let usual = ms(1)..ms(5);
        assert!(usual.contains(&trip(&mut to_near)) && usual.contains(&trip(&mut to_far)));
        net::set_latency(Links::OneWay(SIM, far), ms(500)..=ms(500));
        assert!(usual.contains(&trip(&mut to_near)));
        assert!((ms(500)..ms(503)).contains(&trip(&mut to_far)));
        net::set_latency(Links::Between(far, SIM), ms(50)..=ms(50));
        quiet();
        assert!((ms(100)..ms(101)).contains(&trip(&mut to_far)));
        net::set_latency(Links::All, secs(1)..=secs(1));
        assert!((secs(2)..ms(2001)).contains(&trip(&mut to_near)));
        net::calm();
        quiet();
        assert!(usual.contains(&trip(&mut to_near)) && usual.contains(&trip(&mut to_far)));
        hosts::crash(near);
        hosts::crash(far);
    });
}

#[test]
fn a_bandwidth_is_kept() {
    world(1, || {
        net::set_bandwidth(Links::All, Some(100_000));
        let (_, read) = reader("server", 1);
        let (_, client) = host("client", || {
            connect("server:80").write_all(&pattern(1_000_000)).unwrap();
        });
        client.join();
        assert!(read.join() == [pattern(1_000_000)]);
        // Ten seconds, and the headers.
        assert!(now() > secs(10) && now() < secs(12), "{:?}", now());
    });
}

#[test]
fn nothing_is_wrong_between_a_host_and_itself() {
    world(1, || {
        net::set_loss(Links::All, 1.0);
        let (_, running) = host("alone", || {
            let own = hosts::address(hosts::current());
            let listener = TcpListener::bind((own, 80)).unwrap();
            let before = now();
            let mut one = TcpStream::connect((own, 80)).unwrap();
            let (mut other, _) = listener.accept().unwrap();
            one.write_all(b"hello").unwrap();
            let mut buf = [0; 5];
            other.read_exact(&mut buf).unwrap();
            assert!(
                now() - before < Duration::from_micros(200),
                "{:?}",
                now() - before
            );
        });
        running.join();
    });
}

/// What the trace tells of a message: that it was sent, and what became of it, under one number.
#[test]
fn messages_are_told() {
    let ((), events) = told(1, || {
        let (server, running) = host("server", || {
            let socket = UdpSocket::bind("0.0.0.0:80").unwrap();
            socket.recv(&mut [0; 8]).unwrap();
        });
        sleep(ms(10));
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        net::partition(&[SIM], &[server]);
        socket.send_to(b"lost", "server:80").unwrap();
        net::heal();
        socket.send_to(b"found", "server:80").unwrap();
        running.join();
        let stopped = start(hosts::add("other"), || ());
        stopped.join();
    });
    let of = |word: &str| {
        let found = events
            .iter()
            .filter(|event| event.contains(&format!("  {word} ")));
        found.cloned().collect::<Vec<_>>()
    };
    let id = |event: &str| {
        event
            .split("id=")
            .nth(1)
            .map(|it| it.split(' ').next().unwrap().to_owned())
    };
    let (sent, arrived, dropped) = (of("send"), of("deliver"), of("drop"));
    assert_eq!(
        (sent.len(), arrived.len(), dropped.len()),
        (2, 1, 1),
        "{events:#?}"
    );
    assert_eq!(id(&sent[0]), id(&dropped[0]));
    assert_eq!(id(&sent[1]), id(&arrived[0]));
    assert!(dropped[0].contains("why=partition") && arrived[0].contains("bytes=5"));
    assert_eq!((of("partition").len(), of("repair").len()), (2, 2));
}
