//! Blocking work beside tasks, on every driver and flavour.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};
use yamanote::runtime::Handle;
use yamanote::task;
use yamanote_test::matrix;

const LONG: Duration = Duration::from_secs(20);

matrix! {
    /// As many jobs at once as there are, none waiting for another.
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

    /// The shutdown waits for a started job, or not, as told (T4).
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
