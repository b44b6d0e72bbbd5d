//! No descriptor is left open, and running out of them is survived.

mod tcp_support;

use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

use tcp_support::{numbered, pair};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpSocket, TcpStream};
use yamanote::time::{sleep, timeout};
use yamanote_test::{Driver, Setup, Snapshot, builder, in_own_process};

fn every_setup() -> impl Iterator<Item = Setup> {
    [Driver::Uring, Driver::Epoll]
        .into_iter()
        .flat_map(|driver| [None, Some(2)].map(|workers| Setup { driver, workers }))
        .filter(|setup| setup.is_possible())
}

/// All the ways a socket can end; in each, the descriptor is closed.
#[test]
fn every_end_closes_the_descriptor() {
    in_own_process(module_path!(), "every_end_closes_the_descriptor", || {
        for setup in every_setup() {
            let before = Snapshot::take();
            let runtime = builder!(setup).build().unwrap();
            runtime.block_on(async {
                // The first pair may make what the runtime keeps.
                drop(pair().await);
                let inside = Snapshot::take().descriptor_count();
                let count = || Snapshot::take().descriptor_count() - inside;

                let (client, server) = pair().await;
                assert_eq!(count(), 2);
                let (read, write) = client.into_split();
                drop(write);
                assert_eq!(count(), 2, "the read half holds it");
                drop(read);
                assert_eq!(count(), 1);
                drop(server.into_std().unwrap());
                assert_eq!(count(), 0);

                // Dropped while connecting, accepting, reading.
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                for polls in 0..3 {
                    let connecting = TcpStream::connect(address);
                    yamanote::select! {
                        biased;
                        result = connecting => drop(result),
                        () = async { for _ in 0..polls { yamanote::task::yield_now().await } } => {}
                    }
                    let socket = TcpSocket::new_v4().unwrap();
                    let reading = yamanote::spawn(async move {
                        let mut stream = socket.connect(address).await.unwrap();
                        stream.read(&mut [0; 1]).await
                    });
                    sleep(Duration::from_millis(2)).await;
                    reading.abort();
                    assert!(reading.await.unwrap_err().is_cancelled());
                }
                assert_eq!(count(), 1, "the listener is left");
                drop(listener);
                assert_eq!(count(), 0);
            });
            // What tasks hold is closed with the runtime.
            runtime.spawn(async {
                let (client, _server) = pair().await;
                client.readable().await.unwrap();
            });
            runtime.block_on(async { sleep(Duration::from_millis(5)).await });
            drop(runtime);
            before.assert_restored();
        }
    });
}

/// A connect that is dropped in the middle of the handshake closes its socket, and the listener
/// never hears of it again.
#[test]
fn connecting_to_a_full_queue_can_be_dropped() {
    in_own_process(
        module_path!(),
        "connecting_to_a_full_queue_can_be_dropped",
        || {
            for setup in every_setup() {
                let before = Snapshot::take();
                let runtime = builder!(setup).build().unwrap();
                runtime.block_on(async {
                    let socket = TcpSocket::new_v4().unwrap();
                    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
                    let listener = socket.listen(1).unwrap();
                    let address = listener.local_addr().unwrap();
                    let mut waiting = Vec::new();
                    let wait = Duration::from_millis(20);
                    while let Ok(stream) = timeout(wait, TcpStream::connect(address)).await {
                        waiting.push(stream.unwrap());
                    }
                    // The queue is full: these stay in the handshake until they are dropped.
                    let count = Snapshot::take().descriptor_count();
                    for _ in 0..5 {
                        assert!(timeout(wait, TcpStream::connect(address)).await.is_err());
                    }
                    assert_eq!(Snapshot::take().descriptor_count(), count);
                    for stream in waiting {
                        let (accepted, peer) = listener.accept().await.unwrap();
                        assert_eq!(peer, stream.local_addr().unwrap());
                        assert_eq!(accepted.peer_addr().unwrap(), peer);
                    }
                });
                drop(runtime);
                before.assert_restored();
            }
        },
    );
}

/// With no descriptor left, accept fails with an error; the client that waits is served as soon as
/// there is one again.
#[test]
fn accept_survives_emfile() {
    in_own_process(module_path!(), "accept_survives_emfile", || {
        for setup in every_setup() {
            let before = Snapshot::take();
            let runtime = builder!(setup).build().unwrap();
            runtime.block_on(async {
                drop(pair().await);
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let mut client = std::net::TcpStream::connect(address).unwrap();
                client.write_all(b"still here").unwrap();

                let mut hoard = Vec::new();
                let full = loop {
                    match File::open("/dev/null") {
                        Ok(file) => hoard.push(file),
                        Err(error) => break error,
                    }
                };
                assert_eq!(full.raw_os_error(), Some(libc::EMFILE));
                for _ in 0..3 {
                    let error = listener.accept().await.unwrap_err();
                    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                }
                let error = TcpStream::connect(address).await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                drop(hoard);

                let (mut stream, peer) = listener.accept().await.unwrap();
                assert_eq!(peer, client.local_addr().unwrap());
                let mut text = [0; 10];
                stream.read_exact(&mut text).await.unwrap();
                assert_eq!(&text, b"still here");
                stream.write_all(&numbered(0..100)).await.unwrap();
                let mut answer = [0; 100];
                client.read_exact(&mut answer).unwrap();
                assert_eq!(&answer[..], numbered(0..100));
            });
            drop(runtime);
            before.assert_restored();
        }
    });
}
