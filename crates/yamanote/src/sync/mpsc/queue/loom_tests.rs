//! Every order of a few threads, with two cells in a block.
#![forbid(unsafe_code)]

use super::*;
use loom::thread;

fn pop<T>(consumer: &mut Consumer<T, ()>) -> T {
    loop {
        match consumer.pop() {
            Pop::Value(value) => return value,
            Pop::End => panic!("ended early"),
            Pop::Empty | Pop::UnderWay => thread::yield_now(),
        }
    }
}

/// Two producers over the seam of two blocks, a consumer that frees the first.
#[test]
fn loom_queue_two_producers() {
    loom::model(|| {
        let (producer, mut consumer) = queue::<Box<u32>, ()>(());
        let other = producer.clone();
        let thread = thread::spawn(move || {
            let _ = other.push(Box::new(1));
            let _ = other.push(Box::new(2));
        });
        let _ = producer.push(Box::new(10));
        let sum: u32 = (0..3).map(|_| *pop(&mut consumer)).sum();
        assert_eq!(sum, 13);
        thread.join().unwrap();
    });
}

/// A block is used again while a producer still walks.
#[test]
fn loom_queue_recycles() {
    loom::model(|| {
        let (producer, mut consumer) = queue::<Box<u32>, ()>(());
        for n in 0..2 {
            let _ = producer.push(Box::new(n));
        }
        let thread = thread::spawn(move || {
            for n in 2..5 {
                let _ = producer.push(Box::new(n));
            }
        });
        for n in 0..5 {
            assert_eq!(*pop(&mut consumer), n);
        }
        thread.join().unwrap();
    });
}

/// The consumer sees the value, or the producer sees that it is awaited; or both.
#[test]
fn loom_queue_awaited_or_seen() {
    loom::model(|| {
        let (producer, mut consumer) = queue::<Box<u32>, ()>(());
        for n in 0..2 {
            let _ = producer.push(Box::new(n));
            consumer.pop();
        }
        let thread = thread::spawn(move || producer.push(Box::new(7)));
        consumer.await_next();
        let seen = matches!(consumer.pop(), Pop::Value(_));
        assert!(thread.join().unwrap() || seen);
    });
}

/// A push that races with closing is either refused or received.
#[test]
fn loom_queue_closing() {
    loom::model(|| {
        let (producer, mut consumer) = queue::<Box<u32>, ()>(());
        let thread = thread::spawn(move || {
            let pushed = producer.push_unless_closed(Box::new(7)).is_ok();
            producer.finish();
            pushed
        });
        consumer.close_now();
        let received = loop {
            match consumer.pop() {
                Pop::Value(_) => break true,
                Pop::End => break false,
                Pop::Empty | Pop::UnderWay => thread::yield_now(),
            }
        };
        assert_eq!(thread.join().unwrap(), received);
    });
}

/// The consumer goes while values come.
#[test]
fn loom_queue_consumer_dropped() {
    loom::model(|| {
        let (producer, mut consumer) = queue::<Box<u32>, ()>(());
        let thread = thread::spawn(move || {
            for n in 0..3 {
                let _ = producer.push(Box::new(n));
            }
        });
        consumer.pop();
        drop(consumer);
        thread.join().unwrap();
    });
}
