//! The queue against a `VecDeque`, and with real threads.
#![forbid(unsafe_code)]

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

#[derive(Debug, Clone)]
enum Step {
    Push(u8),
    Pop(u8),
    Await,
    Close,
    Finish,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..80_u8).prop_map(Step::Push),
        4 => (1..80_u8).prop_map(Step::Pop),
        2 => Just(Step::Await),
        1 => Just(Step::Close),
        1 => Just(Step::Finish),
    ];
    proptest::collection::vec(step, 0..40)
}

proptest! {
    #[test]
    fn it_is_a_queue(steps in steps()) {
        let (producer, mut consumer) = queue::<Box<u32>, ()>(());
        let mut model = VecDeque::new();
        let (mut count, mut closed, mut finished, mut awaited) = (0, false, false, false);
        for step in steps {
            match step {
                Step::Push(n) if !finished => for _ in 0..n {
                    let pushed = producer.push_unless_closed(Box::new(count));
                    prop_assert_eq!(pushed.is_err(), closed);
                    if let Ok(wake) = pushed {
                        prop_assert_eq!(wake, awaited && model.is_empty());
                        awaited = awaited && !wake;
                        model.push_back(count);
                    }
                    count += 1;
                },
                Step::Push(_) => {}
                Step::Pop(n) => for _ in 0..n {
                    let expected = match model.pop_front() {
                        Some(value) => Pop::Value(Box::new(value)),
                        None if closed || finished => Pop::End,
                        None => Pop::Empty,
                    };
                    prop_assert_eq!(consumer.pop(), expected);
                },
                Step::Await => {
                    consumer.await_next();
                    awaited |= model.is_empty();
                }
                Step::Close => {
                    consumer.close_now();
                    closed = true;
                }
                Step::Finish => {
                    producer.finish();
                    finished = true;
                }
            }
            prop_assert_eq!(consumer.len(), model.len());
        }
    }
}

/// Every producer's values come in its order, and none twice.
#[test]
fn threads_lose_nothing() {
    const EACH: usize = if cfg!(miri) { 150 } else { 20_000 };
    let (producer, mut consumer) = queue::<(usize, usize), ()>(());
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let producer = producer.clone();
            std::thread::spawn(move || {
                for n in 0..EACH {
                    let _ = producer.push((thread, n));
                }
            })
        })
        .collect();
    let mut next = [0; 4];
    while next != [EACH; 4] {
        match consumer.pop() {
            Pop::Value((thread, n)) => {
                assert_eq!(next[thread], n);
                next[thread] += 1;
            }
            _ => std::thread::yield_now(),
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(consumer.pop(), Pop::Empty);
}

/// Whoever goes last drops what is left, and frees all blocks though a drop panics.
#[test]
fn what_is_left_is_dropped_with_the_queue() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Value(bool);
    impl Drop for Value {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, SeqCst);
            assert!(!self.0, "told to");
        }
    }
    let (producer, consumer) = queue::<Value, ()>(());
    drop(consumer);
    for n in 0..100 {
        let _ = producer.push(Value(n == 50));
    }
    assert_eq!(DROPPED.load(SeqCst), 0);
    assert!(std::panic::catch_unwind(move || drop(producer)).is_err());
    assert_eq!(DROPPED.load(SeqCst), 51);
}
