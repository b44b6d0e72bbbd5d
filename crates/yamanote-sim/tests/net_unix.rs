//! Unix sockets by path and by abstract name, within a host.

mod net_support;

use net_support::{code, connect, host, ms, pattern, say, secs, start, world};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::thread::sleep;
use yamanote_sim::{hosts, now};

const PATH: &str = "/socket";

#[test]
fn a_path_is_a_name_until_it_is_removed() {
    world(1, || {
        let (_, running) = host("one", || {
            assert_eq!(
                say(UnixStream::connect(PATH).map(|_| ())),
                format!("error {}", libc::ENOENT)
            );
            let listener = UnixListener::bind(PATH).unwrap();
            let error = UnixListener::bind(PATH).unwrap_err();
            assert_eq!(code(&error), libc::EADDRINUSE);
            let mut client = UnixStream::connect(PATH).unwrap();
            let (mut server, from) = listener.accept().unwrap();
            assert!(from.is_unnamed());
            assert_eq!(
                client.peer_addr().unwrap().as_pathname().unwrap().to_str(),
                Some(PATH)
            );
            client.write_all(b"hello").unwrap();
            let mut buf = [0; 5];
            server.read_exact(&mut buf).unwrap();
            assert_eq!(&buf, b"hello");
            drop(listener);
            let error = UnixStream::connect(PATH).unwrap_err();
            assert_eq!(code(&error), libc::ECONNREFUSED);
            let error = UnixListener::bind(PATH).unwrap_err();
            assert_eq!(code(&error), libc::EADDRINUSE, "the name is there still");
            fs::remove_file(PATH).unwrap();
            let error = UnixStream::connect(PATH).unwrap_err();
            assert_eq!(code(&error), libc::ENOENT);
            let _again = UnixListener::bind(PATH).unwrap();
            fs::rename(PATH, "/renamed").unwrap();
            UnixStream::connect("/renamed").unwrap();
            fs::write("/file", b"").unwrap();
            let error = UnixStream::connect("/file").unwrap_err();
            assert_eq!(code(&error), libc::ECONNREFUSED);
        });
        running.join();
    });
}

#[test]
fn hosts_have_names_of_their_own() {
    world(1, || {
        let program = |word: &'static [u8]| {
            move || {
                let address = SocketAddr::from_abstract_name("the same").unwrap();
                let listener = UnixListener::bind_addr(&address).unwrap();
                sleep(ms(10));
                let mut client = UnixStream::connect_addr(&address).unwrap();
                client.write_all(word).unwrap();
                drop(client);
                let mut heard = Vec::new();
                listener
                    .accept()
                    .unwrap()
                    .0
                    .read_to_end(&mut heard)
                    .unwrap();
                assert_eq!(heard, word);
            }
        };
        let (one, other) = (host("one", program(b"one")), host("two", program(b"two")));
        one.1.join();
        other.1.join();
    });
}

/// A crash ends the sockets, and leaves at most their names.
#[test]
fn a_crash_frees_abstract_names() {
    world(1, || {
        let address = || SocketAddr::from_abstract_name("name").unwrap();
        let (server, _running) = host("server", move || {
            let _listener = UnixListener::bind_addr(&address()).unwrap();
            sleep(secs(1000));
        });
        sleep(secs(1));
        hosts::crash(server);
        let running = start(server, move || {
            let error = UnixStream::connect_addr(&address()).unwrap_err();
            assert_eq!(code(&error), libc::ECONNREFUSED);
            UnixListener::bind_addr(&address()).unwrap();
        });
        running.join();
    });
}

#[test]
fn a_stream_holds_its_writer_up() {
    for seed in 0..10 {
        world(seed, || {
            let (mut one, mut other) = UnixStream::pair().unwrap();
            let reader = std::thread::spawn(move || {
                sleep(secs(1));
                let mut bytes = Vec::new();
                other.read_to_end(&mut bytes).unwrap();
                bytes
            });
            one.write_all(&pattern(1 << 20)).unwrap();
            assert!(now() >= secs(1) && now() < secs(2));
            drop(one);
            assert!(reader.join().unwrap() == pattern(1 << 20));
        });
    }
}

#[test]
fn datagrams_wait_for_room() {
    for seed in 0..10 {
        world(seed, || {
            let (_, running) = host("one", || {
                let server = UnixDatagram::bind(PATH).unwrap();
                let reader = std::thread::spawn(move || {
                    let mut buf = [0; 8];
                    (0..100u8).for_each(|n| {
                        sleep(ms(100));
                        let (len, from) = server.recv_from(&mut buf).unwrap();
                        assert_eq!((len, buf[0]), (1, n));
                        assert_eq!(from.as_pathname().unwrap().to_str(), Some("/client"));
                    });
                });
                let client = UnixDatagram::bind("/client").unwrap();
                (0..100u8).for_each(|n| {
                    client.send_to(&[n], PATH).unwrap();
                });
                // All but those that may wait.
                assert!(now() > secs(8), "{:?}", now());
                reader.join().unwrap();
            });
            running.join();
        });
    }
}

/// A queue that is full holds a caller up until there is room.
#[test]
fn a_listener_without_room_is_waited_for() {
    world(1, || {
        let (_, running) = host("one", || {
            let listener = UnixListener::bind(PATH).unwrap();
            socket2::SockRef::from(&listener).listen(1).unwrap();
            let accepting = std::thread::spawn(move || {
                (0..3).for_each(|_| {
                    sleep(secs(1));
                    listener.accept().unwrap();
                });
            });
            let callers: Vec<_> = (0..3).map(|_| UnixStream::connect(PATH).unwrap()).collect();
            assert!(now() >= secs(1) && now() < secs(2), "{:?}", now());
            accepting.join().unwrap();
            drop(callers);
        });
        running.join();
    });
}

#[test]
fn who_is_at_the_other_end() {
    world(1, || {
        let (_, running) = host("one", || {
            let (one, _other) = UnixStream::pair().unwrap();
            let mut who = libc::ucred {
                pid: 0,
                uid: 0,
                gid: 0,
            };
            let mut len = size_of::<libc::ucred>() as libc::socklen_t;
            use std::os::fd::AsRawFd;
            // SAFETY: a valid place.
            let answer = unsafe {
                libc::getsockopt(
                    one.as_raw_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_PEERCRED,
                    (&raw mut who).cast(),
                    &raw mut len,
                )
            };
            assert_eq!(answer, 0);
            assert_eq!(who.pid as u32, std::process::id());
            // SAFETY: no pointers.
            assert_eq!(who.uid, unsafe { libc::geteuid() });
        });
        running.join();
    });
}

/// Sockets of both families beside each other: one table of descriptors, nothing left open.
#[test]
fn nothing_is_left_open() {
    world(1, || {
        let before = yamanote_sim::open_descriptors();
        let (_, running) = host("server", || {
            let listener = TcpListener::bind("0.0.0.0:80").unwrap();
            for _ in 0..50 {
                drop(listener.accept().unwrap());
            }
        });
        for _ in 0..50 {
            drop(connect("server:80"));
            drop(UnixStream::pair().unwrap());
            drop(UnixDatagram::pair().unwrap());
        }
        running.join();
        sleep(ms(10));
        assert_eq!(yamanote_sim::open_descriptors(), before);
        sleep(secs(120));
        assert_eq!(yamanote_sim::net::connections(), []);
    });
}
