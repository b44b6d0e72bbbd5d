//! Every order of sends, a close, a drop and receivers that wait: each gets each value, or
//! learns that it lagged.
#![forbid(unsafe_code)]

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use super::channel;
use super::error::{RecvError, TryRecvError};

#[test]
fn loom_broadcast_send_and_close() {
    loom::model(|| {
        let (sender, mut first) = channel(2);
        let mut second = first.resubscribe();
        let receiving = thread::spawn(move || {
            block_on(async {
                assert_eq!(first.recv().await, Ok(1));
                assert_eq!(first.recv().await, Err(RecvError::Closed));
            });
        });
        sender.send(1).unwrap();
        drop(sender);
        assert_eq!(second.try_recv(), Ok(1));
        assert_eq!(second.try_recv(), Err(TryRecvError::Closed));
        receiving.join().unwrap();
    });
}

#[test]
fn loom_broadcast_what_is_overwritten_is_counted() {
    loom::model(|| {
        let (sender, mut receiver) = channel(1);
        let sending = thread::spawn(move || {
            for value in 0..3 {
                sender.send(value).unwrap();
            }
        });
        let mut next = 0;
        loop {
            match block_on(receiver.recv()) {
                Ok(value) => {
                    assert_eq!(value, next);
                    next += 1;
                }
                Err(RecvError::Lagged(missed)) => {
                    assert!(missed > 0);
                    next += missed;
                }
                Err(RecvError::Closed) => break,
            }
        }
        assert_eq!(next, 3);
        sending.join().unwrap();
    });
}

#[test]
fn loom_broadcast_every_value_is_dropped_with_its_last_reader() {
    loom::model(|| {
        let (sender, first) = channel(2);
        let second = sender.subscribe();
        let value = Arc::new(());
        sender.send(Arc::clone(&value)).unwrap();
        let going = thread::spawn(move || drop(first));
        drop(second);
        going.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
        assert!(sender.send(value).is_err());
    });
}

#[test]
fn loom_broadcast_a_cancelled_receiver_is_not_touched() {
    loom::model(|| {
        let (sender, mut receiver) = channel(1);
        let sending = thread::spawn(move || sender.send(7).unwrap());
        block_on(async {
            // Polled once and dropped, at whatever moment of the send.
            let once = std::future::poll_fn(|cx| {
                let mut recv = std::pin::pin!(receiver.recv());
                std::task::Poll::Ready(recv.as_mut().poll(cx))
            });
            if once.await.is_pending() {
                assert_eq!(receiver.recv().await, Ok(7));
            }
        });
        sending.join().unwrap();
    });
}
