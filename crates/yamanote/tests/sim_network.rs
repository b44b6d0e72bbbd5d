//! Hosts that talk to each other: names, partitions, crashes, chaos.
#![cfg(feature = "sim")]
#![forbid(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram};
use yamanote::sim::{self, Chaos, FaultKind, Keeps, Sim};
use yamanote::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

async fn echo() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:7").await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        yamanote::spawn(async move {
            let mut bytes = [0; 64];
            while let Ok(n @ 1..) = stream.read(&mut bytes).await {
                if stream.write_all(&bytes[..n]).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn ask(host: &str, text: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((host, 7)).await?;
    stream.write_all(text.as_bytes()).await?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8(answer).unwrap())
}

#[sim::test(seeds = 50)]
async fn a_host_is_found_by_its_name(sim: Sim) {
    sim.host("server").start(echo);
    let client = sim.host("client").start(|| async {
        sleep(SECOND).await;
        ask("server", "hello").await
    });
    assert_eq!(client.await.unwrap().unwrap(), "hello");
    assert!(sim.now() < 2 * SECOND);
    // The experiment is on the network too.
    assert_eq!(ask("server", "here").await.unwrap(), "here");
}

#[sim::test(seeds = 30)]
async fn a_partition_is_one_until_it_is_repaired(sim: Sim) {
    sim.host("server").start(echo);
    let client = sim.host("client").start(|| async {
        let mut failed = 0;
        loop {
            match timeout(SECOND, ask("server", "x")).await {
                Ok(Ok(_)) if failed > 0 => return failed,
                Ok(Ok(_)) => sleep(SECOND / 10).await,
                _ => failed += 1,
            }
        }
    });
    sim.sleep(5 * SECOND).await;
    assert!(!client.is_finished());
    sim.net().partition("server", ["client"]);
    sim.sleep(10 * SECOND).await;
    sim.net().heal();
    let failed = client.await.unwrap();
    assert!((5..=12).contains(&failed), "{failed}");
    assert!(sim.now() < 20 * SECOND);
}

#[sim::test(seeds = 30)]
async fn a_crash_is_seen_by_the_peer_and_a_restart_serves_again(sim: Sim) {
    let server = sim.host("server");
    server.start(echo);
    let client = sim.host("client").start(|| async {
        sleep(SECOND).await;
        let mut stream = TcpStream::connect("server:7").await.unwrap();
        loop {
            let mut byte = [0];
            let sent = stream.write_all(b"x").await;
            let answer = timeout(SECOND, stream.read_exact(&mut byte)).await;
            if sent.is_err() || !matches!(answer, Ok(Ok(_))) {
                break;
            }
            sleep(SECOND / 10).await;
        }
        while timeout(SECOND, ask("server", "again"))
            .await
            .is_err_or_failed()
        {
            sleep(SECOND / 2).await;
        }
    });
    sim.sleep(4 * SECOND).await;
    server.crash();
    sim.sleep(4 * SECOND).await;
    server.restart().await;
    client.await.unwrap();
    assert!(sim.now() > 8 * SECOND);
}

trait Failed {
    fn is_err_or_failed(&self) -> bool;
}

impl<T, E, L> Failed for Result<Result<T, E>, L> {
    fn is_err_or_failed(&self) -> bool {
        !matches!(self, Ok(Ok(_)))
    }
}

#[sim::test(seeds = 20)]
async fn datagrams_are_lost_as_often_as_was_set(sim: Sim) {
    let got = Arc::new(AtomicU64::new(0));
    let count = got.clone();
    sim.host("sink").start(move || {
        let count = count.clone();
        async move {
            let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
            let mut bytes = [0; 16];
            while socket.recv_from(&mut bytes).await.is_ok() {
                count.fetch_add(1, SeqCst);
            }
        }
    });
    sim.net().link("sink", "source").loss(0.5);
    let source = sim.host("source").start(|| async {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for _ in 0..400 {
            socket.send_to(b"x", "sink:9").await.unwrap();
            sleep(Duration::from_millis(5)).await;
        }
    });
    source.await.unwrap();
    sim.sleep(SECOND).await;
    let got = got.load(SeqCst);
    assert!((120..=280).contains(&got), "{got}");
}

/// A counter that survives: each number is synced before it is said.
async fn counter() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:7").await?;
    let file = std::path::Path::new("/var/lib/counter");
    loop {
        let (mut stream, _) = listener.accept().await?;
        let before = match yamanote::fs::read_to_string(file).await {
            Ok(text) => text.parse().unwrap(),
            Err(_) => 0_u64,
        };
        let next = before + 1;
        yamanote::fs::create_dir_all("/var/lib").await?;
        let new = yamanote::fs::File::create("/var/lib/new").await?;
        let mut new = new;
        new.write_all(next.to_string().as_bytes()).await?;
        new.sync_all().await?;
        yamanote::fs::rename("/var/lib/new", file).await?;
        yamanote::fs::File::open("/var/lib")
            .await?
            .sync_all()
            .await?;
        let _ = stream.write_all(&next.to_be_bytes()).await;
    }
}

#[sim::test(seeds = 100)]
async fn a_counter_never_goes_back_under_chaos(sim: Sim) {
    // A disk that fails ends it.
    let server = sim.host("server").restarts_after(SECOND / 10..=SECOND);
    let _ = server.disk().crash_keeps(Keeps::SyncedAndSome);
    server.start(counter);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = seen.clone();
    sim.host("client").start(move || {
        let list = list.clone();
        async move {
            loop {
                let answer = timeout(SECOND, async {
                    let mut stream = TcpStream::connect("server:7").await?;
                    stream.read_u64().await
                });
                match answer.await {
                    Ok(Ok(number)) => list.lock().unwrap().push(number),
                    _ => sleep(SECOND / 5).await,
                }
                sleep(SECOND / 20).await;
            }
        }
    });
    let chaos = Chaos::new()
        .during(30 * SECOND)
        .every(2 * SECOND)
        .spare("client");
    // What it cannot read, it takes for what is not there.
    sim.chaos(chaos.without([FaultKind::FailingRead]));
    sim.sleep(40 * SECOND).await;
    sim.heal();
    let before = seen.lock().unwrap().len();
    let more = || seen.lock().unwrap().len() > before + 10;
    sim.until(more, 60 * SECOND).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
    sim::sometimes!(
        seen.windows(2).any(|pair| pair[0] + 1 < pair[1]),
        "an answer was lost"
    );
}

/// Who waits for room at a peer, and is connected to another, waits there no more.
#[sim::test(seeds = 20)]
async fn a_datagram_socket_that_waits_is_connected_elsewhere(sim: Sim) {
    let run = sim.host("a").start(|| async {
        let full = UnixDatagram::bind("/full").unwrap();
        let free = UnixDatagram::bind("/free").unwrap();
        let client = Arc::new(UnixDatagram::unbound().unwrap());
        client.connect("/full").unwrap();
        let sender = client.clone();
        let sender = yamanote::spawn(async move {
            for n in 0..20 {
                sender.send(&[n]).await.unwrap();
            }
        });
        sleep(SECOND).await;
        assert!(!sender.is_finished());
        client.connect("/free").unwrap();
        let mut buf = [0; 8];
        let mut read = |from: &UnixDatagram| from.try_recv(&mut buf).map(|_| buf[0]).ok();
        sleep(SECOND).await;
        let mut first = Vec::from_iter(std::iter::from_fn(|| read(&full)));
        let rest = std::iter::from_fn(|| read(&free));
        first.extend(rest);
        assert_eq!(first, (0..20).collect::<Vec<u8>>());
        sender.await.unwrap();
    });
    run.await.unwrap();
}
