//! Every order of two threads at the two ends.
#![forbid(unsafe_code)]

use super::*;
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

#[test]
fn loom_oneshot_send_against_await() {
    loom::model(|| {
        let (tx, rx) = channel();
        let sender = thread::spawn(move || tx.send(Box::new(1)).unwrap());
        assert_eq!(block_on(rx).as_deref(), Ok(&1));
        sender.join().unwrap();
    });
}

/// Closing against sending: exactly one side has the value.
#[test]
fn loom_oneshot_send_against_close() {
    loom::model(|| {
        let (tx, mut rx) = channel();
        let sender = thread::spawn(move || tx.send(Box::new(1)).is_ok());
        rx.close();
        let received = rx.try_recv().is_ok();
        assert_eq!(sender.join().unwrap(), received);
    });
}

/// The receiver moves to another task while the sender sends.
#[test]
fn loom_oneshot_changing_the_task() {
    loom::model(|| {
        let (tx, mut rx) = channel();
        let sender = thread::spawn(move || tx.send(Box::new(1)).unwrap());
        let mut other = Context::from_waker(std::task::Waker::noop());
        let received = match Pin::new(&mut rx).poll(&mut other) {
            Poll::Ready(received) => received,
            Poll::Pending => block_on(&mut rx),
        };
        assert_eq!(received.as_deref(), Ok(&1));
        sender.join().unwrap();
    });
}

/// Waiting for the end, dropping the sender with its offer standing, and dropping the receiver.
#[test]
fn loom_oneshot_closed_against_drop() {
    loom::model(|| {
        let (mut tx, mut rx) = channel::<Box<i32>>();
        let receiver = thread::spawn(move || {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let _ = Pin::new(&mut rx).poll(&mut cx);
            drop(rx);
        });
        block_on(poll_fn(|cx| tx.poll_closed(cx)));
        assert!(tx.is_closed());
        drop(tx);
        receiver.join().unwrap();
    });
}

#[test]
fn loom_oneshot_both_ends_dropped_while_both_wait() {
    loom::model(|| {
        let (mut tx, mut rx) = channel::<Box<i32>>();
        let receiver = thread::spawn(move || {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let _ = Pin::new(&mut rx).poll(&mut cx);
        });
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _ = tx.poll_closed(&mut cx);
        drop(tx);
        receiver.join().unwrap();
    });
}
