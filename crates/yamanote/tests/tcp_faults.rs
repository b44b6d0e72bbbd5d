//! Sockets where something is wrong: killed connections, no descriptor left, no port left, the
//! smallest buffer for a gibibyte, sockets that block.

mod tcp_support;

use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tcp_support::pair;
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpSocket, TcpStream};
use yamanote::time::{sleep, timeout};
use yamanote_test::{Capability, Driver, Setup, Snapshot, builder, in_own_process, require};

fn every_setup() -> impl Iterator<Item = Setup> {
    [Driver::Uring, Driver::Epoll]
        .into_iter()
        .flat_map(|driver| [None, Some(2)].map(|workers| Setup { driver, workers }))
        .filter(|setup| setup.is_possible())
}

/// Processor time of this process.
fn processor_time() -> Duration {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is writable and lives through the call; zeroed it is valid already.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// R8: a server that waits a little after each failed accept costs next to nothing while it has no
/// descriptor, and then serves every client that has waited.
#[test]
fn a_crowd_before_a_server_without_descriptors() {
    const CLIENTS: usize = 200;
    let test = "a_crowd_before_a_server_without_descriptors";
    in_own_process(module_path!(), test, || {
        for setup in every_setup() {
            let before = Snapshot::take();
            let runtime = builder!(setup).build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let clients: Vec<_> = (0..CLIENTS)
                    .map(|_| std::net::TcpStream::connect(address).unwrap())
                    .collect();
                let mut hoard = Vec::new();
                while let Ok(file) = std::fs::File::open("/dev/null") {
                    hoard.push(file);
                }
                let server = yamanote::spawn(async move {
                    let (mut served, mut failures) = (Vec::new(), 0);
                    while served.len() < CLIENTS {
                        match listener.accept().await {
                            Ok((mut stream, _)) => {
                                stream.write_all(b"welcome").await.unwrap();
                                served.push(stream);
                            }
                            Err(error) => {
                                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                                failures += 1;
                                sleep(Duration::from_millis(10)).await;
                            }
                        }
                    }
                    failures
                });
                let idle = processor_time();
                sleep(Duration::from_millis(400)).await;
                let spent = processor_time() - idle;
                assert!(spent < Duration::from_millis(200), "{spent:?} of 400 ms");
                assert!(!server.is_finished());
                drop(hoard);
                let limit = Duration::from_secs(20);
                let failures = timeout(limit, server).await.expect("it recovers").unwrap();
                assert!(failures > 0);
                for mut client in clients {
                    let mut text = [0; 7];
                    client.read_exact(&mut text).unwrap();
                    assert_eq!(&text, b"welcome");
                }
            });
            drop(runtime);
            before.assert_restored();
        }
    });
}

/// N3: a connection that the administrator kills ends like any other, once.
#[test]
fn a_killed_connection() {
    if !require(Capability::Root) {
        return;
    }
    for setup in every_setup() {
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(async {
            let (mut client, server) = pair().await;
            let reading = yamanote::spawn(async move {
                let read = timeout(Duration::from_secs(10), client.read(&mut [0; 8])).await;
                (client, read)
            });
            sleep(Duration::from_millis(5)).await;
            // Both ends: other connections of this machine may come from the same port.
            let ends =
                [server.peer_addr(), server.local_addr()].map(|end| end.unwrap().to_string());
            let output = Command::new("ss")
                .args(["-K", "src", &ends[0], "dst", &ends[1]])
                .stdin(Stdio::null())
                .output();
            let was_killed = output.is_ok_and(|output| {
                output.status.success() && output.stdout.windows(4).any(|word| word == b"ESTA")
            });
            if !was_killed {
                // A kernel without INET_DIAG_DESTROY, or no ss.
                reading.abort();
                return;
            }
            let (mut client, read) = reading.await.unwrap();
            let error = read.expect("the reader is told").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
            for _ in 0..5 {
                let again = client.read(&mut [0; 8]).await;
                assert!(!matches!(again, Ok(1..)), "{again:?}");
                assert!(client.write(b"x").await.is_err());
            }
        });
    }
}

/// N5: a gibibyte through the smallest send buffer.
#[test]
fn a_gibibyte_through_the_smallest_buffer() {
    const LEN: usize = 1 << 30;
    const BLOCK: usize = 1 << 20;
    for (driver, workers) in [(Driver::Uring, Some(2)), (Driver::Epoll, None)] {
        let setup = Setup { driver, workers };
        if !setup.is_possible() {
            continue;
        }
        let start = Instant::now();
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_send_buffer_size(1).unwrap();
            // Segments are smaller than the buffer, or each would wait for a delayed
            // acknowledgement.
            let segment: libc::c_int = 536;
            // SAFETY: the value lives through the call, and its size is given.
            let result = unsafe {
                libc::setsockopt(
                    std::os::fd::AsRawFd::as_raw_fd(&socket),
                    libc::IPPROTO_TCP,
                    libc::TCP_MAXSEG,
                    (&raw const segment).cast(),
                    size_of_val(&segment) as libc::socklen_t,
                )
            };
            assert_eq!(result, 0);
            let address = listener.local_addr().unwrap();
            let (connected, accepted) = yamanote::join!(socket.connect(address), listener.accept());
            let (mut client, (mut server, _)) = (connected.unwrap(), accepted.unwrap());
            // Of a length that fits no power of two, so that a lost part shows.
            let pattern: Vec<u8> = (0..BLOCK + 251).map(|n| (n % 251) as u8).collect();
            let sent = pattern.clone();
            let sender = yamanote::spawn(async move {
                let mut at = 0;
                while at < LEN {
                    client.write_all(&sent[at % 251..][..BLOCK]).await.unwrap();
                    at += BLOCK;
                }
            });
            let mut received = 0;
            let mut buf = vec![0; BLOCK];
            loop {
                let n = server.read(&mut buf).await.unwrap();
                if n == 0 {
                    break;
                }
                assert!(
                    buf[..n] == pattern[received % 251..][..n],
                    "after {received} bytes"
                );
                received += n;
            }
            assert_eq!(received, LEN);
            sender.await.unwrap();
        });
        println!("{driver:?}: {:?}", start.elapsed());
    }
}

/// The child of the next test: only eleven ports are free.
#[test]
#[ignore = "started by `no_port_is_left`"]
fn with_eleven_ports() {
    for setup in every_setup() {
        let before = Snapshot::take();
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind("127.0.0.1:2000".parse().unwrap()).unwrap();
            let listener = socket.listen(100).unwrap();
            let address = listener.local_addr().unwrap();
            let mut streams = Vec::new();
            let error = loop {
                match TcpStream::connect(address).await {
                    Ok(stream) => streams.push((stream, listener.accept().await.unwrap().0)),
                    Err(error) => break error,
                }
                assert!(streams.len() <= 11);
            };
            assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
            assert!(streams.len() > 5, "{}", streams.len());
            let count = Snapshot::take().descriptor_count();
            for _ in 0..50 {
                let error = TcpStream::connect(address).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
                let error = TcpListener::bind(address).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::AddrInUse);
            }
            assert_eq!(Snapshot::take().descriptor_count(), count);
            // A reset leaves no port waiting; then a port is free again.
            let (client, server) = streams.pop().unwrap();
            client.set_zero_linger().unwrap();
            drop((client, server));
            let (mut client, (mut server, _)) = loop {
                match TcpStream::connect(address).await {
                    Ok(stream) => break (stream, listener.accept().await.unwrap()),
                    Err(_) => sleep(Duration::from_millis(1)).await,
                }
            };
            client.write_all(b"x").await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), b'x');
            for (client, _) in &streams {
                client.set_zero_linger().unwrap();
            }
            client.set_zero_linger().unwrap();
        });
        drop(runtime);
        before.assert_restored();
    }
}

/// N7: connects fail when no port is left, cost no descriptor, and work again later.
#[test]
fn no_port_is_left() {
    if !require(Capability::Root) {
        return;
    }
    // Ports belong to a network name space.
    let script = "ip link set lo up && \
                  echo 40000 40010 > /proc/sys/net/ipv4/ip_local_port_range && \
                  exec \"$@\"";
    let output = Command::new("unshare")
        .args(["-n", "--mount", "sh", "-c"])
        .arg(format!("mount -t sysfs none /sys 2>/dev/null; {script}"))
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "with_eleven_ports",
            "--ignored",
            "--test-threads=1",
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

yamanote_test::matrix! {
    // N11: what would block its worker is refused, and the socket is closed.
    async fn a_blocking_socket_is_refused() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let text = |panic: Box<dyn std::any::Any + Send>| match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic.downcast_ref::<&str>().unwrap().to_string(),
        };
        let refused = std::panic::catch_unwind(|| drop(TcpStream::from_std(stream)));
        let text_of_stream = text(refused.unwrap_err());
        assert!(text_of_stream.starts_with("Registering a blocking socket"), "{text_of_stream}");
        assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0, "it was closed");
        let refused = std::panic::catch_unwind(|| drop(TcpListener::from_std(listener)));
        assert!(text(refused.unwrap_err()).starts_with("Registering a blocking socket"));
    }

    // N10: after a read that was dropped on its way, every other path sees all the bytes.
    async fn every_path_after_a_dropped_read() {
        for path in 0..6 {
            let (mut client, server) = pair().await;
            let mut server = server;
            let mut buf = [0; 8];
            for _ in 0..3 {
                let dropped = timeout(Duration::from_micros(100), server.read(&mut buf));
                assert!(dropped.await.is_err());
            }
            client.write_all(b"all of it").await.unwrap();
            drop(client);
            let mut seen = vec![0; 9];
            match path {
                0 => {
                    let mut plain = server.into_std().unwrap();
                    plain.set_nonblocking(false).unwrap();
                    plain.read_exact(&mut seen).unwrap();
                    // It may still be written to by its new owner.
                    let _ = plain.write(b"x");
                }
                1 => {
                    server.readable().await.unwrap();
                    assert_eq!(server.try_read(&mut seen).unwrap(), 9);
                }
                2 => assert_eq!(server.peek(&mut seen).await.unwrap(), 9),
                3 => {
                    let (mut read, _write) = server.split();
                    read.read_exact(&mut seen).await.unwrap();
                }
                4 => {
                    let (read, write) = server.into_split();
                    let mut server = read.reunite(write).unwrap();
                    server.read_exact(&mut seen).await.unwrap();
                }
                _ => {
                    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
                    // SAFETY: no memory involved; the duplicate is new and owned by nobody else.
                    let duplicate = unsafe { OwnedFd::from_raw_fd(libc::dup(server.as_raw_fd())) };
                    server.readable().await.unwrap();
                    let mut plain = std::net::TcpStream::from(duplicate);
                    plain.read_exact(&mut seen).unwrap();
                }
            }
            assert_eq!(seen, b"all of it", "path {path}");
        }
    }

    // N4: each direction ends on its own, while the other goes on for long.
    async fn writes_go_on_after_the_peers_end() {
        let (mut client, mut server) = pair().await;
        client.shutdown().await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        for round in 0..100u8 {
            server.write_all(&[round; 1000]).await.unwrap();
            let mut buf = [0; 1000];
            client.read_exact(&mut buf).await.unwrap();
            assert_eq!(buf, [round; 1000]);
            assert_eq!(server.read(&mut []).await.unwrap(), 0);
        }
        drop(server);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    }
}
