//! Waiting and waking: every order of two threads.
#![forbid(unsafe_code)]

use super::*;
use loom::future::block_on;
use loom::thread;

#[test]
fn loom_mpsc_recv_against_send_and_the_last_drop() {
    loom::model(|| {
        let (tx, mut rx) = unbounded_channel();
        let sender = thread::spawn(move || {
            tx.send(Box::new(1)).unwrap();
        });
        assert_eq!(block_on(rx.recv()).as_deref(), Some(&1));
        assert_eq!(block_on(rx.recv()), None);
        sender.join().unwrap();
    });
}

/// Closing with a permit out: the receiver is woken when it comes back.
#[test]
fn loom_mpsc_closed_with_a_permit_out() {
    loom::model(|| {
        let (tx, mut rx) = channel::<Box<i32>>(1);
        let permit = tx.try_reserve_owned().unwrap();
        let sender = thread::spawn(move || drop(permit.release()));
        rx.close();
        assert_eq!(block_on(rx.recv()), None);
        sender.join().unwrap();
    });
}

/// A channel of one: the second send waits for the first receive.
#[test]
fn loom_mpsc_bounded_turns() {
    loom::model(|| {
        let (tx, mut rx) = channel(1);
        tx.try_send(Box::new(0)).unwrap();
        let sender = thread::spawn(move || block_on(tx.send(Box::new(1))).unwrap());
        assert_eq!(block_on(rx.recv()).as_deref(), Some(&0));
        assert_eq!(block_on(rx.recv()).as_deref(), Some(&1));
        sender.join().unwrap();
    });
}
