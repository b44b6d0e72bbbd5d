//! TCP between hosts: bytes, windows, ends, crashes, and when each happens.

mod net_support;

use net_support::{bits, code, connect, host, ms, pattern, reader, secs, start, to, world};
use socket2::SockRef;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;
use yamanote_sim::{HostId, hosts, net, now};

#[test]
fn bytes_arrive_once_and_in_order() {
    for seed in 0..20 {
        world(seed, || {
            let sent = pattern(1 << 20);
            let (server, read) = reader("server", 1);
            let bytes = sent.clone();
            let (_, client) = host("client", move || {
                let mut stream = connect("server:80");
                assert_eq!(stream.peer_addr().unwrap(), to(server, 80));
                let own = hosts::address(hosts::current());
                assert_eq!(stream.local_addr().unwrap().ip(), own);
                stream.write_all(&bytes).unwrap();
            });
            client.join();
            assert!(read.join() == [sent], "other bytes");
            assert!(now() > ms(1) && now() < secs(1), "{:?}", now());
        });
    }
}

/// A byte at a time, through buffers of about 2 KiB, to somebody who sleeps.
#[test]
fn a_slow_reader_holds_the_writer_up() {
    for seed in 0..10 {
        world(seed, || {
            const LEN: usize = 40_000;
            let (_, server) = host("server", || {
                let listener = TcpListener::bind("0.0.0.0:80").unwrap();
                SockRef::from(&listener).set_recv_buffer_size(2304).unwrap();
                let (mut stream, _) = listener.accept().unwrap();
                let mut bytes = Vec::<u8>::new();
                let mut buf = [0; 1000];
                loop {
                    sleep(secs(1));
                    match stream.read(&mut buf).unwrap() {
                        0 => return bytes,
                        n => bytes.extend(&buf[..n]),
                    }
                }
            });
            let (_, client) = host("client", || {
                let mut stream = connect("server:80");
                SockRef::from(&stream).set_send_buffer_size(2304).unwrap();
                stream.write_all(&pattern(LEN)).unwrap();
                now()
            });
            let written = client.join();
            // All but what is in the two buffers has been read, 1,000 bytes a second.
            assert!(written > secs(34) && written < secs(80), "{written:?}");
            assert!(server.join() == pattern(LEN));
        });
    }
}

#[test]
fn a_writer_that_may_not_wait_is_told_of_room() {
    world(1, || {
        let (_, server) = host("server", || {
            let listener = TcpListener::bind("0.0.0.0:80").unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            sleep(secs(5));
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let (_, client) = host("client", || {
            let mut stream = connect("server:80");
            stream.set_nonblocking(true).unwrap();
            let data = pattern(4 << 20);
            let mut done = 0;
            let mut waits = 0;
            while done < data.len() {
                match stream.write(&data[done..]) {
                    Ok(n) => done += n,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        assert_eq!(bits(&stream) & libc::POLLOUT, 0);
                        waits += 1;
                        let before = now();
                        poll_for(&stream, libc::POLLOUT);
                        if now() - before > secs(4) {
                            // What both sides keep: 128 KiB each.
                            assert!((240 << 10..=256 << 10).contains(&done), "{done}");
                        }
                    }
                }
            }
            assert!(now() > secs(5) && waits > 5, "{waits}");
        });
        client.join();
        assert!(server.join() == pattern(4 << 20));
    });
}

fn poll_for(stream: &TcpStream, events: i16) {
    use std::os::fd::AsRawFd;
    let mut entry = libc::pollfd {
        fd: stream.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: one valid entry.
    assert_eq!(unsafe { libc::poll(&raw mut entry, 1, -1) }, 1);
}

#[test]
fn either_end_can_be_the_first_to_end() {
    for seed in 0..20 {
        world(seed, move || {
            let (_, server) = host("server", move || {
                let listener = TcpListener::bind("0.0.0.0:80").unwrap();
                let (mut stream, _) = listener.accept().unwrap();
                if seed % 2 == 0 {
                    stream.write_all(b"from the server").unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                }
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                if seed % 2 == 1 {
                    stream.write_all(b"from the server").unwrap();
                }
                text
            });
            let mut stream = connect("server:80");
            stream.write_all(b"from the client").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            assert_eq!(text, "from the server");
            assert_eq!(server.join(), "from the client");
        });
    }
}

#[test]
fn nobody_listens() {
    for seed in 0..20 {
        world(seed, || {
            let (server, _running) = host("server", || sleep(secs(100)));
            let before = now();
            let error = TcpStream::connect("server:80").unwrap_err();
            assert_eq!(code(&error), libc::ECONNREFUSED);
            // There and back, to both addresses.
            let took = now() - before;
            assert!(took >= ms(1) && took <= ms(9), "{took:?}");
            hosts::crash(server);
        });
    }
}

#[test]
fn nobody_answers() {
    world(1, || {
        hosts::add("down");
        for address in [
            "10.0.0.1:80",
            "10.0.77.3:80",
            "192.0.2.1:80",
            "[fd00::9]:80",
        ] {
            let before = now();
            let error = TcpStream::connect(address).unwrap_err();
            assert_eq!(code(&error), libc::ETIMEDOUT);
            // 1 + 2 + 4 + ... + 64 s.
            let took = now() - before;
            assert!(took >= secs(127) && took < secs(127) + ms(1), "{took:?}");
        }
        let before = now();
        let address: SocketAddr = "10.0.0.1:80".parse().unwrap();
        let error = TcpStream::connect_timeout(&address, secs(3)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(now() - before >= secs(3) && now() - before < secs(3) + ms(1));
    });
}

#[test]
fn a_queue_that_is_full_lets_callers_wait() {
    world(3, || {
        let (server, _running) = host("server", || {
            let listener = TcpListener::bind("0.0.0.0:80").unwrap();
            // std's backlog is larger.
            SockRef::from(&listener).listen(2).unwrap();
            sleep(secs(10));
            let mut accepted = Vec::new();
            for _ in 0..5 {
                accepted.push(listener.accept().unwrap().0);
            }
            sleep(secs(100));
        });
        sleep(ms(10));
        let callers: Vec<_> = (0..5)
            .map(|n| {
                std::thread::spawn(move || {
                    sleep(ms(20 * n));
                    TcpStream::connect("server:80").unwrap();
                    now()
                })
            })
            .collect();
        let mut times: Vec<Duration> = callers.into_iter().map(|it| it.join().unwrap()).collect();
        times.sort();
        // One more than the backlog; the others ask again after 1, 3, 7, 15 s.
        assert!(times[2] < ms(100), "{times:?}");
        assert!(times[3] > secs(15) && times[4] < secs(16), "{times:?}");
        hosts::crash(server);
    });
}

/// The peer of a host that has crashed learns nothing, until it sends and the host is up again.
#[test]
fn a_crash_is_silent_and_a_restart_resets() {
    for seed in 0..10 {
        world(seed, || {
            let (server, _running) = host("server", || {
                let listener = TcpListener::bind("0.0.0.0:80").unwrap();
                let (_stream, _) = listener.accept().unwrap();
                sleep(secs(1_000_000));
            });
            let mut stream = connect("server:80");
            sleep(ms(100));
            hosts::crash(server);
            stream.set_read_timeout(Some(secs(3600))).unwrap();
            let error = stream.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "nothing is heard");
            stream.write_all(b"to nobody").unwrap();
            sleep(secs(10));
            let running = start(server, || {
                let listener = TcpListener::bind("0.0.0.0:80").unwrap();
                listener.accept().unwrap();
            });
            let before = now();
            let error = stream.read(&mut [0]).unwrap_err();
            assert_eq!(code(&error), libc::ECONNRESET);
            // At the next time that the bytes are sent again.
            assert!(now() - before < secs(15), "{:?}", now() - before);
            drop(connect("server:80"));
            running.join();
        });
    }
}

#[test]
fn bytes_for_a_host_that_stays_down_are_given_up() {
    world(1, || {
        let (server, _running) = host("server", || {
            let listener = TcpListener::bind("0.0.0.0:80").unwrap();
            let (_stream, _) = listener.accept().unwrap();
            sleep(secs(1_000_000));
        });
        let mut stream = connect("server:80");
        let mut impatient = connect("server:80");
        SockRef::from(&impatient)
            .set_tcp_user_timeout(Some(secs(30)))
            .unwrap();
        let mut asking = connect("server:80");
        let keepalive = socket2::TcpKeepalive::new().with_time(secs(60));
        let keepalive = keepalive.with_interval(secs(10)).with_retries(3);
        SockRef::from(&asking)
            .set_tcp_keepalive(&keepalive)
            .unwrap();
        sleep(ms(100));
        hosts::crash(server);
        let before = now();
        impatient.write_all(b"to nobody").unwrap();
        assert_eq!(
            code(&impatient.read(&mut [0]).unwrap_err()),
            libc::ETIMEDOUT
        );
        let took = now() - before;
        assert!(took >= secs(30) && took < secs(31), "{took:?}");
        assert_eq!(code(&asking.read(&mut [0]).unwrap_err()), libc::ETIMEDOUT);
        let took = now() - before;
        assert!(took >= secs(89) && took < secs(91), "{took:?}");
        let before = now();
        stream.write_all(b"to nobody").unwrap();
        assert_eq!(code(&stream.read(&mut [0]).unwrap_err()), libc::ETIMEDOUT);
        let took = now() - before;
        assert!(took >= secs(920) && took < secs(930), "{took:?}");
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    });
}

/// What a crashed host's own threads do reaches nobody.
#[test]
fn a_dead_life_sends_nothing() {
    world(1, || {
        let (_, read) = reader("server", 1);
        let (client, running) = host("client", || {
            let mut stream = connect("server:80");
            stream.write_all(b"alive").unwrap();
            sleep(secs(10));
            let write = stream.write(b"dead").unwrap_err();
            let read = stream.read(&mut [0]).unwrap_err();
            let connect = TcpStream::connect("server:80").unwrap_err();
            drop(stream);
            (code(&write), code(&read), code(&connect))
        });
        sleep(secs(5));
        hosts::crash(client);
        let errors = (libc::EPIPE, libc::ECONNRESET, libc::ENETDOWN);
        assert_eq!(running.join(), errors);
        sleep(secs(100));
        assert!(!read.is_over(), "no end was sent");
    });
}

/// A thread that waits on a socket when its host crashes does not wait for ever.
#[test]
fn a_crash_ends_what_its_own_threads_wait_for() {
    world(1, || {
        let (server, running) = host("server", || {
            let listener = TcpListener::bind("0.0.0.0:80").unwrap();
            let error = listener.accept().unwrap_err();
            (code(&error), now())
        });
        sleep(secs(5));
        hosts::crash(server);
        let (error, at) = running.join();
        assert_eq!(error, libc::ECONNABORTED);
        assert!(at >= secs(5) && at < secs(6));
    });
}

#[test]
fn names_and_addresses() {
    world(1, || {
        use std::net::ToSocketAddrs;
        let one = hosts::add("one");
        assert_eq!(hosts::address(HostId::DRIVER).to_string(), "10.0.255.254");
        assert_eq!(hosts::address(one).to_string(), "10.0.0.1");
        let resolve = |name: &str| -> Result<Vec<String>, ()> {
            let found = (name, 7).to_socket_addrs().map_err(|_| ())?;
            Ok(found.map(|address| address.to_string()).collect())
        };
        let found = |list: &[&str]| Ok(list.iter().map(|it| it.to_string()).collect::<Vec<_>>());
        assert_eq!(resolve("one"), found(&["10.0.0.1:7", "[fd00::1]:7"]));
        assert_eq!(resolve("localhost"), found(&["[::1]:7", "127.0.0.1:7"]));
        assert_eq!(resolve("10.1.2.3"), found(&["10.1.2.3:7"]));
        assert_eq!(resolve("fd00::3"), found(&["[fd00::3]:7"]));
        assert_eq!(resolve("two"), Err(()));
        assert_eq!(resolve("example.com"), Err(()));
        let running = start(one, || {
            let mut name = [0u8; 64];
            // SAFETY: a valid buffer.
            let answer = unsafe { libc::gethostname(name.as_mut_ptr().cast(), 64) };
            assert_eq!(answer, 0);
            assert_eq!(&name[..4], b"one\0");
            let listener = TcpListener::bind("one:80").unwrap();
            assert_eq!(listener.local_addr().unwrap().to_string(), "10.0.0.1:80");
            let (stream, from) = listener.accept().unwrap();
            assert_eq!(from.ip().to_string(), "10.0.255.254");
            drop(stream);
            let six = TcpListener::bind("[::]:81").unwrap();
            six.accept().unwrap().1.to_string()
        });
        drop(connect("one:80"));
        let six = connect("[fd00::1]:81");
        let own = six.local_addr().unwrap();
        assert_eq!(own.ip().to_string(), "fd00::ff:fe");
        assert_eq!(running.join(), own.to_string());
    });
}

/// Ports of the system's choice are of the seed's choice, and each is given once.
#[test]
fn ports_are_drawn() {
    let ports = |seed| {
        world(seed, || {
            let listeners = (0..100).map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
            let listeners: Vec<TcpListener> = listeners.collect();
            let port = |it: &TcpListener| it.local_addr().unwrap().port();
            let mut ports: Vec<u16> = listeners.iter().map(port).collect();
            let drawn = ports.clone();
            ports.sort_unstable();
            ports.dedup();
            assert_eq!(ports.len(), 100);
            assert!(ports[0] >= 32_768);
            drawn
        })
    };
    assert_eq!(ports(1), ports(1));
    assert_ne!(ports(1), ports(2));
}

/// The same port again at once, while the old connection is remembered.
#[test]
fn a_server_that_is_restarted_has_its_port() {
    world(1, || {
        let server = hosts::add("server");
        for _ in 0..3 {
            let running = start(server, || {
                let listener = TcpListener::bind("0.0.0.0:80").unwrap();
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(b"hello").unwrap();
                drop((stream, listener));
                let listener = TcpListener::bind("0.0.0.0:80").unwrap();
                listener.accept().unwrap();
            });
            let mut text = String::new();
            connect("server:80").read_to_string(&mut text).unwrap();
            assert_eq!(text, "hello");
            drop(connect("server:80"));
            running.join();
            hosts::crash(server);
        }
        assert!(
            net::connections()
                .iter()
                .all(|it| it.host == HostId::DRIVER)
        );
        sleep(secs(200));
        assert_eq!(net::connections(), []);
    });
}
