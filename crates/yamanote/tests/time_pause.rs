//! The stopped clock: it moves when it is advanced, and by itself only when nothing else can
//! happen.
#![forbid(unsafe_code)]

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::Mutex;
use yamanote::runtime::{Builder, Runtime};
use yamanote::time::{self, Duration, Instant, advance, pause, resume, sleep, sleep_until};
use yamanote_test::{Setup, matrix};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A runtime with its clock stopped, if this cell of the matrix can have one.
fn paused(setup: Setup) -> Option<Runtime> {
    let mut builder = yamanote_test::builder!(setup);
    if setup.workers.is_some() {
        return None;
    }
    Some(builder.start_paused(true).build().unwrap())
}

matrix! {
    fn a_day_passes_in_order_and_at_once(setup: Setup) {
        let Some(runtime) = paused(setup) else { return };
        let real = std::time::Instant::now();
        runtime.block_on(async {
            let start = Instant::now();
            let order = Arc::new(Mutex::new(Vec::new()));
            let mut tasks = Vec::new();
            for hours in [24u64, 3, 17, 1, 9] {
                let order = order.clone();
                tasks.push(yamanote::spawn(async move {
                    sleep(Duration::from_secs(hours * 3600)).await;
                    assert_eq!(start.elapsed(), Duration::from_secs(hours * 3600));
                    order.lock().unwrap().push(hours);
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(*order.lock().unwrap(), [1, 3, 9, 17, 24]);
            assert_eq!(start.elapsed(), Duration::from_secs(86_400));
        });
        assert!(real.elapsed() < Duration::from_secs(20));
    }

    fn close_deadlines_are_met_at_the_next_millisecond(setup: Setup) {
        let Some(runtime) = paused(setup) else { return };
        runtime.block_on(async {
            let start = Instant::now();
            let mut tasks = Vec::new();
            for n in 0..200 {
                tasks.push(yamanote::spawn(async move {
                    let deadline = start + ms(1) + Duration::from_nanos(n * 3);
                    sleep_until(deadline).await;
                    let expected = if n == 0 { ms(1) } else { ms(2) };
                    assert_eq!(start.elapsed(), expected);
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
    }

    fn stands_still_while_a_blocking_job_runs(setup: Setup) {
        let Some(runtime) = paused(setup) else { return };
        runtime.block_on(async {
            let start = Instant::now();
            let sleeper = yamanote::spawn(sleep(ms(1)));
            yamanote::task::spawn_blocking(|| std::thread::sleep(ms(30))).await.unwrap();
            assert_eq!(start.elapsed(), Duration::ZERO);
            sleeper.await.unwrap();
            assert_eq!(start.elapsed(), ms(1));
        });
    }

    fn advance_fires_what_is_due(setup: Setup) {
        let Some(runtime) = paused(setup) else { return };
        runtime.block_on(async {
            let start = Instant::now();
            let sleepers: Vec<_> = (1..=5)
                .map(|n| yamanote::spawn(async move { sleep(ms(n * 10)).await; n }))
                .collect();
            yamanote::task::yield_now().await;
            advance(ms(30)).await;
            assert_eq!(start.elapsed(), ms(30));
            yamanote::task::yield_now().await;
            let done = sleepers.iter().filter(|task| task.is_finished()).count();
            assert_eq!(done, 3);
            for task in sleepers {
                task.await.unwrap();
            }
            assert_eq!(start.elapsed(), ms(50));
        });
    }

    fn resume_goes_on_from_there(setup: Setup) {
        let Some(runtime) = paused(setup) else { return };
        runtime.block_on(async {
            let start = Instant::now();
            advance(Duration::from_secs(3600)).await;
            resume();
            let real = std::time::Instant::now();
            sleep(ms(5)).await;
            assert!(real.elapsed() >= ms(5));
            assert!(start.elapsed() >= Duration::from_secs(3600) + ms(5));
            pause();
            let stopped = Instant::now();
            std::thread::sleep(ms(2));
            assert_eq!(Instant::now(), stopped);
        });
    }

    // Time does not pass for a task that only waits for itself, and need not.
    fn a_busy_runtime_does_not_move_it(setup: Setup) {
        let Some(runtime) = paused(setup) else { return };
        runtime.block_on(async {
            let start = Instant::now();
            let _sleeper = yamanote::spawn(sleep(ms(1)));
            for _ in 0..1000 {
                yamanote::task::yield_now().await;
            }
            assert_eq!(start.elapsed(), Duration::ZERO);
        });
    }
}

fn panic_text(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast_ref::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn misuse_panics_with_tokios_words() {
    let outside = "time cannot be frozen from outside the Tokio runtime";
    assert_eq!(panic_text(pause), outside);
    assert_eq!(panic_text(resume), outside);

    let current = Builder::new_current_thread().enable_all().build().unwrap();
    current.block_on(async {
        assert_eq!(panic_text(resume), "time is not frozen");
        pause();
        assert_eq!(panic_text(pause), "time is already frozen");
    });
    let running = Builder::new_current_thread().enable_all().build().unwrap();
    let advanced = panic_text(|| running.block_on(advance(ms(1))));
    assert_eq!(advanced, "time is not frozen");
    let overflow = panic_text(|| current.block_on(advance(Duration::MAX)));
    assert_eq!(overflow, "overflow when adding duration to instant");

    let multi = Builder::new_multi_thread().enable_all().build().unwrap();
    let refused = panic_text(|| multi.block_on(async { pause() }));
    let expected = "`time::pause()` requires the `current_thread` Tokio runtime. \
                    This is the default Runtime used by `#[tokio::test].";
    assert_eq!(refused, expected);
}

#[test]
fn each_runtime_has_its_own_clock() {
    let paused = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let running = Builder::new_current_thread().enable_all().build().unwrap();
    let before = paused.block_on(async { Instant::now() });
    running.block_on(async {
        let start = Instant::now();
        sleep(ms(5)).await;
        assert!(start.elapsed() >= ms(5));
    });
    assert_eq!(paused.block_on(async { Instant::now() }), before);
    let outside = Instant::now();
    std::thread::sleep(ms(1));
    assert!(outside.elapsed() >= ms(1));
}

// `timeout` under a stopped clock ends at once, although the future never does.
#[yamanote::test(start_paused = true)]
async fn timeouts_end_at_once() {
    let start = Instant::now();
    let late = time::timeout(Duration::from_secs(86_400), pending::<()>()).await;
    assert!(late.is_err());
    assert_eq!(start.elapsed(), Duration::from_secs(86_400));
}
