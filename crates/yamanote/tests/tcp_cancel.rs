//! Futures that are dropped at any moment take no connection and no byte with them.

mod tcp_support;

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use tcp_support::{Chance, assert_numbered, numbered, pair};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::time::sleep;

const MIB: usize = 1024 * 1024;

/// The output of `future`, unless chance drops it first: after some polls, or after some time.
async fn or_dropped<F: Future>(chance: &mut Chance, future: F) -> Option<F::Output> {
    let (polls, pause) = (chance.below(4), chance.below(200) as u64);
    let by_polls = chance.one_in(2);
    let stop = async {
        if by_polls {
            for _ in 0..polls {
                yamanote::task::yield_now().await;
            }
        } else {
            sleep(Duration::from_micros(pause)).await;
        }
    };
    if chance.one_in(2) {
        yamanote::select! {
            biased;
            output = future => Some(output),
            () = stop => None,
        }
    } else {
        yamanote::select! {
            biased;
            () = stop => None,
            output = future => Some(output),
        }
    }
}

/// Sends the numbered stream in pieces of all sizes, with pauses.
async fn send(mut stream: impl yamanote::io::AsyncWrite + Unpin, len: usize, mut chance: Chance) {
    let mut sent = 0;
    while sent < len {
        let limit = if chance.one_in(3) { 64 } else { 20_000 };
        let chunk = (chance.below(limit) + 1).min(len - sent);
        let bytes = numbered(sent..sent + chunk);
        stream.write_all(&bytes).await.unwrap();
        sent += chunk;
        if chance.one_in(20) {
            sleep(Duration::from_micros(chance.below(300) as u64)).await;
        }
    }
    stream.shutdown().await.unwrap();
}

yamanote_test::matrix! {
    // Every byte is read once and in order, though most reads are dropped.
    async fn dropped_reads_lose_nothing() {
        const LEN: usize = 8 * MIB;
        let mut chance = Chance::new("dropped_reads_lose_nothing");
        let (client, mut server) = pair().await;
        let sender = yamanote::spawn(send(client, LEN, Chance::new("its sender")));
        let mut received = 0;
        let mut dropped = 0;
        let mut buf = vec![0; 30_000];
        loop {
            let room = match chance.below(4) {
                0 => chance.below(100) + 1,
                _ => chance.below(buf.len()) + 1,
            };
            // The buffer shows whether a dropped read wrote to it.
            buf[..room].fill(0xa5);
            match or_dropped(&mut chance, server.read(&mut buf[..room])).await {
                Some(result) => match result.unwrap() {
                    0 => break,
                    n => {
                        assert_numbered(received, &buf[..n]);
                        received += n;
                    }
                },
                None => {
                    dropped += 1;
                    assert!(buf[..room].iter().all(|&byte| byte == 0xa5));
                }
            }
        }
        assert_eq!(received, LEN);
        assert!(dropped > 0);
        sender.await.unwrap();
    }

    // The same for peeks, readiness and the reads after them, on owned halves.
    async fn dropped_peeks_take_nothing() {
        const LEN: usize = 2 * MIB;
        let mut chance = Chance::new("dropped_peeks_take_nothing");
        let (client, server) = pair().await;
        let (mut read, _write) = server.into_split();
        let sender = yamanote::spawn(send(client, LEN, Chance::new("its sender")));
        let mut received = 0;
        let mut buf = vec![0; 20_000];
        loop {
            if let Some(result) = or_dropped(&mut chance, read.peek(&mut buf)).await {
                assert_numbered(received, &buf[..result.unwrap()]);
            }
            if let Some(result) = or_dropped(&mut chance, read.readable()).await {
                result.unwrap();
            }
            let room = chance.below(buf.len()) + 1;
            if let Some(result) = or_dropped(&mut chance, read.read(&mut buf[..room])).await {
                match result.unwrap() {
                    0 => break,
                    n => {
                        assert_numbered(received, &buf[..n]);
                        received += n;
                    }
                }
            }
        }
        assert_eq!(received, LEN);
        sender.await.unwrap();
    }

    // A write that is dropped has written nothing, or what it reported.
    async fn dropped_writes_are_whole_or_nothing() {
        const LEN: usize = 4 * MIB;
        let mut chance = Chance::new("dropped_writes_are_whole_or_nothing");
        let (mut client, mut server) = pair().await;
        let receiver = yamanote::spawn(async move {
            let mut received = 0;
            let mut buf = vec![0; 10_000];
            let mut chance = Chance::new("its receiver");
            loop {
                let room = chance.below(buf.len()) + 1;
                match server.read(&mut buf[..room]).await.unwrap() {
                    0 => break received,
                    n => {
                        assert_numbered(received, &buf[..n]);
                        received += n;
                    }
                }
            }
        });
        let mut sent = 0;
        while sent < LEN {
            let chunk = (chance.below(100_000) + 1).min(LEN - sent);
            let bytes = numbered(sent..sent + chunk);
            if let Some(result) = or_dropped(&mut chance, client.write(&bytes)).await {
                sent += result.unwrap();
            }
        }
        client.shutdown().await.unwrap();
        assert_eq!(receiver.await.unwrap(), LEN);
    }

    // Every client is accepted once, though most accepts are dropped.
    async fn dropped_accepts_lose_no_client() {
        // With both ends of each connection, of every cell at once, within the usual limits on
        // descriptors.
        const CLIENTS: u32 = 100;
        yamanote_test::raise_descriptor_limit();
        let mut chance = Chance::new("dropped_accepts_lose_no_client");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                yamanote::spawn(async move {
                    sleep(Duration::from_micros(u64::from(number) * 50)).await;
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    stream.write_all(&number.to_be_bytes()).await.unwrap();
                    let mut answer = [0; 4];
                    stream.read_exact(&mut answer).await.unwrap();
                    assert_eq!(answer, number.to_be_bytes());
                })
            })
            .collect();
        let mut seen = BTreeSet::new();
        let mut serving = Vec::new();
        while serving.len() < CLIENTS as usize {
            if let Some(result) = or_dropped(&mut chance, listener.accept()).await {
                let (mut stream, _) = result.unwrap();
                serving.push(yamanote::spawn(async move {
                    let mut number = [0; 4];
                    stream.read_exact(&mut number).await.unwrap();
                    stream.write_all(&number).await.unwrap();
                    u32::from_be_bytes(number)
                }));
            }
        }
        for server in serving {
            assert!(seen.insert(server.await.unwrap()), "accepted twice");
        }
        for client in clients {
            client.await.unwrap();
        }
        assert_eq!(seen, (0..CLIENTS).collect());
    }
}
