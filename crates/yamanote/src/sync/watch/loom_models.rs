//! Every order of a send, a close and a receiver that waits: no change is slept through.
#![forbid(unsafe_code)]

use loom::future::block_on;
use loom::thread;

use super::channel;

#[test]
fn loom_watch_a_change_is_not_slept_through() {
    loom::model(|| {
        let (sender, mut receiver) = channel(0);
        let sending = thread::spawn(move || {
            sender.send(1).unwrap();
            sender
        });
        block_on(receiver.changed()).unwrap();
        assert_eq!(*receiver.borrow(), 1);
        drop(sending.join().unwrap());
    });
}

#[test]
fn loom_watch_a_receiver_made_meanwhile() {
    loom::model(|| {
        let (sender, receiver) = channel(0);
        let mut late = receiver.clone();
        let sending = thread::spawn(move || sender.send(1));
        let mut later = late.clone();
        block_on(later.changed()).unwrap();
        block_on(late.changed()).unwrap();
        sending.join().unwrap().unwrap();
        drop(receiver);
    });
}

#[test]
fn loom_watch_the_last_value_comes_before_the_close() {
    loom::model(|| {
        let (sender, mut receiver) = channel(0);
        let sending = thread::spawn(move || sender.send(1).unwrap());
        block_on(receiver.changed()).unwrap();
        assert_eq!(*receiver.borrow(), 1);
        assert!(block_on(receiver.changed()).is_err());
        sending.join().unwrap();
    });
}

#[test]
fn loom_watch_senders_hear_that_nobody_receives() {
    loom::model(|| {
        let (sender, receiver) = channel(0);
        let other = receiver.clone();
        let first = thread::spawn(move || drop(receiver));
        let second = thread::spawn(move || drop(other));
        block_on(sender.closed());
        assert!(sender.is_closed());
        first.join().unwrap();
        second.join().unwrap();
    });
}
