//! A seed names a run: the same one has the same trace, whatever is asked of the network.

mod net_support;

use mio::{Events, Interest, Poll, Token};
use net_support::{connect, host, ms, pattern, secs, start, traced};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::thread::sleep;
use yamanote_sim::net::Links;
use yamanote_sim::{Stream, hosts, net, with_rng};

/// Answers every connection with what it sends, through one `Poll`.
fn echo() {
    let mut listener = mio::net::TcpListener::bind("0.0.0.0:80".parse().unwrap()).unwrap();
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(16);
    poll.registry()
        .register(&mut listener, Token(0), Interest::READABLE)
        .unwrap();
    let mut streams: Vec<(mio::net::TcpStream, Vec<u8>)> = Vec::new();
    loop {
        poll.poll(&mut events, None).unwrap();
        let ready: BTreeSet<usize> = events.iter().map(|event| event.token().0).collect();
        for token in ready {
            if token > 0 {
                let (stream, kept) = &mut streams[token - 1];
                serve(stream, kept);
                continue;
            }
            while let Ok((mut stream, _)) = listener.accept() {
                let token = Token(streams.len() + 1);
                let both = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut stream, token, both).unwrap();
                streams.push((stream, Vec::new()));
            }
        }
    }
}

fn serve(stream: &mut mio::net::TcpStream, kept: &mut Vec<u8>) {
    let mut buf = [0; 3000];
    loop {
        match stream.read(&mut buf) {
            Ok(0) => break,
            Ok(n) => kept.extend(&buf[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return,
        }
    }
    while !kept.is_empty() {
        match stream.write(kept) {
            Ok(n) => drop(kept.drain(..n)),
            Err(_) => return,
        }
    }
}

/// Three clients of a server that crashes, datagrams between them, and all faults there are.
fn storm() -> usize {
    let server = hosts::add("server");
    start(server, echo);
    net::set_loss(Links::All, 0.05);
    net::set_duplicate(Links::All, 0.1);
    net::set_reorder(Links::All, 0.1);
    let clients: Vec<_> = (0..3u16)
        .map(|n| {
            host(&format!("client{n}"), move || {
                let socket = UdpSocket::bind(("0.0.0.0", 7)).unwrap();
                socket.set_nonblocking(true).unwrap();
                let (mut done, mut heard) = (0, 0);
                while done < 3 {
                    let mut stream = connect("server:80");
                    stream.set_read_timeout(Some(secs(2))).unwrap();
                    let data = pattern(5000 * (usize::from(n) + 1));
                    let mut buf = vec![0; data.len()];
                    if stream.write_all(&data).is_ok() && stream.read_exact(&mut buf).is_ok() {
                        assert!(buf == data, "other bytes");
                        done += 1;
                    }
                    let other = format!("client{}:7", (n + 1) % 3);
                    let _ = socket.send_to(&[n as u8; 100], other);
                    while socket.recv(&mut [0; 128]).is_ok() {
                        heard += 1;
                    }
                }
                heard
            })
        })
        .collect();
    let ids: Vec<_> = clients.iter().map(|it| it.0).collect();
    for _ in 0..3 {
        sleep(ms(with_rng(Stream::Chaos, |rng| rng.between(1, 50))));
        let cut = ids[with_rng(Stream::Chaos, |rng| rng.below(3)) as usize];
        net::partition(&[server], &[cut]);
        sleep(ms(with_rng(Stream::Chaos, |rng| rng.between(1, 50))));
        net::heal();
        hosts::crash(server);
        sleep(ms(5));
        start(server, echo);
    }
    clients.into_iter().map(|it| it.1.join()).sum()
}

#[test]
fn the_same_seed_has_the_same_trace() {
    let mut hashes = BTreeSet::new();
    for seed in 0..500 {
        let (heard, one) = traced(seed, storm);
        let (again, other) = traced(seed, storm);
        assert_eq!(
            (heard, one.events()),
            (again, other.events()),
            "seed {seed}"
        );
        assert_eq!(one.hash(), other.hash(), "seed {seed}");
        assert!(one.events() > 100, "{}", one.events());
        hashes.insert(one.hash());
    }
    assert_eq!(hashes.len(), 500, "each seed is another run");
}

/// The order of two who connect at the same time is the seed's choice.
#[test]
fn a_seed_decides_who_is_first() {
    let first = |seed| {
        let ((), running) = ((), move || {
            let (_, server) = host("server", || {
                let listener = TcpListener::bind("0.0.0.0:80").unwrap();
                let (mut stream, _) = listener.accept().unwrap();
                let mut buf = [0];
                stream.read_exact(&mut buf).unwrap();
                buf[0]
            });
            sleep(ms(1));
            for n in 0..2u8 {
                host(&format!("client{n}"), move || {
                    let mut stream = connect("server:80");
                    let _ = stream.write_all(&[n]);
                    sleep(secs(1));
                });
            }
            server.join()
        });
        traced(seed, running).0
    };
    let firsts: BTreeSet<u8> = (0..20).map(first).collect();
    assert_eq!(firsts, BTreeSet::from([0, 1]));
}
