//! The runtime in simulations: both schedulers, timers, channels, blocking jobs.
#![cfg(feature = "sim")]
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use yamanote::runtime::Builder;
use yamanote::sim::{self, Sim};
use yamanote::sync::{Barrier, Notify, mpsc, oneshot};
use yamanote::task::{self, JoinSet, LocalSet};
use yamanote::time::{self, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

#[sim::test(seeds = 20)]
async fn the_experiment_sleeps_in_virtual_time(sim: Sim) {
    let (instant, wall) = (Instant::now(), SystemTime::now());
    sim.sleep(3600 * SECOND).await;
    let slept = instant.elapsed();
    assert!(slept >= 3600 * SECOND && slept < 3601 * SECOND, "{slept:?}");
    let slept = wall.elapsed().unwrap();
    assert!(slept >= 3600 * SECOND && slept < 3601 * SECOND, "{slept:?}");
    assert!(sim.now() >= 3600 * SECOND);
}

#[sim::test(seeds = 50)]
async fn a_host_runs_a_program_to_its_end(sim: Sim) {
    let host = sim.host("a");
    let program = host.start(|| async {
        sleep(5 * SECOND).await;
        std::thread::current().name().map(str::to_owned)
    });
    assert!(host.is_up() && !program.is_finished());
    assert_eq!(program.await.unwrap().as_deref(), Some("a"));
    assert!(
        sim.now() >= 5 * SECOND && sim.now() < 6 * SECOND,
        "{:?}",
        sim.now()
    );
    sim.until(|| !host.is_up(), SECOND).await.unwrap();
}

/// Eight workers, whose tasks spawn, wake, steal.
async fn crowd() -> u64 {
    let (sender, mut receiver) = mpsc::channel(4);
    let mut tasks = JoinSet::new();
    for n in 0..32_u64 {
        let sender = sender.clone();
        tasks.spawn(async move {
            for step in 0..8 {
                if (n + step) % 5 == 0 {
                    task::yield_now().await;
                }
                if (n + step) % 7 == 0 {
                    sleep(Duration::from_millis(n)).await;
                }
                sender.send(n * step).await.unwrap();
            }
            n
        });
    }
    drop(sender);
    let mut sum = 0;
    while let Some(value) = receiver.recv().await {
        sum += value;
        sim::note(&value.to_string());
    }
    while let Some(n) = tasks.join_next().await {
        sum += n.unwrap();
    }
    sum
}

#[sim::test(seeds = 30)]
async fn tasks_of_eight_workers(sim: Sim) {
    let host = sim.host("many").worker_threads(8);
    let sum = host.start(crowd).await.unwrap();
    assert_eq!(sum, (0..32).sum::<u64>() * 28 + (0..32).sum::<u64>());
}

#[sim::test(seeds = 30)]
async fn tasks_of_one_thread(sim: Sim) {
    let host = sim.host("one").current_thread();
    let sum = host.start(crowd).await.unwrap();
    assert_eq!(sum, (0..32).sum::<u64>() * 28 + (0..32).sum::<u64>());
}

#[sim::test(seeds = 30)]
async fn a_timeout_ends_a_wait_in_time(sim: Sim) {
    let run = sim.host("a").start(|| async {
        let start = time::Instant::now();
        let never = timeout(2 * SECOND, std::future::pending::<()>()).await;
        assert!(never.is_err());
        let waited = start.elapsed();
        assert!(waited >= 2 * SECOND && waited < 2 * SECOND + Duration::from_millis(5));
        let (sender, receiver) = oneshot::channel();
        yamanote::spawn(async move {
            sleep(SECOND).await;
            sender.send(7).unwrap();
        });
        yamanote::select! {
            value = receiver => assert_eq!(value, Ok(7)),
            () = sleep(3 * SECOND) => panic!("the value came first"),
        }
        let mut ticks = time::interval(SECOND);
        for _ in 0..5 {
            ticks.tick().await;
        }
    });
    run.await.unwrap();
}

#[sim::test(seeds = 30)]
async fn blocking_jobs_and_places(sim: Sim) {
    let run = sim.host("a").worker_threads(2).start(|| async {
        let job = task::spawn_blocking(|| {
            std::thread::sleep(3 * SECOND);
            11
        });
        let place = yamanote::spawn(async {
            task::block_in_place(|| std::thread::sleep(2 * SECOND));
            22
        });
        let beside = yamanote::spawn(async {
            sleep(SECOND).await;
            33
        });
        assert_eq!(beside.await.unwrap(), 33);
        assert_eq!(place.await.unwrap(), 22);
        assert_eq!(job.await.unwrap(), 11);
    });
    run.await.unwrap();
    assert!(
        sim.now() >= 3 * SECOND && sim.now() < 4 * SECOND,
        "{:?}",
        sim.now()
    );
}

#[sim::test(seeds = 30)]
async fn local_tasks(sim: Sim) {
    let run = sim.host("a").start(|| async {
        let set = LocalSet::new();
        let sum = Rc::new(std::cell::Cell::new(0));
        let inside = sum.clone();
        set.run_until(async move {
            let tasks: Vec<_> = (0..10)
                .map(|n| {
                    let sum = inside.clone();
                    task::spawn_local(async move {
                        sleep(Duration::from_millis(10 - n)).await;
                        task::yield_now().await;
                        sum.set(sum.get() + n);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        })
        .await;
        assert_eq!(sum.get(), 45);
    });
    run.await.unwrap();
}

#[sim::test(seeds = 20)]
async fn a_runtime_within_a_host(sim: Sim) {
    let run = sim.host("a").start(|| async {
        let thread = std::thread::spawn(|| {
            let inner = Builder::new_multi_thread()
                .worker_threads(3)
                .enable_all()
                .build()
                .unwrap();
            let answer = inner.block_on(async {
                sleep(SECOND).await;
                yamanote::spawn(async { 5 }).await.unwrap()
            });
            drop(inner);
            let inner = Builder::new_current_thread().enable_all().build().unwrap();
            inner.block_on(async { sleep(SECOND).await });
            answer
        });
        task::spawn_blocking(|| thread.join().unwrap())
            .await
            .unwrap()
    });
    assert_eq!(run.await.unwrap(), 5);
}

#[sim::test(seeds = 40)]
async fn locks_and_barriers_between_hosts_are_one_memory(sim: Sim) {
    let order = Arc::new(Mutex::new(Vec::new()));
    let barrier = Arc::new(Barrier::new(3));
    let runs: Vec<_> = (0..3)
        .map(|n| {
            let (order, barrier) = (order.clone(), barrier.clone());
            sim.host(format!("h{n}")).start(move || {
                let (order, barrier) = (order.clone(), barrier.clone());
                async move {
                    barrier.wait().await;
                    order.lock().unwrap().push(n);
                }
            })
        })
        .collect();
    for run in runs {
        run.await.unwrap();
    }
    let order = order.lock().unwrap().clone();
    sim::note(&format!("{order:?}"));
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 3);
    // Not only the order in which they were started.
    yamanote::sim::sometimes!(order != [0, 1, 2], "another order");
}

#[sim::test(seeds = 40)]
async fn a_crash_drops_what_waits_and_a_restart_begins_anew(sim: Sim) {
    struct Bomb(Arc<Mutex<u32>>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let (starts, drops) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let (count, bombs) = (starts.clone(), drops.clone());
    let host = sim.host("a");
    let run = host.start(move || {
        *count.lock().unwrap() += 1;
        let life = *count.lock().unwrap();
        let bombs = bombs.clone();
        async move {
            let _here = Bomb(bombs.clone());
            let there = Bomb(bombs);
            yamanote::spawn(async move {
                let _there = there;
                std::future::pending::<()>().await;
            });
            sleep(10 * SECOND).await;
            life
        }
    });
    sim.sleep(5 * SECOND).await;
    host.crash();
    assert!(!host.is_up());
    sim.sleep(SECOND).await;
    assert_eq!(*drops.lock().unwrap(), 2);
    host.restart().await;
    assert_eq!(*starts.lock().unwrap(), 2);
    host.bounce(SECOND).await;
    assert_eq!(run.await.unwrap(), 3);
    sim.sleep(2 * SECOND).await;
    assert_eq!((*starts.lock().unwrap(), *drops.lock().unwrap()), (3, 6));
}

#[sim::test(seeds = 20)]
async fn a_pause_holds_a_host_and_its_clocks_go_on(sim: Sim) {
    let host = sim.host("a");
    let run = host.start(|| async {
        let mut longest = Duration::ZERO;
        let start = Instant::now();
        while start.elapsed() < 20 * SECOND {
            let before = Instant::now();
            sleep(SECOND / 10).await;
            longest = longest.max(before.elapsed());
        }
        longest
    });
    sim.sleep(2 * SECOND).await;
    host.pause(5 * SECOND);
    let longest = run.await.unwrap();
    assert!(longest >= 5 * SECOND && longest < 6 * SECOND, "{longest:?}");
}

#[sim::test(seeds = 20)]
async fn a_skewed_clock_is_the_walls_alone(sim: Sim) {
    let host = sim.host("a");
    host.skew(-3_600_000_000_000);
    let here = SystemTime::now();
    let there = host.run(async { SystemTime::now() }).await.unwrap();
    let behind = here.duration_since(there).unwrap();
    assert!(
        behind > 3599 * SECOND && behind <= 3600 * SECOND,
        "{behind:?}"
    );
}

#[sim::test(seeds = 5)]
async fn an_idle_hour_of_many_hosts(sim: Sim) {
    for n in 0..20 {
        sim.host(format!("n{n}")).start(|| async {
            let mut beats = time::interval(10 * SECOND);
            loop {
                beats.tick().await;
            }
        });
    }
    sim.sleep(3600 * SECOND).await;
    assert!(sim.hosts().iter().all(sim::Host::is_up));
}

#[sim::test(seeds = 20)]
async fn a_task_may_panic_where_that_is_allowed(sim: Sim) {
    let host = sim.host("a").allow_panics();
    let run = host.start(|| async {
        let task = yamanote::spawn(async { panic!("as planned") });
        assert!(task.await.unwrap_err().is_panic());
        3
    });
    assert_eq!(run.await.unwrap(), 3);
    let run = host.start(|| async { panic!("as a whole") });
    let ended: Result<(), _> = run.await;
    assert!(ended.unwrap_err().is_panic());
}

#[sim::test(seeds = 20)]
async fn notifications_reach_every_waiter(sim: Sim) {
    let run = sim.host("a").worker_threads(3).start(|| async {
        let notify = Arc::new(Notify::new());
        let mut tasks = JoinSet::new();
        for _ in 0..10 {
            let notify = notify.clone();
            tasks.spawn(async move { notify.notified().await });
        }
        sleep(SECOND).await;
        notify.notify_waiters();
        while tasks.join_next().await.is_some() {}
    });
    run.await.unwrap();
}
