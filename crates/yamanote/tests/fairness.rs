//! How many polls of others a task may wait for on a multi-thread runtime. The polls are counted;
//! no clock is asked. The order of a current-thread runtime is Tokio's, poll by poll (`rt_order`).
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use yamanote::runtime::worker_index;
use yamanote::sync::Barrier;
use yamanote::task::yield_now;
use yamanote_test::{Setup, builder, matrix};

/// More than the ring of a worker's queue holds, four times over.
const TASKS: usize = 1_000;
const LAPS: usize = 30;

matrix! {
    /// Tasks that are runnable all the time are polled in turn: on one worker none is two polls
    /// ahead of another.
    fn tasks_that_yield_take_turns(setup: Setup) {
        if setup.workers != Some(1) {
            return;
        }
        let polls: Arc<[AtomicUsize]> = (0..TASKS).map(|_| AtomicUsize::new(0)).collect();
        let widest = Arc::new(AtomicUsize::new(0));
        builder!(setup).build().unwrap().block_on(async {
            let begin = Arc::new(Barrier::new(TASKS));
            let tasks: Vec<_> = (0..TASKS)
                .map(|task| {
                    let (polls, widest, begin) = (polls.clone(), widest.clone(), begin.clone());
                    yamanote::spawn(async move {
                        begin.wait().await;
                        for lap in 1..=LAPS {
                            polls[task].store(lap, SeqCst);
                            let slowest = polls.iter().map(|polls| polls.load(SeqCst)).min();
                            widest.fetch_max(lap - slowest.unwrap(), SeqCst);
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        // The last one wakes the others, which begin a lap before it does.
        assert!(widest.load(SeqCst) <= 2, "a task was {widest:?} polls ahead of another");
    }

    /// What another thread makes runnable waits for a few laps of those that are always runnable,
    /// however much of it there is.
    fn what_comes_from_outside_waits_for_a_few_laps(setup: Setup) {
        let Some(workers) = setup.workers else {
            return;
        };
        let polls = Polls::new(workers);
        let is_over = Arc::new(AtomicBool::new(false));
        let runtime = builder!(setup).build().unwrap();
        let busy: Vec<_> = (0..TASKS)
            .map(|_| {
                let (polls, is_over) = (polls.clone(), is_over.clone());
                runtime.spawn(async move {
                    while !is_over.load(SeqCst) {
                        polls.count();
                        yield_now().await;
                    }
                })
            })
            .collect();
        while polls.read().iter().sum::<usize>() < 2 * TASKS {
            std::thread::yield_now();
        }
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let polls = polls.clone();
                runtime.spawn(async move { polls.read() })
            })
            .collect();
        let spawned = polls.read();
        // The worker that had a task in line may not have run meanwhile; but one of them has.
        let waited = |ran: Vec<usize>| {
            let of_each = ran.iter().zip(&spawned).map(|(ran, spawned)| ran.saturating_sub(*spawned));
            of_each.min().unwrap()
        };
        runtime.block_on(async {
            let mut longest = 0;
            for task in tasks {
                longest = longest.max(waited(task.await.unwrap()));
            }
            is_over.store(true, SeqCst);
            for task in busy {
                task.await.unwrap();
            }
            // They come in shares at every 127th poll of a worker at the latest, and stand in line
            // behind all.
            assert!(longest < 8 * TASKS, "one waited for {longest} polls of others");
        });
    }
}

/// Polls of busy tasks by worker.
#[derive(Clone)]
struct Polls(Arc<[AtomicUsize]>);

impl Polls {
    fn new(workers: usize) -> Self {
        Polls((0..workers).map(|_| AtomicUsize::new(0)).collect())
    }

    fn count(&self) {
        self.0[worker_index().unwrap()].fetch_add(1, SeqCst);
    }

    fn read(&self) -> Vec<usize> {
        self.0.iter().map(|polls| polls.load(SeqCst)).collect()
    }
}
