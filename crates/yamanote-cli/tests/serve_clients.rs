//! `yamanote serve` with many, slow, silent or vanished clients; and its end.

mod client;
mod server;

use client::Client;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use server::Started;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};
use yamanote_test::{Capability, TempDir, require};

/// Runs a test on either driver.
fn on_both(test: impl Fn(Started)) {
    if require(Capability::IoUring) {
        test(Started::new().on("uring"));
    }
    test(Started::new().on("epoll"));
}

/// A directory with a small file and one that no socket buffer holds.
fn directory() -> TempDir {
    let temp = TempDir::new();
    std::fs::write(temp.path().join("small"), "small").unwrap();
    std::fs::write(temp.path().join("large"), vec![7; LARGE]).unwrap();
    temp
}

const LARGE: usize = 32 << 20;

/// More clients than the server may have descriptors; each keeps its connection and asks several
/// times.
#[test]
fn a_crowd_larger_than_the_limit_on_descriptors_is_served() {
    const DESCRIPTORS: u64 = 128;
    const CLIENTS: usize = 300;
    on_both(|started| {
        let temp = directory();
        let server = started
            .with_descriptors(DESCRIPTORS, DESCRIPTORS)
            .with_errors()
            .serve(temp.path(), &["--workers", "2"]);
        // Nothing is asked before all have connected, and those without a place wait in the kernel.
        let mut clients: Vec<_> = (0..CLIENTS)
            .map(|_| Client::connect(server.address))
            .collect();
        for round in 0..3 {
            for (number, client) in clients.iter_mut().enumerate() {
                let answer = client.get_again("/small");
                assert_eq!(
                    (answer.status, &*answer.body),
                    (200, &b"small"[..]),
                    "round {round}, client {number}"
                );
            }
        }
        server.interrupt();
        let ended = server.end();
        // No call met the limit.
        assert_eq!((ended.status, &*ended.errors), (Some(0), ""));
    });
}

/// As many downloads at once as there are places, and they are slow: all are served in full, though
/// there are fewer descriptors for files than for connections.
#[test]
fn files_wait_for_descriptors_instead_of_failing() {
    const CLIENTS: usize = 100;
    on_both(|started| {
        let temp = directory();
        let server = started
            .with_descriptors(128, 128)
            .with_errors()
            .serve(temp.path(), &["--workers", "2"]);
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = Client::connect(server.address);
                    client.send("GET", "/large", &[("Range", "bytes=0-3999999")]);
                    let mut answer = client.read_head();
                    std::thread::sleep(Duration::from_millis(20));
                    answer.read_body(&mut client);
                    assert_eq!((answer.status, answer.body.len()), (206, 4_000_000));
                });
            }
        });
        server.interrupt();
        let ended = server.end();
        assert_eq!((ended.status, &*ended.errors), (Some(0), ""));
    });
}

/// Clients that never pause take turns: the answer that ends a connection says so.
#[test]
fn busy_clients_beyond_the_limit_take_turns() {
    on_both(|started| {
        let temp = directory();
        let server = started.serve(temp.path(), &["--connections", "2"]);
        let closed = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut client = Client::connect(server.address);
                    for _ in 0..200 {
                        let answer = client.get("/small", &[]);
                        assert_eq!(answer.status, 200);
                        if answer.header("connection") == "close" {
                            closed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            client = Client::connect(server.address);
                        }
                    }
                });
            }
        });
        assert!(closed.into_inner() >= 6, "six had to wait for a place");
        server.interrupt_and_wait();
    });
}

/// Connections that send nothing, or half a request, do not keep others out.
#[test]
fn silent_clients_give_their_places_up() {
    on_both(|started| {
        let temp = directory();
        // So long that nothing ends by itself.
        let args = ["--connections", "4", "--timeout", "600"];
        let server = started.serve(temp.path(), &args);
        let mut silent: Vec<_> = (0..4).map(|_| Client::connect(server.address)).collect();
        for client in &mut silent[..2] {
            client.socket().write_all(b"GET /small HT").unwrap();
        }
        for _ in 0..4 {
            assert_eq!(
                Client::connect(server.address).get("/small", &[]).status,
                200
            );
        }
        server.interrupt_and_wait();
    });
}

#[test]
fn the_soft_limit_on_descriptors_is_raised() {
    on_both(|started| {
        let temp = directory();
        let server = started.with_descriptors(100, 1000).serve(temp.path(), &[]);
        assert_eq!(server.descriptor_limit(), 1000);
        server.interrupt_and_wait();
    });
}

/// A client that has no more to say still wants the answer.
#[test]
fn a_client_that_half_closes_is_answered() {
    on_both(|started| {
        let temp = directory();
        let server = started.serve(temp.path(), &[]);
        for (path, length) in [("/small", 5), ("/large", LARGE)] {
            let mut client = Client::connect(server.address);
            client.send("GET", path, &[]);
            client.socket().shutdown(Shutdown::Write).unwrap();
            let mut answer = client.read_head();
            answer.read_body(&mut client);
            assert_eq!((answer.status, answer.body.len()), (200, length));
            assert!(client.is_closed());
        }
        // Several requests, the last bytes at once with the end.
        let mut client = Client::connect(server.address);
        for _ in 0..3 {
            client.send("GET", "/small", &[]);
        }
        client.socket().shutdown(Shutdown::Write).unwrap();
        for _ in 0..3 {
            let mut answer = client.read_head();
            answer.read_body(&mut client);
            assert_eq!(answer.body, b"small");
        }
        assert!(client.is_closed());
        server.interrupt_and_wait();
    });
}

#[test]
fn a_reader_that_does_not_read_is_ended() {
    on_both(|started| {
        let temp = directory();
        let server = started.serve(temp.path(), &["--timeout", "1", "--log"]);
        let idle = server.descriptors();
        let mut client = Client::connect(server.address);
        client.send("GET", "/large", &[]);
        // The socket's buffers are far smaller than the file, so the server cannot go on.
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut has_begun = false;
        while !has_begun || server.descriptors() > idle {
            has_begun |= server.descriptors() > idle;
            assert!(Instant::now() < deadline, "it is still connected");
        }
        // Its socket was reset, so nothing of it stays in the kernel.
        let mut rest = Vec::new();
        let result = client.socket().read_to_end(&mut rest);
        assert!(result.is_err() || rest.len() < LARGE);
        server.interrupt();
        let log = server.wait();
        assert!(log.contains("\"GET /large HTTP/1.1\" 200 "), "{log}");
        assert!(!log.contains(&format!(" 200 {LARGE} ")), "{log}");
    });
}

/// A client that reads all the time, but so slowly that the server's buffer takes longer to have
/// room again than the limit on silence allows.
#[test]
fn a_reader_slower_than_the_buffer_is_not_ended() {
    on_both(|started| {
        let temp = directory();
        let server = started.serve(temp.path(), &["--timeout", "2"]);
        let mut client = Client::connect(server.address);
        // With a large buffer the server would learn of the progress in steps of seconds, too.
        set_socket_recv_buffer_size(client.socket(), 1 << 16).unwrap();
        client.send("GET", "/large", &[]);
        client.read_head();
        let (start, mut buffer) = (Instant::now(), [0; 10_000]);
        while start.elapsed() < Duration::from_secs(8) {
            client.socket().read_exact(&mut buffer).unwrap();
            std::thread::sleep(Duration::from_millis(100));
        }
        drop(client);
        server.interrupt_and_wait();
    });
}

/// A reader that is slow but does read gets all of it, in more time than the limit on its silence.
#[test]
fn a_slow_reader_is_not_ended() {
    on_both(|started| {
        let temp = directory();
        let server = started.serve(temp.path(), &["--timeout", "2"]);
        let mut client = Client::connect(server.address);
        client.send("GET", "/large", &[]);
        client.read_head();
        let mut buffer = vec![0; LARGE / 8];
        for _ in 0..7 {
            client.socket().read_exact(&mut buffer).unwrap();
            std::thread::sleep(Duration::from_millis(500));
        }
        server.interrupt();
        let mut last = Vec::new();
        client.socket().read_to_end(&mut last).unwrap();
        // `read_head` may have read some of the body, too.
        assert!(last.len() <= LARGE / 8 && last.len() > LARGE / 8 - 100_000);
        server.wait();
    });
}

/// A head that comes byte by byte, a head that never ends, and silence after an answer.
#[test]
fn who_sends_nothing_whole_is_ended() {
    on_both(|started| {
        let temp = directory();
        let server = started.serve(temp.path(), &["--timeout", "1"]);
        let mut silent = Client::connect(server.address);
        let mut kept = Client::connect(server.address);
        assert_eq!(kept.get("/small", &[]).status, 200);
        let mut slow = Client::connect(server.address);
        let started_at = Instant::now();
        // Always some progress, never a whole head.
        while slow
            .socket()
            .write_all(b"GET /small HTTP/1.1\r\nX: ")
            .is_ok()
            && started_at.elapsed() < Duration::from_secs(60)
        {
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(started_at.elapsed() < Duration::from_secs(60));
        assert!(kept.is_closed());
        assert!(silent.is_closed());
        server.interrupt_and_wait();
    });
}

#[test]
fn idle_connections_do_not_delay_the_end() {
    on_both(|started| {
        let temp = directory();
        let server = started.with_errors().serve(temp.path(), &[]);
        let mut kept = Client::connect(server.address);
        assert_eq!(kept.get("/small", &[]).status, 200);
        let mut silent = Client::connect(server.address);
        let mut half = Client::connect(server.address);
        half.socket().write_all(b"GET /sm").unwrap();
        // So that all of them have been accepted.
        assert_eq!(
            Client::connect(server.address).get("/small", &[]).status,
            200
        );
        server.interrupt();
        let ended = server.end();
        assert_eq!((ended.status, &*ended.errors), (Some(0), ""));
        assert!(kept.is_closed() && silent.is_closed() && half.is_closed());
    });
}

/// Ctrl-C prints what it waits for; the second one ends the wait, and the exit status shows it.
#[test]
fn the_second_stop_cuts_off_and_says_so() {
    on_both(|started| {
        let temp = directory();
        let mut server = started.with_errors().serve(temp.path(), &[]);
        let mut client = Client::connect(server.address);
        client.send("GET", "/large", &[]);
        client.read_head();
        server.interrupt();
        let line = server.error_line();
        assert!(
            line.contains("waiting up to 10 s for 1 request to end: GET /large for 127.0.0.1"),
            "{line}"
        );
        assert!(line.contains("Ctrl-C again"), "{line}");
        server.interrupt();
        let ended = server.end();
        assert_eq!(ended.status, Some(1));
        assert_eq!(ended.errors, "yamanote serve: 1 connection was cut off\n");
    });
}

/// What is too slow for the grace period is cut off, which is no success either.
#[test]
fn the_grace_after_a_stop_ends() {
    on_both(|started| {
        let temp = directory();
        let server = started.with_errors().serve(temp.path(), &[]);
        let mut client = Client::connect(server.address);
        client.send("GET", "/large", &[]);
        client.read_head();
        server.interrupt();
        let ended = server.end();
        assert_eq!(ended.status, Some(1));
        assert!(
            ended.errors.ends_with("1 connection was cut off\n"),
            "{}",
            ended.errors
        );
    });
}
