//! How many polls of others a task may wait for on a multi-thread runtime. The polls are counted;
//! no clock is asked. The order of a current-thread runtime is Tokio's, poll by poll (`rt_order`).
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use yamanote::runtime::worker_index;
use yamanote::sync::{Barrier, Notify};
use yamanote::task::{JoinHandle, yield_now};
use yamanote_test::{Setup, builder, matrix};

/// More than the ring of a worker's queue holds, four times over.
const TASKS: usize = 1_000;
const LAPS: usize = 30;
const LIMIT: Duration = Duration::from_secs(20);

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

    /// What another thread makes runnable is soon in line, however much of it there is and however
    /// busy the workers are; and then it waits for a lap of the others.
    fn what_comes_from_outside_waits_for_a_few_laps(setup: Setup) {
        let Some(workers) = setup.workers else {
            return;
        };
        let polls = Polls::new(workers);
        let [is_over, is_spawned] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let runtime = builder!(setup).build().unwrap();
        let busy: Vec<_> = (0..TASKS)
            .map(|_| {
                let (polls, metrics) = (polls.clone(), runtime.metrics());
                let (is_over, is_spawned) = (is_over.clone(), is_spawned.clone());
                runtime.spawn(async move {
                    while !is_over.load(SeqCst) {
                        polls.count();
                        if is_spawned.load(SeqCst) && metrics.global_queue_depth() > 0 {
                            polls.count_until_taken();
                        }
                        yield_now().await;
                    }
                })
            })
            .collect();
        while polls.all() < 2 * TASKS {
            std::thread::yield_now();
        }
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let polls = polls.clone();
                runtime.spawn(async move { polls.all() })
            })
            .collect();
        let spawned = polls.all();
        is_spawned.store(true, SeqCst);
        runtime.block_on(async {
            let mut longest = 0;
            for task in tasks {
                longest = longest.max(task.await.unwrap().saturating_sub(spawned));
            }
            is_over.store(true, SeqCst);
            for task in busy {
                task.await.unwrap();
            }
            // At every 127th poll at the latest a worker takes one and an equal part of the others.
            // Even if its siblings do not run meanwhile, these are not many times.
            let until_taken = polls.most_until_taken();
            let visits = 2 + workers * (2 + (TASKS / workers).ilog2() as usize);
            assert!(until_taken <= 127 * visits, "still there after {until_taken} polls");
            // Beside others the polls between have no bound: the worker may not run meanwhile.
            if workers == 1 {
                assert!(longest < 4 * TASKS, "one waited for {longest} polls of others");
            }
        });
    }

    /// A pair that wakes each other runs three times for each task that waits behind it.
    fn a_chain_of_wakes_lets_the_line_go_on(setup: Setup) {
        const YIELDING: usize = 300;
        if setup.workers != Some(1) {
            return;
        }
        let gaps = Gaps::default();
        let runtime = builder!(setup).build().unwrap();
        let beside = runtime.spawn(async move {
            let [to_there, to_here] = [(); 2].map(|()| Arc::new(Notify::new()));
            for (from, to) in [(to_here.clone(), to_there.clone()), (to_there.clone(), to_here)] {
                let gaps = gaps.clone();
                yamanote::spawn(async move {
                    loop {
                        from.notified().await;
                        gaps.count();
                        to.notify_one();
                    }
                });
            }
            to_there.notify_one();
            let yielding: Vec<_> = (0..YIELDING).map(|_| yield_often(gaps.clone())).collect();
            for task in yielding {
                task.await.unwrap();
            }
            // Beside those that yield there are the pair and this task.
            let (longest, all) = (gaps.longest(), gaps.all());
            assert!(longest <= 4 * (YIELDING + 3), "one waited for {longest} polls of others");
            assert!(all >= 3 * YIELDING * LAPS, "the pair is to be faster: {all} polls");
        });
        runtime.block_on(beside).unwrap();
    }

    /// A worker that looks at what comes from outside as often as it can runs its own tasks, too.
    fn a_stream_from_outside_lets_the_line_go_on(setup: Setup) {
        const YIELDING: usize = 10;
        const INJECTED: usize = 1_000;
        if setup.workers != Some(1) {
            return;
        }
        let runtime = builder!(setup).global_queue_interval(1).build().unwrap();
        let gaps = Gaps::default();
        let [wanted, spawned, begun] = [1, 0, 0].map(|count| Arc::new(AtomicUsize::new(count)));
        let yielding: Vec<_> = (0..YIELDING)
            .map(|_| {
                let (gaps, wanted, begun) = (gaps.clone(), wanted.clone(), begun.clone());
                runtime.spawn(async move {
                    begun.fetch_add(1, SeqCst);
                    let before = gaps.count();
                    gaps.yield_while(before, || wanted.load(SeqCst) <= INJECTED)
                        .await;
                })
            })
            .collect();
        while begun.load(SeqCst) < YIELDING {
            std::thread::yield_now();
        }
        for number in 0..INJECTED {
            while wanted.load(SeqCst) <= number {
                std::thread::yield_now();
            }
            let (gaps, wanted, spawned) = (gaps.clone(), wanted.clone(), spawned.clone());
            let new = spawned.clone();
            runtime.spawn(async move {
                gaps.count();
                // The next one is there before this poll ends.
                let next = wanted.fetch_add(1, SeqCst) + 1;
                while next <= INJECTED && spawned.load(SeqCst) < next {
                    std::thread::yield_now();
                }
            });
            new.store(number + 1, SeqCst);
        }
        runtime.block_on(async {
            for task in yielding {
                task.await.unwrap();
            }
        });
        let longest = gaps.longest();
        assert!(longest <= 8 * (2 * YIELDING + 1), "one waited for {longest} polls of others");
    }

    /// However long the line behind a stuck task, and however long those of its siblings.
    fn a_long_line_behind_a_stuck_task_is_taken_by_busy_siblings(setup: Setup) {
        let Some(2..) = setup.workers else {
            return;
        };
        let is_over = Arc::new(AtomicBool::new(false));
        let runtime = builder!(setup).build().unwrap();
        for _ in 0..4 * TASKS {
            let is_over = is_over.clone();
            runtime.spawn(async move {
                while !is_over.load(SeqCst) {
                    yield_now().await;
                }
            });
        }
        let ran = Arc::new(AtomicUsize::new(0));
        let stuck = runtime.spawn(async move {
            for _ in 0..TASKS {
                let ran = ran.clone();
                yamanote::spawn(async move { ran.fetch_add(1, SeqCst) });
            }
            let start = Instant::now();
            while ran.load(SeqCst) < TASKS {
                assert!(start.elapsed() < LIMIT, "{ran:?} tasks of {TASKS} were taken");
                std::thread::yield_now();
            }
        });
        let result = runtime.block_on(stuck);
        is_over.store(true, SeqCst);
        result.unwrap();
    }
}

/// How many polls lie between two of the same task.
#[derive(Clone, Default)]
struct Gaps(Arc<[AtomicUsize; 2]>);

impl Gaps {
    /// Counts a poll. Returns how many there were before.
    fn count(&self) -> usize {
        self.0[0].fetch_add(1, SeqCst)
    }

    fn all(&self) -> usize {
        self.0[0].load(SeqCst)
    }

    fn longest(&self) -> usize {
        self.0[1].load(SeqCst)
    }

    /// Yields after poll `before`, and notes the longest gap between two of its polls.
    async fn yield_while(&self, mut before: usize, mut goes_on: impl FnMut() -> bool) {
        while goes_on() {
            yield_now().await;
            let now = self.count();
            self.0[1].fetch_max(now - before, SeqCst);
            before = now;
        }
    }
}

/// A task that yields `LAPS` times.
fn yield_often(gaps: Gaps) -> JoinHandle<()> {
    yamanote::spawn(async move {
        let (before, mut laps) = (gaps.count(), 0..LAPS);
        gaps.yield_while(before, || laps.next().is_some()).await;
    })
}

/// Polls of busy tasks by worker: all, and those while something was in the injection queue.
#[derive(Clone)]
struct Polls(Arc<[[AtomicUsize; 2]]>);

impl Polls {
    fn new(workers: usize) -> Self {
        Polls((0..workers).map(|_| Default::default()).collect())
    }

    fn of_this_worker(&self) -> &[AtomicUsize; 2] {
        &self.0[worker_index().unwrap()]
    }

    fn count(&self) {
        self.of_this_worker()[0].fetch_add(1, SeqCst);
    }

    fn count_until_taken(&self) {
        self.of_this_worker()[1].fetch_add(1, SeqCst);
    }

    fn all(&self) -> usize {
        self.0.iter().map(|polls| polls[0].load(SeqCst)).sum()
    }

    fn most_until_taken(&self) -> usize {
        self.0
            .iter()
            .map(|polls| polls[1].load(SeqCst))
            .max()
            .unwrap()
    }
}
