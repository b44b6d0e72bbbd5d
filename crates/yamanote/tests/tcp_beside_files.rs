//! Sockets and files in one runtime: a worker that has a ring sleeps there, and the ring must tell
//! it of the sockets.

mod tcp_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tcp_support::{assert_numbered, numbered, pair};
use yamanote::buf::IoBuf;
use yamanote::fs::OpenOptions;
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::runtime::Handle;
use yamanote::time::{sleep, timeout};
use yamanote_test::{Capability, Driver, Setup, TempDir, require};

const PAGE: usize = 4096;

/// Reads from the device, one page after the other, until it is stopped; each read is a completion.
async fn read_the_device(path: std::path::PathBuf, over: Arc<AtomicBool>) -> usize {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(&path)
        .await
        .unwrap();
    let mut reads = 0;
    while !over.load(Ordering::Relaxed) {
        let page = reads % 16;
        let buf = vec![0; 2 * PAGE];
        let start = buf.as_ptr().align_offset(PAGE);
        let (result, buf) = file
            .read_at(buf.slice(start..start + PAGE), (page * PAGE) as u64)
            .await;
        assert_eq!(result.unwrap(), PAGE);
        assert_numbered(page * PAGE, &buf[..]);
        reads += 1;
        if reads % 8 == 0 {
            sleep(Duration::from_micros(300)).await;
        }
    }
    reads
}

yamanote_test::matrix! {
    async fn sockets_are_served_beside_completions(setup: Setup) {
        const ROUNDS: usize = 1_000;
        if !require(Capability::Ext4) {
            return;
        }
        let directory = TempDir::on_ext4();
        let path = directory.path().join("numbers");
        std::fs::write(&path, numbered(0..16 * PAGE)).unwrap();
        std::fs::File::open(&path).unwrap().sync_all().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..3)
            .map(|_| yamanote::spawn(read_the_device(path.clone(), over.clone())))
            .collect();
        let players: Vec<_> = (0..4)
            .map(|number| {
                yamanote::spawn(async move {
                    let (mut client, mut server) = pair().await;
                    let echo = yamanote::spawn(async move {
                        let mut buf = [0; 100];
                        loop {
                            match server.read(&mut buf).await.unwrap() {
                                0 => return,
                                n => server.write_all(&buf[..n]).await.unwrap(),
                            }
                        }
                    });
                    for round in 0..ROUNDS {
                        let at = (number * ROUNDS + round) * 64;
                        let message = numbered(at..at + 64);
                        client.write_all(&message).await.unwrap();
                        let mut answer = [0; 64];
                        client.read_exact(&mut answer).await.unwrap();
                        assert_eq!(answer, message[..]);
                        if round % 50 == 0 {
                            // All of them may fall asleep now and then.
                            sleep(Duration::from_millis(1)).await;
                        }
                    }
                    drop(client);
                    echo.await.unwrap();
                })
            })
            .collect();
        for player in players {
            timeout(Duration::from_secs(60), player).await.expect("a lost wake-up").unwrap();
        }
        over.store(true, Ordering::Relaxed);
        let mut reads = 0;
        for reader in readers {
            reads += timeout(Duration::from_secs(60), reader).await.expect("a lost completion").unwrap();
        }
        assert!(reads > 0);
        let submitted = Handle::current().metrics().ops_submitted();
        match setup.driver {
            Driver::Uring => assert!(submitted >= reads as u64),
            Driver::Epoll => assert_eq!(submitted, 0),
        }
    }

    // Nobody but the ring is awake to see the socket: a worker sleeps with a ring of its own.
    async fn a_sleeping_ring_tells_of_a_socket(setup: Setup) {
        if !require(Capability::Ext4) {
            return;
        }
        let directory = TempDir::on_ext4();
        let path = directory.path().join("numbers");
        std::fs::write(&path, numbered(0..16 * PAGE)).unwrap();
        std::fs::File::open(&path).unwrap().sync_all().unwrap();
        for round in 0..20 {
            // One read gives the worker a ring, or uses it.
            let over = Arc::new(AtomicBool::new(false));
            let reading = yamanote::spawn(read_the_device(path.clone(), over.clone()));
            sleep(Duration::from_millis(1)).await;
            over.store(true, Ordering::Relaxed);
            reading.await.unwrap();
            let (mut client, mut server) = pair().await;
            let outside = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                assert_eq!(client.try_write(b"x").unwrap_or(0), 1);
                client
            });
            let mut byte = [0];
            let read = yamanote::spawn(async move { server.read(&mut byte).await.unwrap() });
            let read = timeout(Duration::from_secs(5), read).await.expect("a lost wake-up").unwrap();
            assert_eq!(read, 1, "round {round}");
            client = outside.join().unwrap();
            drop(client.shutdown().await);
        }
        let submitted = Handle::current().metrics().ops_submitted();
        assert_eq!(submitted > 0, setup.driver == Driver::Uring);
    }
}
