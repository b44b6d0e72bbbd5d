//! Blocking work beside tasks, on every driver and flavour.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use yamanote::runtime::{Handle, Runtime};
use yamanote::task::{self, JoinHandle};
use yamanote_test::matrix;

const LONG: Duration = Duration::from_secs(20);

/// Fails instead of hanging if `test` does not end.
fn ends(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let thread = thread::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(test));
        done.send(()).unwrap();
        result
    });
    is_done.recv_timeout(LONG).expect("it hangs");
    thread.join().unwrap().unwrap();
}

/// Whether the runtime refused this job.
fn is_over(offered: JoinHandle<()>) -> bool {
    offered.is_finished()
        && futures::executor::block_on(offered).is_err_and(|error| error.is_cancelled())
}

matrix! {
    /// As many jobs at once as there may be, none waiting for another.
    async fn jobs_run_at_the_same_time() {
        let all = Arc::new(Barrier::new(20));
        let jobs: Vec<_> = (0..20)
            .map(|index| {
                let all = all.clone();
                task::spawn_blocking(move || {
                    all.wait();
                    index
                })
            })
            .collect();
        for (index, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.await.unwrap(), index);
        }
    }

    /// A job is inside the runtime: it may spawn, spawn jobs, and block on futures.
    async fn a_job_has_the_runtimes_context() {
        let answer = task::spawn_blocking(|| {
            let inner = task::spawn_blocking(|| 20);
            let spawned = yamanote::spawn(async { 20 });
            Handle::current().block_on(async { inner.await.unwrap() + spawned.await.unwrap() + 2 })
        });
        assert_eq!(answer.await.unwrap(), 42);
    }

    /// While the main future and all tasks sit in jobs' joins, other tasks go on.
    async fn tasks_go_on_beside_a_job() {
        let (send, receive) = mpsc::channel();
        let job = task::spawn_blocking(move || receive.recv_timeout(LONG).unwrap());
        let sender = yamanote::spawn(async move {
            for _ in 0..10 {
                task::yield_now().await;
            }
            send.send(5).unwrap();
        });
        assert_eq!(job.await.unwrap(), 5);
        sender.await.unwrap();
    }

    /// The limit holds, the queue drains in order.
    fn the_limit_holds(setup: yamanote_test::Setup) {
        let runtime = yamanote_test::builder!(setup).max_blocking_threads(2).build().unwrap();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs: Vec<_> = (0..30)
            .map(|_| {
                let (running, most) = (running.clone(), most.clone());
                runtime.spawn_blocking(move || {
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    std::thread::sleep(Duration::from_millis(1));
                    running.fetch_sub(1, SeqCst);
                })
            })
            .collect();
        runtime.block_on(async {
            for job in jobs {
                job.await.unwrap();
            }
        });
        assert!(most.load(SeqCst) <= 2);
    }

    /// The shutdown waits for a started job, or not, as asked (T4).
    fn the_shutdown_waits_as_told(setup: yamanote_test::Setup) {
        for patience in [None, Some(Duration::from_millis(20)), Some(Duration::ZERO)] {
            let runtime = yamanote_test::builder!(setup).build().unwrap();
            let (started, has_started) = mpsc::channel();
            let (end, ended) = mpsc::channel();
            let job = runtime.spawn_blocking(move || {
                started.send(()).unwrap();
                let _ = ended.recv_timeout(LONG);
            });
            has_started.recv_timeout(LONG).unwrap();
            let start = Instant::now();
            match patience {
                None => {
                    end.send(()).unwrap();
                    drop(runtime);
                    assert!(job.is_finished());
                }
                Some(patience) => {
                    runtime.shutdown_timeout(patience);
                    assert!(start.elapsed() >= patience);
                    assert!(start.elapsed() < patience + Duration::from_secs(2));
                    assert!(!job.is_finished());
                    end.send(()).unwrap();
                    futures::executor::block_on(job).unwrap();
                }
            }
        }
    }

    /// Every job that is queued when the shutdown begins runs, in the runtime's context, however
    /// the runtime ends; a job that comes later is cancelled (T4).
    fn what_was_queued_runs_whatever_the_end(setup: yamanote_test::Setup) {
        let ends: [fn(Runtime); 5] = [
            drop,
            |runtime| runtime.shutdown_timeout(LONG),
            |runtime| runtime.shutdown_timeout(Duration::from_millis(1)),
            Runtime::shutdown_background,
            |runtime| {
                let outer = yamanote::runtime::Builder::new_current_thread().build().unwrap();
                outer.block_on(async { runtime.shutdown_background() });
            },
        ];
        for (way, end) in ends.into_iter().enumerate() {
            let runtime =
                yamanote_test::builder!(setup).max_blocking_threads(2).build().unwrap();
            let handle = runtime.handle().clone();
            let begun = Arc::new(Barrier::new(3));
            // Two threads at work until the shutdown has begun.
            let mut jobs: Vec<_> = (0..2)
                .map(|index| {
                    let begun = begun.clone();
                    runtime.spawn_blocking(move || {
                        begun.wait();
                        index
                    })
                })
                .collect();
            jobs.extend((2..40).map(|index| {
                runtime.spawn_blocking(move || {
                    let handle = Handle::current();
                    let late = handle.spawn_blocking(|| panic!("must not run"));
                    assert!(handle.block_on(late).unwrap_err().is_cancelled());
                    index
                })
            }));
            let watcher = thread::spawn(move || {
                while !is_over(handle.spawn_blocking(|| ())) {
                    thread::sleep(Duration::from_millis(1));
                }
                begun.wait();
            });
            end(runtime);
            if way < 2 {
                assert!(jobs.iter().all(|job| job.is_finished()));
            }
            watcher.join().unwrap();
            for (index, job) in jobs.into_iter().enumerate() {
                assert_eq!(futures::executor::block_on(job).unwrap(), index);
            }
        }
    }

    /// A queued job that is aborted does not run, and the end of the runtime does not change that.
    fn an_aborted_job_does_not_run_at_the_end(setup: yamanote_test::Setup) {
        let runtime = yamanote_test::builder!(setup).max_blocking_threads(1).build().unwrap();
        let (end, ended) = mpsc::channel::<()>();
        runtime.spawn_blocking(move || {
            let _ = ended.recv_timeout(LONG);
        });
        let aborted = runtime.spawn_blocking(|| panic!("must not run"));
        let runs = runtime.spawn_blocking(|| 1);
        aborted.abort();
        end.send(()).unwrap();
        drop(runtime);
        assert!(futures::executor::block_on(aborted).unwrap_err().is_cancelled());
        assert_eq!(futures::executor::block_on(runs).unwrap(), 1);
    }

    /// A thread that cannot be named is an error, or a panic, once; and the runtime goes on, and
    /// ends.
    fn threads_that_cannot_be_named(setup: yamanote_test::Setup) {
        /// How many threads get a name before one cannot.
        fn nul_after(named: usize) -> impl Fn() -> String + Send + Sync + 'static {
            let count = AtomicUsize::new(0);
            move || match count.fetch_add(1, SeqCst) < named {
                true => "good".to_owned(),
                false => "a\0b".to_owned(),
            }
        }
        fn panic_after(named: usize) -> impl Fn() -> String + Send + Sync + 'static {
            let count = AtomicUsize::new(0);
            move || match count.fetch_add(1, SeqCst) < named {
                true => "good".to_owned(),
                false => std::panic::resume_unwind(Box::new("no name")),
            }
        }
        let workers = setup.workers.unwrap_or(0);
        for panics in [false, true] {
            let named = |named| {
                let mut builder = yamanote_test::builder!(setup);
                match panics {
                    false => builder.thread_name_fn(nul_after(named)),
                    true => builder.thread_name_fn(panic_after(named)),
                };
                builder.build()
            };
            // The first, and the last, of the workers.
            for good in (0..workers).take(1).chain(workers.checked_sub(1)) {
                let built = named(good);
                let text = built.unwrap_err().to_string();
                assert!(text.contains(if panics { "no name" } else { "null bytes" }), "{text}");
            }
            let runtime = named(workers).unwrap();
            ends(move || {
                let panicked = catch_unwind(AssertUnwindSafe(|| runtime.spawn_blocking(|| ())));
                let text = panicked.unwrap_err().downcast::<String>().unwrap();
                assert!(text.starts_with("OS can't spawn worker thread: "), "{text}");
                assert_eq!(runtime.block_on(async { yamanote::spawn(async { 1 }).await.unwrap() }), 1);
                drop(runtime);
            });
            // With one thread that has a name, jobs wait for it.
            let runtime = named(workers + 1).unwrap();
            ends(move || {
                let jobs: Vec<_> = (0..8).map(|n| runtime.spawn_blocking(move || n)).collect();
                drop(runtime);
                for (n, job) in jobs.into_iter().enumerate() {
                    assert_eq!(futures::executor::block_on(job).unwrap(), n);
                }
            });
        }
    }

    /// A runtime that is dropped by one of its own blocking jobs does not wait for that one (T3).
    fn a_runtime_dropped_by_its_own_job(setup: yamanote_test::Setup) {
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let (done, is_done) = mpsc::channel();
        let handle = runtime.handle().clone();
        handle.spawn_blocking(move || {
            drop(runtime);
            done.send(()).unwrap();
        });
        is_done.recv_timeout(LONG).unwrap();
    }

    /// `block_in_place` is for the multi-thread flavour; tasks of the worker go on meanwhile.
    async fn block_in_place_lets_others_run(setup: yamanote_test::Setup) {
        let nested = yamanote::spawn(async {
            let (send, receive) = mpsc::channel();
            let sibling = yamanote::spawn(async move { send.send(3).unwrap() });
            let received = task::block_in_place(|| {
                Handle::current().block_on(async {});
                receive.recv_timeout(LONG).unwrap()
            });
            sibling.await.unwrap();
            received
        });
        let result = nested.await;
        match setup.workers {
            Some(_) => assert_eq!(result.unwrap(), 3),
            None => {
                let panic = result.unwrap_err().into_panic();
                let message = panic.downcast_ref::<&str>().unwrap();
                assert!(message.contains("multi-threaded runtime"), "{message}");
            }
        }
    }
}
