//! `interval`: the schedule, what happens after a missed tick, resets; and `timeout`.
#![forbid(unsafe_code)]

use std::future::{Future, pending, poll_fn, ready};
use std::io;
use std::pin::pin;
use std::task::Poll;
use yamanote::time::{
    self, Duration, Instant, MissedTickBehavior, advance, interval, interval_at, sleep, timeout,
    timeout_at,
};
use yamanote_test::matrix;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

async fn is_pending<F: Future>(future: F) -> bool {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

matrix! {
    async fn ticks_follow_the_schedule_not_the_caller() {
        let mut interval = interval(ms(4));
        let first = interval.tick().await;
        for n in 1..6 {
            assert_eq!(interval.tick().await, first + ms(4) * n);
            assert!(Instant::now() >= first + ms(4) * n);
            std::thread::sleep(ms(1));
        }
    }

    async fn the_longest_periods_tick_once() {
        let mut interval = interval(Duration::MAX);
        interval.tick().await;
        assert!(is_pending(interval.tick()).await);
        interval.reset_after(Duration::MAX);
        assert!(is_pending(interval.tick()).await);
    }

    async fn timeout_gives_the_output_or_the_error() {
        assert_eq!(timeout(ms(1000), ready(1)).await, Ok(1));
        assert_eq!(timeout(Duration::ZERO, ready(2)).await, Ok(2), "the future is polled first");
        assert_eq!(timeout(Duration::MAX, sleep(ms(1))).await, Ok(()));
        let start = Instant::now();
        let error = timeout(ms(5), pending::<()>()).await.unwrap_err();
        assert!(start.elapsed() >= ms(5));
        assert_eq!(error.to_string(), "deadline has elapsed");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
        assert!(timeout_at(start, pending::<()>()).await.is_err());
    }

    async fn a_future_that_eats_its_budget_times_out_too() {
        let greedy = poll_fn(|cx| -> Poll<()> {
            while let Poll::Ready(()) = pin!(yamanote::task::coop::consume_budget()).poll(cx) {}
            Poll::Pending
        });
        assert!(timeout(ms(5), greedy).await.is_err());
    }

    async fn the_inner_future_can_be_taken_back() {
        let mut limited = timeout(ms(1), ready(3));
        assert_eq!(limited.get_mut().clone().await, 3);
        assert_eq!(limited.get_ref().clone().into_inner(), 3);
        assert_eq!(limited.into_inner().await, 3);
    }
}

/// The instants, in milliseconds since the start, at which ticks come when the caller is busy for
/// 120 ms after the first one.
async fn ticks_after_missing(behavior: MissedTickBehavior) -> Vec<u128> {
    let start = Instant::now();
    let mut interval = interval(ms(50));
    interval.set_missed_tick_behavior(behavior);
    assert_eq!(interval.missed_tick_behavior(), behavior);
    interval.tick().await;
    advance(ms(120)).await;
    let mut ticks = Vec::new();
    for _ in 0..4 {
        interval.tick().await;
        ticks.push(start.elapsed().as_millis());
    }
    ticks
}

#[yamanote::test(start_paused = true)]
async fn missed_ticks_as_documented() {
    use MissedTickBehavior::{Burst, Delay, Skip};
    assert_eq!(ticks_after_missing(Burst).await, [120, 120, 150, 200]);
    assert_eq!(ticks_after_missing(Delay).await, [120, 170, 220, 270]);
    assert_eq!(ticks_after_missing(Skip).await, [120, 150, 200, 250]);
}

#[yamanote::test(start_paused = true)]
async fn resets() {
    let start = Instant::now();
    let mut interval = interval_at(start + ms(10), ms(100));
    assert_eq!(interval.period(), ms(100));
    assert_eq!(interval.tick().await, start + ms(10));
    time::sleep(ms(30)).await;
    interval.reset();
    assert_eq!(interval.tick().await, start + ms(140));
    interval.reset_immediately();
    assert_eq!(interval.tick().await, start + ms(140));
    interval.reset_after(ms(7));
    assert_eq!(interval.tick().await, start + ms(147));
    interval.reset_at(start + ms(150));
    assert!(is_pending(interval.tick()).await);
    interval.reset_immediately();
    assert_eq!(
        interval.tick().await,
        start + ms(147),
        "also while it waits"
    );
    interval.reset_at(start);
    assert_eq!(interval.tick().await, start);
}

#[test]
#[should_panic(expected = "`period` must be non-zero.")]
fn a_period_of_zero_panics() {
    drop(interval(Duration::ZERO));
}
