//! A writer and a reader in every order of their steps.
#![forbid(unsafe_code)]

use super::*;
use crate::loom::thread;
use std::future::poll_fn;
use std::task::Poll;

/// Pushes each of `pieces`, whole if there is room, then closes.
async fn send(mut producer: Producer, pieces: &[&[u8]]) {
    let mut pieces = pieces.iter().copied();
    let mut rest = &[][..];
    poll_fn(|cx| {
        loop {
            if rest.is_empty() {
                match pieces.next() {
                    Some(piece) => rest = piece,
                    None => return Poll::Ready(()),
                }
            }
            if producer.is_closed() {
                return Poll::Ready(());
            }
            let n = producer.push(rest);
            rest = &rest[n..];
            if n > 0 {
                producer.publish().map(Waker::wake);
            } else if producer.park(cx.waker()) == Park::Parked {
                return Poll::Pending;
            }
        }
    })
    .await;
    producer.close().map(Waker::wake);
}

/// Pops until the end, or until there are `enough`, then closes.
async fn receive(mut consumer: Consumer, enough: usize) -> Vec<u8> {
    let mut received = Vec::new();
    poll_fn(|cx| {
        loop {
            match consumer.pop(2, |piece| received.extend_from_slice(piece)) {
                Some(0) => return Poll::Ready(()),
                Some(_) => {
                    consumer.release().map(Waker::wake);
                    if received.len() >= enough {
                        return Poll::Ready(());
                    }
                }
                None if consumer.park(cx.waker()) == Park::Parked => return Poll::Pending,
                None => {}
            }
        }
    })
    .await;
    consumer.hang_up().to_wake.map(Waker::wake);
    received
}

fn model(capacity: usize, pieces: &'static [&'static [u8]], enough: usize) {
    let mut builder = ::loom::model::Builder::new();
    // A waiter that finds its place being emptied polls again and again.
    builder.max_branches = builder.max_branches.max(20_000);
    builder.check(move || {
        let (producer, consumer) = byte_pipe(capacity);
        let writer = thread::spawn(move || ::loom::future::block_on(send(producer, pieces)));
        let received = ::loom::future::block_on(receive(consumer, enough));
        let sent = pieces.concat();
        assert!(sent.starts_with(&received));
        assert!(received.len() >= enough.min(sent.len()));
        writer.join().unwrap();
    });
}

#[test]
fn loom_spsc_full_and_empty() {
    model(1, &[b"a", b"b"], usize::MAX);
}

#[test]
fn loom_spsc_grows() {
    // The first segment is of two bytes, the second piece does not fit.
    model(4, &[b"a", b"bcd"], usize::MAX);
}

#[test]
fn loom_spsc_reader_goes() {
    model(1, &[b"a", b"b", b"c"], 1);
}
