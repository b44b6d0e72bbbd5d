//! Random programs of two peers with a relay between them: by the kernel and by reads and writes
//! they see the same bytes, the same ends and the same counts.

mod kernel_copy_support;
mod tcp_support;

use std::io::ErrorKind;

use kernel_copy_support::{KIB, Kind, MIB, Plain, Stream, connection};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tcp_support::{assert_numbered, numbered};
use yamanote::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional_with_sizes, split};
use yamanote::runtime::Runtime;
use yamanote::task::yield_now;
use yamanote_test::{Setup, builder, matrix};

/// So many bytes at a time, then so many turns for others.
#[derive(Debug, Clone, Copy)]
struct Step {
    bytes: usize,
    turns: usize,
}

#[derive(Debug, Clone)]
struct Peer {
    kind: Kind,
    writes: Vec<Step>,
    /// Again and again, until the end.
    reads: Vec<Step>,
    /// Of the relay's buffer for what this peer sends.
    buffer: usize,
    /// The peer goes once it has received so many bytes, whatever it was about to send.
    goes_at: Option<usize>,
}

/// What one run has come to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    relay: Result<(u64, u64), ErrorKind>,
    received: [usize; 2],
}

fn step(most: usize) -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![1..200usize, 1..20 * KIB, 1..most];
    (bytes, prop_oneof![Just(0usize), 0..4usize]).prop_map(|(bytes, turns)| Step { bytes, turns })
}

fn peer() -> impl Strategy<Value = Peer> {
    let kind = prop_oneof![Just(Kind::Tcp), Just(Kind::Unix)];
    let writes = prop::collection::vec(step(400 * KIB), 0..8);
    let reads = prop::collection::vec(step(200 * KIB), 1..5);
    let buffer = prop_oneof![3 => Just(8 * KIB), 1 => 1..64 * KIB];
    let goes_at = prop_oneof![4 => Just(None), 1 => (0..MIB).prop_map(Some)];
    (kind, writes, reads, buffer, goes_at).prop_map(|(kind, writes, reads, buffer, goes_at)| Peer {
        kind,
        writes,
        reads,
        buffer,
        goes_at,
    })
}

async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// Does as `peer` says; returns how many bytes it has received.
async fn play(stream: Box<dyn Stream>, peer: Peer) -> usize {
    let (mut read, mut write) = split(stream);
    let sending = yamanote::spawn(async move {
        let mut sent = 0;
        for step in peer.writes {
            if write
                .write_all(&numbered(sent..sent + step.bytes))
                .await
                .is_err()
            {
                return;
            }
            sent += step.bytes;
            turns(step.turns).await;
        }
        let _ = write.shutdown().await;
    });
    let mut received = 0;
    let mut buf = Vec::new();
    for step in peer.reads.iter().cycle() {
        if peer.goes_at.is_some_and(|at| received >= at) {
            sending.abort();
            break;
        }
        buf.resize(step.bytes, 0);
        let Ok(length @ 1..) = read.read(&mut buf).await else {
            break;
        };
        assert_numbered(received, &buf[..length]);
        received += length;
        turns(step.turns).await;
    }
    let _ = sending.await;
    received
}

async fn run(peers: [Peer; 2], by_kernel: bool) -> Outcome {
    let [(a, mut near), (b, mut out)] = [
        connection(peers[0].kind).await,
        connection(peers[1].kind).await,
    ];
    let [from_a, from_b] = [peers[0].buffer, peers[1].buffer];
    let relay = yamanote::spawn(async move {
        if by_kernel {
            return copy_bidirectional_with_sizes(&mut near, &mut out, from_a, from_b).await;
        }
        let (mut near, mut out) = (Plain(near), Plain(out));
        copy_bidirectional_with_sizes(&mut near, &mut out, from_a, from_b).await
    });
    let [peer_a, peer_b] = peers;
    let (at_a, at_b) = (
        yamanote::spawn(play(a, peer_a)),
        yamanote::spawn(play(b, peer_b)),
    );
    let received = [at_a.await.unwrap(), at_b.await.unwrap()];
    let relay = relay.await.unwrap().map_err(|error| error.kind());
    Outcome { relay, received }
}

fn compare(runtime: &Runtime, cases: u32) {
    let config = Config {
        cases: std::env::var("PROPTEST_CASES").map_or(cases, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&[peer(), peer()], |peers| {
        let by_kernel = runtime.block_on(run(peers.clone(), true));
        if peers.iter().all(|peer| peer.goes_at.is_none()) {
            let plainly = runtime.block_on(run(peers.clone(), false));
            prop_assert_eq!(&by_kernel, &plainly);
            let sent = peers.map(|peer| peer.writes.iter().map(|step| step.bytes).sum::<usize>());
            prop_assert_eq!(by_kernel.received, [sent[1], sent[0]]);
            prop_assert_eq!(by_kernel.relay, Ok((sent[0] as u64, sent[1] as u64)));
            return Ok(());
        }
        // When a peer goes, the moment decides how much was on its way; an end or one of the
        // errors for a peer that is gone is what there can be.
        let errors = [
            ErrorKind::BrokenPipe,
            ErrorKind::ConnectionReset,
            ErrorKind::NotConnected,
        ];
        match by_kernel.relay {
            Ok((from_a, from_b)) => {
                prop_assert!(by_kernel.received[1] as u64 <= from_a);
                prop_assert!(by_kernel.received[0] as u64 <= from_b);
            }
            Err(error) => prop_assert!(errors.contains(&error), "{error}"),
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

matrix! {
    fn a_relay_by_the_kernel_is_a_plain_relay(setup: Setup) {
        compare(&builder!(setup).build().unwrap(), 12);
    }
}
