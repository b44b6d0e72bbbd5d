//! What the metrics say about single workers.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use yamanote::runtime::{Builder, Runtime, RuntimeMetrics};
use yamanote_test::matrix;

fn worker_numbers(metrics: &RuntimeMetrics) -> std::ops::Range<usize> {
    0..metrics.num_workers()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread(workers: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

/// Waits for what other threads will bring about.
fn eventually(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "it never came true");
        std::thread::sleep(Duration::from_millis(1));
    }
}

matrix! {
    /// A worker that sleeps and wakes is counted, on every driver and flavour.
    async fn sleeping_is_counted() {
        let metrics = yamanote::runtime::Handle::current().metrics();
        let parks = |metrics: &RuntimeMetrics| -> u64 {
            worker_numbers(metrics).map(|worker| metrics.worker_park_count(worker)).sum()
        };
        let before = parks(&metrics);
        for _ in 0..3 {
            yamanote::spawn(yamanote::time::sleep(Duration::from_millis(2))).await.unwrap();
        }
        assert!(parks(&metrics) > before);
    }

    /// The time of a poll is busy time of the worker that did it, and only time awake counts.
    async fn work_is_busy_time() {
        let metrics = yamanote::runtime::Handle::current().metrics();
        let busy = |metrics: &RuntimeMetrics| -> Duration {
            worker_numbers(metrics).map(|worker| metrics.worker_total_busy_duration(worker)).sum()
        };
        yamanote::spawn(async { std::thread::sleep(Duration::from_millis(20)) }).await.unwrap();
        // Accounts are brought up to date when workers park.
        yamanote::time::timeout(Duration::from_secs(10), async {
            while busy(&metrics) < Duration::from_millis(20) {
                yamanote::time::sleep(Duration::from_millis(2)).await;
            }
        }).await.expect("the time has been accounted for");
    }
}

/// Nobody drives a current-thread runtime between two calls of `block_on`.
#[test]
fn time_between_two_calls_is_not_busy() {
    let rt = current_thread();
    let metrics = rt.metrics();
    rt.block_on(async {});
    let before = metrics.worker_total_busy_duration(0);
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(300));
    let between = start.elapsed();
    rt.block_on(async {});
    let busy = metrics.worker_total_busy_duration(0) - before;
    // What the call takes on a machine with much to do, and what the clocks differ by.
    let at_most = start.elapsed() - between + Duration::from_millis(100);
    assert!(busy < at_most, "{busy:?} in {:?}", start.elapsed());
}

/// A future that is ready at its first poll is timed, too, whichever clock that is done by: after
/// many calls it is a cheaper one.
#[test]
fn the_first_poll_is_busy_time() {
    let rt = current_thread();
    let metrics = rt.metrics();
    for _ in 0..3 {
        for _ in 0..3_000 {
            rt.block_on(async {});
        }
        let before = metrics.worker_total_busy_duration(0);
        let start = std::time::Instant::now();
        rt.block_on(async { std::thread::sleep(Duration::from_millis(20)) });
        let busy = metrics.worker_total_busy_duration(0) - before;
        let most = start.elapsed();
        assert!(busy >= Duration::from_millis(19), "{busy:?}");
        assert!(busy <= most + most / 100, "{busy:?} of {most:?}");
    }
}

/// An idle worker is parked once, however often it wakes to see whether others need help; the count
/// is odd meanwhile, and even when that has ended.
#[test]
fn an_idle_worker_is_parked_once() {
    let rt = multi_thread(2);
    let metrics = rt.metrics();
    eventually(|| worker_numbers(&metrics).all(|w| metrics.worker_park_unpark_count(w) == 1));
    std::thread::sleep(Duration::from_millis(30));
    for worker in worker_numbers(&metrics) {
        assert_eq!(metrics.worker_park_unpark_count(worker), 1);
    }

    rt.block_on(rt.spawn(async {})).unwrap();
    eventually(|| worker_numbers(&metrics).any(|w| metrics.worker_park_unpark_count(w) >= 3));
    drop(rt);
    for worker in worker_numbers(&metrics) {
        assert_eq!(metrics.worker_park_unpark_count(worker) % 2, 0);
    }
}

#[test]
#[should_panic(expected = "worker 1 of a runtime with 1")]
fn there_is_no_worker_beyond_the_last() {
    current_thread().metrics().worker_park_count(1);
}
