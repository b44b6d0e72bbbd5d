//! Every order of a send, a close and a receiver that waits: no change is slept through.
#![forbid(unsafe_code)]

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
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
        let sending = thread::spawn(move || sender.send(1));
        // The first of its shard: either the sender knows of it, or it sees what was sent.
        let mut late = receiver.clone();
        block_on(late.changed()).unwrap();
        sending.join().unwrap().unwrap();
        drop(receiver);
    });
}

/// Also if it does not look at the value, whose lock would order it.
#[test]
fn loom_watch_a_change_shows_what_was_done_before() {
    loom::model(|| {
        let (sender, receiver) = channel(());
        let done = Arc::new(AtomicUsize::new(0));
        let sending = thread::spawn({
            let done = Arc::clone(&done);
            move || {
                done.store(1, Relaxed);
                sender.send(()).unwrap();
                sender
            }
        });
        if receiver.has_changed().unwrap() {
            assert_eq!(done.load(Relaxed), 1);
        }
        drop(sending.join().unwrap());
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
