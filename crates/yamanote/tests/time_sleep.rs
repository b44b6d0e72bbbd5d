//! `sleep`: never early, once, reset any number of times, and gone when dropped.
#![forbid(unsafe_code)]

use futures::executor;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use yamanote::runtime::Runtime;
use yamanote::time::{Duration, Instant, Sleep, sleep, sleep_until};
use yamanote_test::{CountingWaker, Setup, matrix};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn poll(sleep: Pin<&mut Sleep>, waker: &Waker) -> Poll<()> {
    sleep.poll(&mut Context::from_waker(waker))
}

/// Lets the runtime run until `condition` holds; a minute is a failure.
async fn until(mut condition: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain");
        sleep(ms(1)).await;
    }
}

matrix! {
    async fn never_early() {
        for micros in [0, 1, 50, 999, 1000, 3_333, 20_000] {
            let start = std::time::Instant::now();
            sleep(Duration::from_micros(micros)).await;
            assert!(start.elapsed() >= Duration::from_micros(micros));
        }
    }

    // Each task checks itself; all end long before they would one after the other.
    async fn a_thousand_at_once() {
        let start = Instant::now();
        let tasks: Vec<_> = (0..1000u64)
            .map(|n| {
                let duration = Duration::from_micros(n * 7919 % 50_000);
                yamanote::spawn(async move {
                    let start = std::time::Instant::now();
                    sleep(duration).await;
                    assert!(start.elapsed() >= duration);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    async fn a_deadline_that_has_passed_is_ready_at_the_first_poll(setup: Setup) {
        let mut deadlines = vec![Instant::now() - ms(3_600_000)];
        if setup.workers.is_some() {
            deadlines.extend([Instant::now(), Instant::now() - ms(1)]);
        }
        for deadline in deadlines {
            let mut sleep = pin!(sleep_until(deadline));
            assert!(!sleep.is_elapsed());
            assert!(poll(sleep.as_mut(), Waker::noop()).is_ready());
            assert!(sleep.is_elapsed());
            // And it stays so.
            assert!(poll(sleep.as_mut(), Waker::noop()).is_ready());
        }
    }

    // On a current-thread runtime a deadline that has passed since the last turn waits for the next
    // one.
    async fn a_deadline_that_has_just_passed_is_ready_after_a_turn(setup: Setup) {
        if setup.workers.is_some() {
            return;
        }
        yamanote::task::yield_now().await;
        let waker = CountingWaker::new();
        let mut sleep = pin!(sleep(Duration::ZERO));
        assert!(poll(sleep.as_mut(), &waker.waker()).is_pending());
        assert!(!sleep.is_elapsed());
        yamanote::task::yield_now().await;
        assert_eq!(waker.wakes(), 1);
        assert!(sleep.is_elapsed());
        assert!(poll(sleep.as_mut(), &waker.waker()).is_ready());
    }

    async fn the_farthest_deadlines_wait() {
        let now = Instant::now();
        for far in [sleep(Duration::MAX), sleep_until(now + Duration::from_secs(1 << 40))] {
            let waker = CountingWaker::new();
            {
                let mut far = pin!(far);
                assert!(far.deadline() > now + Duration::from_secs(86_400 * 365 * 29));
                assert!(poll(far.as_mut(), &waker.waker()).is_pending());
                sleep(ms(2)).await;
                assert!(poll(far.as_mut(), &waker.waker()).is_pending());
            }
            assert_eq!((waker.wakes(), waker.alive()), (0, 0));
        }
    }

    async fn a_dropped_sleep_wakes_nobody() {
        let mut wakers = Vec::new();
        for n in 0.. {
            let waker = CountingWaker::new();
            let deadline = Instant::now() + ms(1 + n % 3);
            let polled = poll(pin!(sleep_until(deadline)), &waker.waker());
            // A timer that was not dropped in time has fired, as it should.
            if Instant::now() < deadline {
                assert!(polled.is_pending());
                assert_eq!(waker.alive(), 0);
                wakers.push(waker);
            }
            if wakers.len() == 100 {
                break;
            }
        }
        sleep(ms(10)).await;
        assert!(wakers.iter().all(|waker| waker.wakes() == 0));
    }

    async fn the_last_waker_is_woken_once() {
        let (first, second) = (CountingWaker::new(), CountingWaker::new());
        let start = Instant::now();
        let mut sleep = pin!(sleep(Duration::from_secs(1000)));
        assert!(poll(sleep.as_mut(), &first.waker()).is_pending());
        assert!(poll(sleep.as_mut(), &second.waker()).is_pending());
        assert_eq!(first.alive(), 0);
        sleep.as_mut().reset(start + ms(20));
        until(|| second.wakes() > 0).await;
        assert!(sleep.is_elapsed());
        assert!(poll(sleep.as_mut(), &second.waker()).is_ready());
        yamanote::time::sleep(ms(5)).await;
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
    }

    async fn reset_moves_the_deadline_without_a_poll() {
        let waker = CountingWaker::new();
        let start = Instant::now();
        let mut sleep = pin!(sleep(Duration::from_secs(1000)));
        assert!(poll(sleep.as_mut(), &waker.waker()).is_pending());
        sleep.as_mut().reset(start + ms(30));
        assert_eq!(sleep.deadline(), start + ms(30));
        until(|| waker.wakes() > 0).await;
        assert!(start.elapsed() >= ms(30));
        assert!(poll(sleep.as_mut(), &waker.waker()).is_ready());

        // From completed to waiting, then to a time that has passed: that wakes at once.
        sleep.as_mut().reset(Instant::now() + Duration::from_secs(1000));
        assert!(!sleep.is_elapsed());
        assert!(poll(sleep.as_mut(), &waker.waker()).is_pending());
        sleep.as_mut().reset(start);
        assert_eq!(waker.wakes(), 2);
        assert!(poll(sleep.as_mut(), &waker.waker()).is_ready());
    }

    async fn resets_race_with_firing() {
        let mut tasks = Vec::new();
        for n in 0..16u64 {
            tasks.push(yamanote::spawn(async move {
                let mut sleep = pin!(sleep(ms(1)));
                for round in 0..50 {
                    let deadline = Instant::now() + Duration::from_micros((n * 131 + round * 37) % 1500);
                    sleep.as_mut().reset(deadline);
                    if round % 3 == 0 {
                        let _ = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
                        yamanote::task::yield_now().await;
                    } else {
                        sleep.as_mut().await;
                        assert!(Instant::now() >= deadline);
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }

    // Always ready, but not free: the budget ends the poll, and the sibling runs.
    async fn ready_timers_do_not_starve_a_sibling() {
        let (sender, told) = mpsc::channel();
        let looping = yamanote::spawn(async move {
            let mut rounds = 0u64;
            while told.try_recv().is_err() {
                sleep(Duration::ZERO).await;
                rounds += 1;
                assert!(rounds < 100_000_000);
            }
        });
        yamanote::spawn(async move { sender.send(()).unwrap() }).await.unwrap();
        looping.await.unwrap();
    }

    // A timer that belongs to a runtime is driven by it, whoever polls.
    fn polled_by_another_executor(setup: Setup) {
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        if setup.workers.is_none() {
            return;
        }
        let sleep = {
            let _entered = runtime.enter();
            sleep(ms(5))
        };
        let start = std::time::Instant::now();
        executor::block_on(sleep);
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    // The sleepers share a worker's wheel with a task that does not yield.
    fn a_hogged_worker_does_not_hold_up_timers(setup: Setup) {
        if setup.workers.is_none_or(|workers| workers < 2) {
            return;
        }
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let (sender, latest) = mpsc::channel();
        runtime.block_on(async {
            let mut sleepers = Vec::new();
            for n in 0..8 {
                let sender = sender.clone();
                sleepers.push(yamanote::spawn(async move {
                    let deadline = Instant::now() + ms(20 + n);
                    sleep_until(deadline).await;
                    sender.send(deadline.elapsed()).unwrap();
                }));
            }
            let hog = yamanote::spawn(async {
                sleep(ms(5)).await;
                std::thread::sleep(ms(1000));
            });
            for sleeper in sleepers {
                sleeper.await.unwrap();
            }
            hog.await.unwrap();
        });
        drop(sender);
        let latest = latest.iter().max().unwrap();
        assert!(latest < ms(250), "{latest:?} late");
    }

    fn polling_after_shutdown_panics(setup: Setup) {
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let [mut waiting, mut fresh] = {
            let _entered = runtime.enter();
            [Box::pin(sleep(ms(1))), Box::pin(sleep(ms(1)))]
        };
        let waker = CountingWaker::new();
        waiting.as_mut().reset(Instant::now() + Duration::from_secs(1000));
        assert!(poll(waiting.as_mut(), &waker.waker()).is_pending());
        drop(runtime);
        assert_eq!(waker.wakes(), 1, "shutdown tells who waits");
        for sleep in [&mut waiting, &mut fresh] {
            let poll = || poll(sleep.as_mut(), Waker::noop());
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)).unwrap_err();
            let text = panic.downcast_ref::<&str>().unwrap();
            assert_eq!(*text, "A Tokio 1.x context was found, but it is being shutdown.");
        }
    }
}

#[test]
#[should_panic(expected = "there is no reactor running")]
fn outside_of_a_runtime_it_panics_when_made() {
    drop(sleep(ms(1)));
}

#[test]
#[should_panic(expected = "Call `enable_time` on the runtime builder to enable timers.")]
fn without_timers_it_panics_when_made() {
    let runtime = yamanote::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    runtime.block_on(async { drop(sleep(ms(1))) });
}

#[test]
fn its_traits_are_tokios() {
    fn is<T: Send + Sync>() {}
    is::<Sleep>();
    trait AmbiguousIfUnpin<A> {
        fn some() {}
    }
    impl<T: ?Sized> AmbiguousIfUnpin<()> for T {}
    impl<T: ?Sized + Unpin> AmbiguousIfUnpin<u8> for T {}
    <Sleep as AmbiguousIfUnpin<_>>::some();
    drop(Runtime::new().unwrap());
}

/// A timer belongs to the runtime it was made in, wherever it is polled first.
#[test]
fn polled_first_elsewhere_it_waits_with_its_own_runtime() {
    let build = || {
        yamanote::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap()
    };
    let (own, other) = (build(), build());
    let in_own = || {
        let _entered = own.enter();
        Box::pin(sleep(Duration::from_millis(20)))
    };
    let start = std::time::Instant::now();
    other.block_on(in_own());
    assert!(start.elapsed() >= Duration::from_millis(20));

    // Outside any runtime.
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut waiting = in_own();
    while waiting.as_mut().poll(&mut cx).is_pending() {
        std::thread::sleep(Duration::from_millis(1));
    }

    let mut orphan = in_own();
    drop(own);
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        other.block_on(async { orphan.as_mut().await });
    }));
    let message = polled.unwrap_err().downcast::<&str>().unwrap();
    assert!(message.contains("being shutdown"), "{message}");
}
