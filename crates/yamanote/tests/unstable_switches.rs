//! The switches of the builder that are unstable in Tokio.
#![cfg(tokio_unstable)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};

use yamanote::process::Command;
use yamanote::runtime::{Builder, LocalOptions, RngSeed, UnhandledPanic};
use yamanote::task::{self, LocalSet, yield_now};
use yamanote_test::{Driver, Setup, builder};

fn panic_text<R>(run: impl FnOnce() -> R) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(run)) else {
        panic!("it does not panic");
    };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().unwrap().to_string(),
    }
}

const SHUT_DOWN: &str =
    "a spawned task panicked and the runtime is configured to shut down on unhandled panic";

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

yamanote_test::matrix! {
    fn a_panic_shuts_the_runtime_down(setup: Setup) {
        let mut builder = builder!(setup);
        if setup.workers.is_some() {
            let text = panic_text(|| {
                builder.unhandled_panic(UnhandledPanic::ShutdownRuntime);
            });
            assert!(text.contains("only supported in current thread"), "{text}");
            builder.unhandled_panic(UnhandledPanic::Ignore);
            return;
        }
        let rt = builder
            .unhandled_panic(UnhandledPanic::ShutdownRuntime)
            .build()
            .unwrap();
        let dropped = Arc::new(AtomicUsize::new(0));
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let guard = CountDrop(dropped.clone());
                rt.spawn(async move {
                    let _guard = guard;
                    std::future::pending::<()>().await;
                })
            })
            .collect();
        let panicking = rt.spawn(async {
            yield_now().await;
            panic!("boom");
        });
        let never = rt.spawn(async {
            for _ in 0..8 {
                yield_now().await;
            }
            unreachable!("it was dropped");
        });
        let text = panic_text(|| rt.block_on(std::future::pending::<()>()));
        assert_eq!(text, SHUT_DOWN);
        assert_eq!(dropped.load(Relaxed), 8);
        assert!(waiting.iter().all(|task| task.is_finished()));
        assert!(never.is_finished());
        assert!(panicking.is_finished());
        // And so it stays.
        let late = rt.spawn(async {});
        assert!(late.is_finished());
        assert_eq!(panic_text(|| rt.block_on(std::future::pending::<()>())), SHUT_DOWN);
        assert_eq!(rt.block_on(async { 5 }), 5, "what does not wait is not stopped");
        rt.shutdown_background();
    }

    fn by_default_a_panic_concerns_nobody_else(setup: Setup) {
        let rt = builder!(setup).build().unwrap();
        rt.block_on(async {
            let other = task::spawn(async {
                for _ in 0..8 {
                    yield_now().await;
                }
                7
            });
            assert!(task::spawn(async { panic!("boom") }).await.unwrap_err().is_panic());
            assert_eq!(other.await.unwrap(), 7);
        });
    }

    fn a_seed_decides_the_branches(setup: Setup) {
        let (Some(1) | None) = setup.workers else {
            // Which worker runs a task is not the seed's.
            return;
        };
        let choose = |seed: &[u8]| {
            // The worker draws its seed before this thread does.
            let (parked, park) = mpsc::channel();
            let mut builder = builder!(setup);
            builder.rng_seed(RngSeed::from_bytes(seed));
            builder.on_thread_park(move || {
                let _ = parked.send(());
            });
            let rt = builder.build().unwrap();
            if setup.workers.is_some() {
                park.recv().unwrap();
            }
            rt.block_on(async {
                let chosen = || async {
                    let mut chosen = Vec::new();
                    for _ in 0..256 {
                        chosen.push(yamanote::select! {
                            _ = async {} => 0,
                            _ = async {} => 1,
                            _ = async {} => 2,
                            _ = async {} => 3,
                        });
                    }
                    chosen
                };
                (chosen().await, task::spawn(chosen()).await.unwrap())
            })
        };
        let first = choose(b"one");
        assert_eq!(first, choose(b"one"));
        assert_ne!(first, choose(b"two"));
        assert_ne!(first.0, first.1);
    }

    fn without_its_lifo_place_a_woken_task_can_be_taken(setup: Setup) {
        if !matches!(setup.workers, Some(2 | 8)) {
            return;
        }
        let rt = builder!(setup).disable_lifo_slot().build().unwrap();
        rt.block_on(async {
            task::spawn(async {
                for _ in 0..64 {
                    let (done, wait) = mpsc::channel();
                    task::spawn(async move { done.send(()).unwrap() });
                    // This worker is stuck until another one has run the task.
                    wait.recv().unwrap();
                }
            })
            .await
            .unwrap();
        });
    }

    fn the_hints_give_a_runtime_that_works(setup: Setup) {
        let mut builder = match setup.workers {
            None => Builder::new_current_thread(),
            Some(_) => Builder::new_multi_thread(),
        };
        builder.driver(match setup.driver {
            Driver::Uring => yamanote::runtime::DriverChoice::Uring,
            Driver::Epoll => yamanote::runtime::DriverChoice::Epoll,
        });
        // Timers come with the first.
        builder
            .enable_alt_timer()
            .enable_eager_driver_handoff()
            .enable_sharded_blocking_queue();
        let rt = builder.build().unwrap();
        rt.block_on(async {
            yamanote::time::sleep(std::time::Duration::from_millis(1)).await;
            task::spawn_blocking(|| ()).await.unwrap();
        });
    }

    fn an_alternative_timer_that_outlives_its_runtime_is_ready(setup: Setup) {
        let sleep = |is_alternative| {
            let mut builder = builder!(setup);
            if is_alternative {
                builder.enable_alt_timer();
            }
            let rt = builder.build().unwrap();
            let mut sleep = rt.block_on(async {
                Box::pin(yamanote::time::sleep(std::time::Duration::from_secs(3600)))
            });
            let mut cx = Context::from_waker(Waker::noop());
            assert!(sleep.as_mut().poll(&mut cx).is_pending());
            drop(rt);
            catch_unwind(AssertUnwindSafe(|| sleep.as_mut().poll(&mut cx))).ok()
        };
        let expected = setup.workers.map(|_| Poll::Ready(()));
        assert_eq!(sleep(true), expected);
        assert_eq!(sleep(false), None);
    }

    async fn a_child_is_started_another_way() {
        let mut calls = 0;
        let mut child = Command::new("sh")
            .args(["-c", "exit 3"])
            .spawn_with(|std| {
                calls += 1;
                std.spawn()
            })
            .unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
        assert_eq!(calls, 1);
        let refused = Command::new("sh").spawn_with(|_| Err(std::io::Error::other("no")));
        assert_eq!(refused.unwrap_err().to_string(), "no");
    }
}

#[test]
fn every_thread_in_block_on_learns_of_the_panic() {
    let rt = Builder::new_current_thread()
        .unhandled_panic(UnhandledPanic::ShutdownRuntime)
        .build()
        .unwrap();
    let (inside, all_inside) = mpsc::channel();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (rt, inside) = (&rt, inside.clone());
                scope.spawn(move || {
                    panic_text(|| {
                        rt.block_on(async {
                            inside.send(()).unwrap();
                            std::future::pending::<()>().await;
                        })
                    })
                })
            })
            .collect();
        for _ in 0..3 {
            all_inside.recv().unwrap();
        }
        rt.spawn(async { panic!("boom") });
        for thread in threads {
            assert_eq!(thread.join().unwrap(), SHUT_DOWN);
        }
    });
}

#[test]
fn a_panic_shuts_a_local_runtime_down() {
    let rt = Builder::new_current_thread()
        .unhandled_panic(UnhandledPanic::ShutdownRuntime)
        .build_local(LocalOptions::default())
        .unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let guard = CountDrop(dropped.clone());
    rt.spawn_local(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    rt.spawn_local(async { panic!("boom") });
    assert_eq!(
        panic_text(|| rt.block_on(std::future::pending::<()>())),
        SHUT_DOWN
    );
    assert_eq!(dropped.load(Relaxed), 1);
}

#[test]
fn a_panic_ends_a_local_set() {
    let rt = Builder::new_current_thread().build().unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut set = LocalSet::new();
    set.unhandled_panic(UnhandledPanic::ShutdownRuntime);
    let guard = CountDrop(dropped.clone());
    set.spawn_local(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    set.spawn_local(async { panic!("boom") });
    let text = "a spawned task panicked and the LocalSet is configured to shutdown on unhandled \
                panic";
    assert_eq!(
        panic_text(|| set.block_on(&rt, std::future::pending::<()>())),
        text
    );
    assert_eq!(dropped.load(Relaxed), 1);
    // The set is over, the runtime is not.
    assert!(set.spawn_local(async {}).is_finished());
    drop(set);
    assert_eq!(rt.block_on(async { 5 }), 5);

    let mut set = LocalSet::new();
    set.unhandled_panic(UnhandledPanic::Ignore);
    let panicked = set.spawn_local(async { panic!("boom") });
    assert!(set.block_on(&rt, panicked).unwrap_err().is_panic());
}

#[yamanote::test(flavor = "current_thread", unhandled_panic = "shutdown_runtime")]
#[should_panic(expected = "configured to shut down")]
async fn the_attribute_shuts_down() {
    task::spawn(async { panic!("boom") }).await.unwrap_err();
}

#[yamanote::test(flavor = "current_thread", unhandled_panic = "ignore")]
async fn the_attribute_ignores() {
    assert!(
        task::spawn(async { panic!("boom") })
            .await
            .unwrap_err()
            .is_panic()
    );
}
