//! Clocks that misbehave: a process that is stopped for a while, a machine that has been up for a
//! century, a test clock that must not outrun what the kernel is doing.
#![forbid(unsafe_code)]

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use yamanote::time::{Duration, Instant, MissedTickBehavior, interval, sleep, timeout};
use yamanote_test::{Capability, TempDir, in_own_process, matrix, require};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Stops this process (SIGSTOP) for 300 ms.
fn stop_for_a_while() {
    let script = format!(
        "kill -STOP {pid}; sleep 0.3; kill -CONT {pid}",
        pid = std::process::id()
    );
    let status = Command::new("sh").args(["-c", &script]).status().unwrap();
    assert!(status.success());
}

#[test]
fn overdue_timers_fire_once_each() {
    in_own_process(module_path!(), "overdue_timers_fire_once_each", || {
        let runtime = yamanote::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let fired = Arc::new(AtomicUsize::new(0));
            let mut tasks = Vec::new();
            for n in 0..200 {
                let fired = fired.clone();
                tasks.push(yamanote::spawn(async move {
                    sleep(ms(50 + n)).await;
                    fired.fetch_add(1, Relaxed);
                }));
            }
            let mut ticks = interval(ms(20));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let start = ticks.tick().await;

            yamanote::task::spawn_blocking(stop_for_a_while)
                .await
                .unwrap();

            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(fired.load(Relaxed), 200);
            // One tick for all that was missed, then multiples of the period again.
            assert_eq!(ticks.tick().await, start + ms(20));
            let next = ticks.tick().await;
            assert!(next > start + ms(300));
            assert_eq!((next - start).as_nanos() % ms(20).as_nanos(), 0);
        });
    });
}

// The child of the next test; alone, it checks the same on the clock as it is.
#[test]
fn timers_work_on_any_clock() {
    let runtime = yamanote::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        sleep(ms(5)).await;
        assert!(start.elapsed() >= ms(5) && start.elapsed() < Duration::from_secs(60));
        assert!(timeout(ms(5), sleep(Duration::MAX)).await.is_err());
    });
}

#[test]
fn a_machine_that_is_up_for_a_century() {
    // A time namespace, whose monotonic clock starts 4,000,000,000 s later.
    let unshare = |program: &str, args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-T", "--monotonic", "4000000000", program]);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !require(Capability::Root) || !unshare("true", &[]) {
        return;
    }
    let binary = std::env::current_exe().unwrap();
    let test = ["timers_work_on_any_clock", "--exact"];
    assert!(unshare(binary.to_str().unwrap(), &test));
}

matrix! {
    // All at one instant: the tasks share the runtime with them, and each is woken once.
    async fn a_hundred_thousand_at_one_instant() {
        let deadline = Instant::now() + ms(300);
        let fired = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..100_000)
            .map(|_| {
                let fired = fired.clone();
                yamanote::spawn(async move {
                    yamanote::time::sleep_until(deadline).await;
                    assert!(Instant::now() >= deadline);
                    fired.fetch_add(1, Relaxed);
                })
            })
            .collect();
        for task in tasks {
            timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
        }
        assert_eq!(fired.load(Relaxed), 100_000);
    }

    // A stopped clock waits for files, in whichever way they are read and written.
    fn files_take_no_time(setup: yamanote_test::Setup) {
        if setup.workers.is_some() {
            return;
        }
        let runtime = yamanote_test::builder!(setup).start_paused(true).build().unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            let sleeper = yamanote::spawn(sleep(ms(1)));
            let directory = TempDir::new();
            for n in 0..20 {
                let path = directory.path().join(n.to_string());
                yamanote::fs::write(&path, vec![n; 100_000]).await.unwrap();
                assert_eq!(yamanote::fs::read(&path).await.unwrap(), vec![n; 100_000]);
                yamanote::fs::remove_file(&path).await.unwrap();
            }
            assert_eq!(start.elapsed(), Duration::ZERO);
            sleeper.await.unwrap();
            assert_eq!(start.elapsed(), ms(1));
        });
    }
}
