//! Many connections: ten thousand at a time, and fifty thousand one after the other, between two
//! processes. Every byte is right and nothing is left open in either.

mod tcp_support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tcp_support::numbered;
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::time::{sleep, timeout};
use yamanote_test::{
    Capability, Driver, Setup, Snapshot, builder, raise_descriptor_limit, require,
};

/// Set in the process that serves.
const SERVER_SETUP: &str = "YAMANOTE_TEST_SERVER";
/// Far above what a run takes (a few seconds).
const LIMIT: Duration = Duration::from_secs(100);
/// The tests count the descriptors of the process, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

const SETUPS: [(&str, Setup); 4] = [
    ("uring_current_thread", setup(Driver::Uring, None)),
    ("uring_multi_thread", setup(Driver::Uring, Some(2))),
    ("epoll_current_thread", setup(Driver::Epoll, None)),
    ("epoll_multi_thread", setup(Driver::Epoll, Some(2))),
];

const fn setup(driver: Driver, workers: Option<usize>) -> Setup {
    Setup { driver, workers }
}

/// Runs `client` against a server in a process of its own, on the chosen setups; in that process,
/// serves. `client` returns how many connections it made.
fn with_server(test: &str, chosen: &[&str], client: impl AsyncFn(u16) -> usize + Copy) {
    if let Ok(name) = std::env::var(SERVER_SETUP) {
        return serve(by_name(&name));
    }
    if !require(Capability::ManyDescriptors) {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    raise_descriptor_limit();
    for name in chosen {
        let setup = by_name(name);
        if !setup.is_possible() {
            continue;
        }
        let started = Instant::now();
        let before = Snapshot::take().descriptor_count();
        let (mut server, mut output) = start_server(test, name);
        let port = read_number(&mut output, "PORT ") as u16;
        let runtime = builder!(setup).build().unwrap();
        let connections =
            runtime.block_on(async { timeout(LIMIT, client(port)).await.expect("in time") });
        drop(runtime);
        // The end of its input tells the server to check what is left.
        drop(server.stdin.take());
        assert_eq!(read_number(&mut output, "SERVED "), connections);
        output.read_to_end(&mut Vec::new()).unwrap();
        assert!(server.wait().unwrap().success());
        drop(output);
        assert_eq!(Snapshot::take().descriptor_count(), before);
        println!(
            "{test} on {name}: {connections} connections in {:?}",
            started.elapsed()
        );
    }
}

fn by_name(name: &str) -> Setup {
    let (_, setup) = SETUPS.iter().find(|(other, _)| *other == name).unwrap();
    *setup
}

fn start_server(test: &str, setup: &str) -> (Child, BufReader<ChildStdout>) {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(SERVER_SETUP, setup)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(server.stdout.take().unwrap());
    (server, output)
}

/// The number after `mark` in the server's output.
fn read_number(output: &mut impl BufRead, mark: &str) -> usize {
    for line in output.lines() {
        let line = line.unwrap();
        if let Some((_, number)) = line.split_once(mark) {
            return number.trim().parse().unwrap();
        }
    }
    panic!("the server said no {mark:?}");
}

/// Echoes until the input ends, and then expects every connection to have been closed.
fn serve(setup: Setup) {
    raise_descriptor_limit();
    let before = Snapshot::take().descriptor_count();
    let runtime = builder!(setup).build().unwrap();
    let served = runtime.block_on(async {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        println!("\nPORT {}", listener.local_addr().unwrap().port());
        let open = Arc::new(AtomicUsize::new(0));
        let mut served = 0;
        let mut over =
            yamanote::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        loop {
            let stream = yamanote::select! {
                accepted = listener.accept() => accepted.unwrap().0,
                _ = &mut over => break,
            };
            served += 1;
            open.fetch_add(1, Ordering::Relaxed);
            let open = open.clone();
            yamanote::spawn(async move {
                echo(stream).await;
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
        timeout(Duration::from_secs(20), async {
            while open.load(Ordering::Relaxed) > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("connections are left open");
        served
    });
    drop(runtime);
    assert_eq!(Snapshot::take().descriptor_count(), before);
    println!("\nSERVED {served}");
}

async fn echo(mut stream: TcpStream) {
    let mut buf = [0; 256];
    loop {
        let n = stream.read(&mut buf).await.unwrap();
        if n == 0 {
            return;
        }
        stream.write_all(&buf[..n]).await.unwrap();
    }
}

/// A message of its own for each connection and round, there and back.
async fn exchange(stream: &mut TcpStream, number: usize, round: usize) {
    let at = (number * 100 + round) * 64;
    let message = numbered(at..at + 64);
    stream.write_all(&message).await.unwrap();
    let mut answer = [0; 64];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, message[..], "connection {number}, round {round}");
}

/// Ten thousand connections are open at the same time; on each there are five messages, all
/// connections at once.
#[test]
fn ten_thousand_connections() {
    const CONNECTIONS: usize = 10_000;
    const ROUNDS: usize = 5;
    let setups = SETUPS.map(|(name, _)| name);
    with_server("ten_thousand_connections", &setups, async |port| {
        let connecting: Vec<_> = (0..100)
            .map(|_| {
                yamanote::spawn(async move {
                    let mut streams = Vec::new();
                    for _ in 0..CONNECTIONS / 100 {
                        streams.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
                    }
                    streams
                })
            })
            .collect();
        let mut streams = Vec::new();
        for part in connecting {
            streams.extend(part.await.unwrap());
        }
        assert_eq!(streams.len(), CONNECTIONS);
        let talking: Vec<_> = streams
            .into_iter()
            .enumerate()
            .map(|(number, mut stream)| {
                yamanote::spawn(async move {
                    for round in 0..ROUNDS {
                        exchange(&mut stream, number, round).await;
                    }
                    stream.shutdown().await.unwrap();
                    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
                })
            })
            .collect();
        for connection in talking {
            connection.await.unwrap();
        }
        CONNECTIONS
    });
}

/// Fifty thousand connections of one message each, sixty-four at a time. They go to several
/// addresses, since each has only some 28,000 ports to connect from, and a port rests after use.
#[test]
fn fifty_thousand_short_connections() {
    const CONNECTIONS: usize = 50_000;
    const AT_A_TIME: usize = 64;
    let setups = SETUPS.map(|(name, _)| name);
    with_server("fifty_thousand_short_connections", &setups, async |port| {
        let next = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                let next = next.clone();
                yamanote::spawn(async move {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= CONNECTIONS {
                            return;
                        }
                        let address = ([127, 0, 0, (number % 8 + 1) as u8].into(), port);
                        let mut stream = TcpStream::connect::<(std::net::IpAddr, u16)>(address)
                            .await
                            .unwrap();
                        exchange(&mut stream, number, 0).await;
                        stream.shutdown().await.unwrap();
                        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        CONNECTIONS
    });
}
