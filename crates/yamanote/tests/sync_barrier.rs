//! `Barrier`: nobody passes before all have come, and one of them leads.
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use yamanote::sync::{Barrier, BarrierWaitResult};
use yamanote_test::{CountingWaker, matrix};

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn leads(polled: Poll<BarrierWaitResult>) -> Option<bool> {
    match polled {
        Poll::Ready(result) => Some(result.clone().is_leader()),
        Poll::Pending => None,
    }
}

#[test]
fn zero_and_one_wait_for_nobody() {
    for n in [0, 1] {
        let barrier = Barrier::new(n);
        for _ in 0..3 {
            assert_eq!(leads(poll(pin!(barrier.wait()), Waker::noop())), Some(true));
        }
    }
}

/// A waiter of a round that is complete passes although the next round has begun, and is woken
/// once.
#[test]
fn rounds_do_not_mix() {
    let barrier = Barrier::new(2);
    let (first, third) = (CountingWaker::new(), CountingWaker::new());
    let mut slow = Box::pin(barrier.wait());
    assert_eq!(leads(poll(slow.as_mut(), &first.waker())), None);
    assert_eq!(leads(poll(pin!(barrier.wait()), Waker::noop())), Some(true));
    assert_eq!((first.wakes(), first.alive()), (1, 0));
    let mut next = Box::pin(barrier.wait());
    assert_eq!(leads(poll(next.as_mut(), &third.waker())), None);
    assert_eq!(leads(poll(slow.as_mut(), Waker::noop())), Some(false));
    assert_eq!(leads(poll(next.as_mut(), &third.waker())), None);
    assert_eq!(third.wakes(), 0);
    assert_eq!(leads(poll(pin!(barrier.wait()), Waker::noop())), Some(true));
    assert_eq!(leads(poll(next.as_mut(), Waker::noop())), Some(false));
}

/// As documented: polled once counts as arrived.
#[test]
fn who_gives_up_has_arrived() {
    let barrier = Barrier::new(2);
    drop(barrier.wait());
    let waker = CountingWaker::new();
    let mut given_up = Box::pin(barrier.wait());
    assert_eq!(leads(poll(given_up.as_mut(), &waker.waker())), None);
    drop(given_up);
    assert_eq!(waker.alive(), 0);
    assert_eq!(leads(poll(pin!(barrier.wait()), Waker::noop())), Some(true));
    assert!(format!("{barrier:?}").starts_with("Barrier { n: 2, arrived: 0"));
}

matrix! {
    async fn what_was_done_before_is_seen_after() {
        const TASKS: usize = 7;
        const ROUNDS: usize = 60;
        let barrier = Arc::new(Barrier::new(TASKS));
        let done = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (barrier, done) = (barrier.clone(), done.clone());
                yamanote::spawn(async move {
                    let mut led = 0;
                    for round in 1..=ROUNDS {
                        done.fetch_add(1, Relaxed);
                        led += usize::from(barrier.wait().await.is_leader());
                        assert!(done.load(Relaxed) >= round * TASKS);
                        assert!(done.load(Relaxed) <= (round + 1) * TASKS);
                    }
                    led
                })
            })
            .collect();
        let mut led = 0;
        for task in tasks {
            led += task.await.unwrap();
        }
        assert_eq!(led, ROUNDS);
    }
}
