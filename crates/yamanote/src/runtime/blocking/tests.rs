//! Limits, hand-overs and endings of the pool, on real threads.
#![forbid(unsafe_code)]

use super::{BlockingPool, Config};
use crate::runtime::task::Meta;
use futures::executor::block_on;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

fn config(max_threads: usize) -> Config {
    Config {
        terminated: None,
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

/// A job that runs until the sender is dropped.
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
fn the_shutdown_waits_for_what_was_queued() {
    let mut pool = pool(1);
    let end = occupy(&pool);
    let waiting: Vec<_> = (0..20).map(|n| pool.spawner().spawn(move || n)).collect();
    let mandatory = pool.spawner().spawn_mandatory(|| 20).unwrap();
    pool.shutdown(Some(Duration::ZERO));
    pool.shutdown(Some(Duration::from_millis(5)));
    assert_eq!(pool.spawner().pool_threads(), 1);
    assert_eq!(pool.spawner().queue_depth(), 21);

    let late = pool.spawner().spawn(|| ());
    assert!(block_on(late).unwrap_err().is_cancelled());
    assert!(pool.spawner().spawn_mandatory(|| ()).is_none());
    assert!(pool.spawner().launch(Box::new(|| ())).is_err());

    end.send(()).unwrap();
    pool.shutdown(None);
    assert_eq!(pool.spawner().pool_threads(), 0);
    for (n, job) in waiting.into_iter().chain([mandatory]).enumerate() {
        assert!(job.is_finished());
        assert_eq!(block_on(job).unwrap(), n);
    }
}

/// Idle threads, threads on their way and threads at work, and more jobs than these can take.
#[test]
fn the_shutdown_loses_no_job_whatever_its_threads_do() {
    for round in 0..200 {
        let mut pool = pool(1 + round % 4);
        for _ in 0..round % 3 {
            block_on(pool.spawner().spawn(|| ())).unwrap();
        }
        let jobs: Vec<_> = (0..round % 7)
            .map(|n| pool.spawner().spawn(move || n))
            .collect();
        pool.shutdown(None);
        for (n, job) in jobs.into_iter().enumerate() {
            assert!(job.is_finished());
            assert_eq!(block_on(job).unwrap(), n);
        }
    }
}

/// The limit holds for the shutdown too: the worker's thread, which becomes free, does not help.
#[test]
fn the_shutdown_keeps_to_the_limit() {
    let mut pool = pool(1);
    let (stop, stopped) = channel::<()>();
    let worker = move || {
        let _ = stopped.recv();
    };
    pool.spawner().launch(Box::new(worker)).unwrap();
    let end = occupy(&pool);
    let running = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let running = running.clone();
        pool.spawner().spawn(move || {
            assert_eq!(running.fetch_add(1, SeqCst), 0);
            std::thread::sleep(Duration::from_millis(1));
            assert_eq!(running.fetch_sub(1, SeqCst), 1);
        });
    }
    pool.shutdown(Some(Duration::ZERO));
    stop.send(()).unwrap();
    let start = Instant::now();
    while pool.spawner().pool_threads() > 1 {
        assert!(start.elapsed() < LONG);
        std::thread::yield_now();
    }
    assert_eq!(pool.spawner().queue_depth(), 10);
    end.send(()).unwrap();
    pool.shutdown(None);
    assert_eq!(pool.spawner().queue_depth(), 0);
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
    pool.spawner().set_wrap(Arc::new(move || {
        let wrapped = wrapped.clone();
        Box::new(move |life| {
            wrapped.fetch_add(100, SeqCst);
            life();
            wrapped.fetch_add(100, SeqCst);
        })
    }));
    block_on(pool.spawner().spawn(|| ())).unwrap();
    pool.shutdown(None);
    assert_eq!(log.load(SeqCst), 211);
}

/// A thread that comes when the pool has been shut down, or when nobody holds it any more.
#[test]
fn a_late_thread_is_wrapped_too() {
    for _ in 0..100 {
        let mut pool = pool(1);
        pool.spawner().set_wrap(Arc::new(|| {
            Box::new(|life| {
                WRAPPED.set(true);
                life();
            })
        }));
        let job = pool.spawner().spawn(|| WRAPPED.get());
        pool.shutdown(Some(Duration::ZERO));
        drop(pool);
        assert!(block_on(job).unwrap());
    }
}

thread_local! {
    static WRAPPED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Panics when it is dropped, even as the payload of a panic.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("bomb");
    }
}

/// The payload of a hook's panic may panic again. That must not end a thread that was counted for a
/// job.
#[test]
fn hooks_that_panic_with_a_payload_that_panics() {
    let bomb = || {
        let hook: fn() = || std::panic::resume_unwind(Box::new(Bomb));
        Some(Arc::new(hook) as super::Callback)
    };
    let mut pool = BlockingPool::new(Config {
        after_start: bomb(),
        before_stop: bomb(),
        ..config(2)
    });
    assert_eq!(block_on(pool.spawner().spawn(|| 1)).unwrap(), 1);
    let (ran, has_run) = channel();
    pool.spawner()
        .launch(Box::new(move || {
            ran.send(()).unwrap();
            std::panic::resume_unwind(Box::new(Bomb));
        }))
        .unwrap();
    has_run.recv_timeout(LONG).unwrap();
    assert_eq!(block_on(pool.spawner().spawn(|| 2)).unwrap(), 2);
    pool.shutdown(None);
    assert_eq!(pool.spawner().pool_threads(), 0);
}

/// A thread that fails before it asks for its first job gives its place back.
#[test]
fn a_context_that_cannot_be_entered() {
    let mut pool = pool(2);
    let failures = AtomicUsize::new(0);
    pool.spawner().set_wrap(Arc::new(move || {
        let fails = failures.fetch_add(1, SeqCst) == 0;
        Box::new(move |life| match fails {
            true => std::panic::resume_unwind(Box::new("no context")),
            false => life(),
        })
    }));
    let first = pool.spawner().spawn(|| 1);
    let second = pool.spawner().spawn(|| 2);
    assert_eq!(block_on(first).unwrap(), 1);
    assert_eq!(block_on(second).unwrap(), 2);
    pool.shutdown(None);
    assert_eq!(pool.spawner().pool_threads(), 0);
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

/// A shutdown by the pool's only thread: the jobs behind the one that shuts down are done after it.
#[test]
fn a_pool_dropped_by_its_only_thread_still_does_its_jobs() {
    for timeout in [None, Some(Duration::from_millis(5)), Some(Duration::ZERO)] {
        let mut pool = pool(1);
        let end = occupy(&pool);
        let spawner = pool.spawner().clone();
        let (behind, is_behind) = channel::<()>();
        let dropper = spawner.spawn(move || {
            is_behind.recv_timeout(LONG).unwrap();
            pool.shutdown(timeout);
            drop(pool);
        });
        let jobs: Vec<_> = (0..3).map(|n| spawner.spawn(move || n)).collect();
        end.send(()).unwrap();
        behind.send(()).unwrap();
        block_on(dropper).unwrap();
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(block_on(job).unwrap(), n);
        }
    }
}

/// A system that refuses threads (T8): what can wait for a thread that exists does; for the rest
/// there is an error. A name that panics stands in for the refusal, which takes the same way.
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

/// The system itself refuses: no address space has room for such a stack.
#[test]
fn a_stack_that_is_too_large() {
    let pool = BlockingPool::new(Config {
        stack_size: Some(usize::try_from(1u64 << 60).unwrap_or(usize::MAX / 4 * 3)),
        ..config(2)
    });
    assert!(pool.spawner().try_spawn(|| (), Meta::here()).is_err());
    assert!(pool.spawner().spawn_mandatory(|| ()).is_none());
    assert!(pool.spawner().launch(Box::new(|| ())).is_err());
    assert_eq!(pool.spawner().pool_threads(), 0);
    assert_eq!(pool.spawner().queue_depth(), 0);
}

/// Neither the function that names threads nor std, which refuses such a name, takes a thread out
/// of the books by a panic.
#[test]
fn a_thread_without_a_name() {
    let names: [fn() -> String; 3] = [
        || panic!("no name"),
        || "a\0b".to_owned(),
        || std::panic::resume_unwind(Box::new(Bomb)),
    ];
    for (name, text) in names.into_iter().zip(["no name", "null bytes", "panicked"]) {
        let mut pool = BlockingPool::new(Config {
            thread_name: Arc::new(name),
            ..config(2)
        });
        let error = pool.spawner().try_spawn(|| (), Meta::here()).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(pool.spawner().spawn_mandatory(|| ()).is_none());
        assert!(pool.spawner().launch(Box::new(|| ())).is_err());
        assert_eq!(pool.spawner().pool_threads(), 0);
        assert_eq!(pool.spawner().queue_depth(), 0);
        pool.shutdown(None);
    }
}

/// Who starts a thread keeps nobody else from starting one.
#[test]
fn threads_are_started_side_by_side() {
    let (first, meets_first) = channel();
    let (second, meets_second) = channel();
    let places = [(first, meets_second), (second, meets_first)];
    let places = Mutex::new(places.into_iter().collect::<Vec<_>>());
    let met = Arc::new(AtomicUsize::new(0));
    let have_met = met.clone();
    let name = move || {
        let place = places.lock().unwrap().pop();
        if let Some((here, there)) = place {
            here.send(()).unwrap();
            have_met.fetch_add(usize::from(there.recv_timeout(LONG).is_ok()), SeqCst);
        }
        "named".to_owned()
    };
    let pool = BlockingPool::new(Config {
        thread_name: Arc::new(name),
        ..config(2)
    });
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| block_on(pool.spawner().spawn(|| ())).unwrap());
        }
    });
    assert_eq!(met.load(SeqCst), 2);
}
