//! Limits, hand-overs and endings of the pool, on real threads.
#![forbid(unsafe_code)]

use super::{BlockingPool, Config};
use futures::executor::block_on;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, channel};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

fn config(max_threads: usize) -> Config {
    Config {
        max_threads,
        keep_alive: Duration::from_secs(10),
        stack_size: None,
        thread_name: Arc::new(|| "test-blocking".to_owned()),
        after_start: None,
        before_stop: None,
    }
}

fn pool(max_threads: usize) -> BlockingPool {
    BlockingPool::new(config(max_threads))
}

/// A job that runs until told to end.
fn occupy(pool: &BlockingPool) -> mpsc::Sender<()> {
    let (started, has_started) = channel();
    let (end, ended) = channel::<()>();
    pool.spawner().spawn(move || {
        started.send(()).unwrap();
        let _ = ended.recv();
    });
    has_started.recv_timeout(LONG).unwrap();
    end
}

#[test]
fn returns_the_value_and_the_panic() {
    let pool = pool(2);
    assert_eq!(block_on(pool.spawner().spawn(|| 7)).unwrap(), 7);
    let error = block_on(pool.spawner().spawn(|| panic!("boom"))).unwrap_err();
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "boom");
    // Both threads survived.
    assert_eq!(pool.spawner().pool_threads(), pool.spawner().num_threads());
    assert_eq!(block_on(pool.spawner().spawn(|| 8)).unwrap(), 8);
}

/// Every job of a burst as large as the limit must run at the same time: none may wait for another.
#[test]
fn a_job_never_waits_while_the_pool_may_grow() {
    for _ in 0..50 {
        let pool = pool(8);
        // Some idle threads, promised and taken in every mixture.
        for _ in 0..3 {
            block_on(pool.spawner().spawn(|| ())).unwrap();
        }
        let all = Arc::new(Barrier::new(8));
        let jobs: Vec<_> = (0..8)
            .map(|_| {
                let all = all.clone();
                pool.spawner().spawn(move || {
                    all.wait();
                })
            })
            .collect();
        for job in jobs {
            block_on(job).unwrap();
        }
        assert!(pool.spawner().num_threads() <= 8);
    }
}

#[test]
fn jobs_beyond_the_limit_wait() {
    let pool = pool(1);
    let end = occupy(&pool);
    let second = pool.spawner().spawn(|| 2);
    assert_eq!(pool.spawner().queue_depth(), 1);
    assert_eq!(pool.spawner().num_threads(), 1);
    end.send(()).unwrap();
    assert_eq!(block_on(second).unwrap(), 2);
    assert_eq!(pool.spawner().queue_depth(), 0);
}

#[test]
fn a_worker_gets_a_thread_beyond_the_limit_and_leaves_it() {
    let pool = pool(1);
    let end = occupy(&pool);
    let (ran, has_run) = channel();
    let (stop, stopped) = channel::<()>();
    let worker = move || {
        ran.send(()).unwrap();
        let _ = stopped.recv();
    };
    pool.spawner().launch(Box::new(worker)).unwrap();
    has_run.recv_timeout(LONG).unwrap();
    assert_eq!(pool.spawner().num_threads(), 1);
    // The worker's thread is not for blocking jobs while it works, nor afterwards.
    let second = pool.spawner().spawn(|| std::thread::current().id());
    assert_eq!(pool.spawner().queue_depth(), 1);
    stop.send(()).unwrap();
    while pool.spawner().pool_threads() > 1 {
        std::thread::yield_now();
    }
    assert_eq!(pool.spawner().queue_depth(), 1);
    end.send(()).unwrap();
    block_on(second).unwrap();
}

#[test]
fn an_idle_thread_ends() {
    let pool = BlockingPool::new(Config {
        keep_alive: Duration::from_millis(1),
        ..config(4)
    });
    for _ in 0..20 {
        block_on(pool.spawner().spawn(|| ())).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    let start = Instant::now();
    while pool.spawner().pool_threads() > 0 {
        assert!(start.elapsed() < LONG);
        std::thread::yield_now();
    }
    assert_eq!(pool.spawner().num_idle_threads(), 0);
}

#[test]
fn the_shutdown_cancels_what_waits_and_waits_for_what_runs() {
    let mut pool = pool(1);
    let end = occupy(&pool);
    let waiting = pool.spawner().spawn(|| ());
    let ran = Arc::new(AtomicUsize::new(0));
    let mandatory = {
        let ran = ran.clone();
        pool.spawner()
            .spawn_mandatory(move || ran.fetch_add(1, SeqCst))
            .unwrap()
    };
    pool.shutdown(Some(Duration::ZERO));
    pool.shutdown(Some(Duration::from_millis(5)));
    assert_eq!(pool.spawner().pool_threads(), 1);
    end.send(()).unwrap();
    pool.shutdown(None);
    assert_eq!(pool.spawner().pool_threads(), 0);
    assert!(block_on(waiting).unwrap_err().is_cancelled());
    block_on(mandatory).unwrap();
    assert_eq!(ran.load(SeqCst), 1);

    let late = pool.spawner().spawn(|| ());
    assert!(block_on(late).unwrap_err().is_cancelled());
    assert!(pool.spawner().spawn_mandatory(|| ()).is_none());
    assert!(pool.spawner().launch(Box::new(|| ())).is_err());
}

#[test]
fn a_job_that_has_a_thread_on_its_way_counts_as_started() {
    for _ in 0..50 {
        let mut pool = pool(4);
        let jobs: Vec<_> = (0..3).map(|n| pool.spawner().spawn(move || n)).collect();
        pool.shutdown(None);
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(futures::executor::block_on(job).unwrap(), n);
        }
    }
}

#[test]
fn an_aborted_job_that_has_not_started_does_not_start() {
    let pool = pool(1);
    let end = occupy(&pool);
    let aborted = pool.spawner().spawn(|| panic!("must not run"));
    aborted.abort();
    end.send(()).unwrap();
    assert!(block_on(aborted).unwrap_err().is_cancelled());
}

#[test]
fn the_wrap_and_the_hooks_surround_every_thread() {
    let log = Arc::new(AtomicUsize::new(0));
    let note = |value: usize| {
        let log = log.clone();
        Arc::new(move || {
            log.fetch_add(value, SeqCst);
            // A hook that panics is the user's problem, not the pool's.
            panic!("hook {value}");
        })
    };
    let mut pool = BlockingPool::new(Config {
        after_start: Some(note(1)),
        before_stop: Some(note(10)),
        ..config(1)
    });
    let wrapped = log.clone();
    pool.spawner().set_wrap(Arc::new(move |life| {
        wrapped.fetch_add(100, SeqCst);
        life();
        wrapped.fetch_add(100, SeqCst);
    }));
    block_on(pool.spawner().spawn(|| ())).unwrap();
    pool.shutdown(None);
    assert_eq!(log.load(SeqCst), 211);
    // The pool has let go of the wrap.
    assert_eq!(Arc::strong_count(&log), 3);
}

#[test]
fn the_job_hooks_balance() {
    let live = Arc::new(AtomicUsize::new(0));
    let mut pool = pool(1);
    let (accepted, finished) = (live.clone(), live.clone());
    pool.spawner().set_job_hooks(
        Arc::new(move || {
            accepted.fetch_add(1, SeqCst);
        }),
        Arc::new(move || {
            finished.fetch_sub(1, SeqCst);
        }),
    );
    let end = occupy(&pool);
    assert_eq!(live.load(SeqCst), 1);
    let waiting = pool.spawner().spawn(|| ());
    assert_eq!(live.load(SeqCst), 2);
    end.send(()).unwrap();
    block_on(waiting).unwrap();
    pool.shutdown(None);
    block_on(pool.spawner().spawn(|| ())).unwrap_err();
    assert_eq!(live.load(SeqCst), 0);
}

#[test]
fn a_pool_may_be_dropped_on_its_own_thread() {
    let mut pool = pool(2);
    let spawner = pool.spawner().clone();
    let (done, is_done) = channel();
    spawner.spawn(move || {
        pool.shutdown(None);
        drop(pool);
        done.send(()).unwrap();
    });
    is_done.recv_timeout(LONG).unwrap();
}

/// A system that refuses threads (T8): what can wait for a thread that exists does, the rest is told.
/// A name that panics stands in for the refusal, which takes the same way.
#[test]
fn a_thread_that_does_not_come() {
    let named = AtomicUsize::new(0);
    let mut pool = BlockingPool::new(Config {
        thread_name: Arc::new(move || match named.fetch_add(1, SeqCst) {
            0 => "the only one".to_owned(),
            _ => std::panic::resume_unwind(Box::new("refused")),
        }),
        ..config(8)
    });
    let end = occupy(&pool);
    let waits = pool.spawner().spawn(|| 2);
    let waits_too = pool.spawner().spawn_mandatory(|| 3).unwrap();
    assert_eq!(pool.spawner().queue_depth(), 2);
    // A worker would wait for ever, perhaps for something that only it could do.
    pool.spawner()
        .launch(Box::new(|| panic!("must not run")))
        .unwrap_err();
    assert_eq!(pool.spawner().queue_depth(), 2);
    assert_eq!(pool.spawner().num_threads(), 1);
    end.send(()).unwrap();
    assert_eq!(block_on(waits).unwrap(), 2);
    assert_eq!(block_on(waits_too).unwrap(), 3);
    pool.shutdown(None);
    assert_eq!(pool.spawner().pool_threads(), 0);
}

/// A refusal by the system itself: no address space has room for such a stack.
#[test]
fn a_stack_that_is_too_large() {
    let pool = BlockingPool::new(Config {
        stack_size: Some(1 << 60),
        ..config(2)
    });
    assert!(pool.spawner().try_spawn(|| ()).is_err());
    assert!(pool.spawner().spawn_mandatory(|| ()).is_none());
    assert!(pool.spawner().launch(Box::new(|| ())).is_err());
    assert_eq!(pool.spawner().pool_threads(), 0);
    assert_eq!(pool.spawner().queue_depth(), 0);
}

#[test]
fn a_name_that_panics_is_an_error() {
    let pool = BlockingPool::new(Config {
        thread_name: Arc::new(|| panic!("no name")),
        ..config(2)
    });
    assert!(pool.spawner().try_spawn(|| ()).is_err());
    assert_eq!(pool.spawner().pool_threads(), 0);
    assert_eq!(pool.spawner().queue_depth(), 0);
}
