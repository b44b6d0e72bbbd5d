//! Ends on two threads: for Miri, which watches what one does with memory that the other frees.
#![forbid(unsafe_code)]

use super::channel;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

const ROUNDS: usize = if cfg!(miri) { 20 } else { 500 };

/// Runs both at the same moment.
fn at_once<A: Send, B>(there: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    let arrived = AtomicUsize::new(0);
    let meet = || {
        arrived.fetch_add(1, Relaxed);
        while arrived.load(Relaxed) < 2 {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let there = scope.spawn(|| {
            meet();
            there()
        });
        meet();
        let here = here();
        (there.join().unwrap(), here)
    })
}

/// A byte leaves room beside it in what the ends share.
#[test]
fn either_end_may_go_first() {
    for _ in 0..ROUNDS {
        let (tx, mut rx) = channel::<u8>();
        let receive = move || {
            while rx.is_empty() {
                thread::yield_now();
            }
            rx.try_recv()
        };
        assert_eq!(at_once(|| tx.send(1), receive), (Ok(()), Ok(1)));

        let (tx, rx) = channel::<u8>();
        let _ = at_once(|| tx.send(2), || drop(rx));

        let (tx, rx) = channel::<u8>();
        at_once(|| drop(rx), || drop(tx));
    }
}
