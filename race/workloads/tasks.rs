//! Tasks, and what it takes to have a runtime.
#![forbid(unsafe_code)]

use super::job::{Answer, Job};
use super::runtime::{run, runtime};
use super::usage::resident;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

pub fn spawn_join(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        for i in 0..ops {
            assert_eq!(tokio::spawn(async move { i }).await.expect("no panic"), i);
        }
    });
}

/// Tasks that need not be `Send`.
pub fn local_set(job: &Job) {
    let ops = job.ops;
    runtime(job).block_on(tokio::task::LocalSet::new().run_until(async move {
        for i in 0..ops {
            let i = std::rc::Rc::new(i);
            let task = tokio::task::spawn_local({
                let i = i.clone();
                async move { *i }
            });
            assert_eq!(task.await.expect("no panic"), *i);
        }
    }));
}

/// Sets of a hundred tasks.
pub fn join_set(job: &Job) {
    let rounds = job.ops / 100;
    run(job, async move {
        for _ in 0..rounds {
            let mut set = tokio::task::JoinSet::new();
            for i in 0..100 {
                set.spawn(async move { i });
            }
            let mut sum = 0;
            while let Some(i) = set.join_next().await {
                sum += i.expect("no panic");
            }
            assert_eq!(sum, 4950);
        }
    });
}

pub fn lone_yield(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        for _ in 0..ops {
            tokio::task::yield_now().await;
        }
    });
}

/// Two hundred tasks that know nothing of each other.
pub fn yield_many(job: &Job) {
    let each = job.ops / 200;
    run(job, async move {
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                tokio::spawn(async move {
                    for _ in 0..each {
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    });
}

pub fn fan_out_short(job: &Job) {
    fan_out(job, 1);
}

pub fn fan_out_long(job: &Job) {
    fan_out(job, 20);
}

/// Computing that is dealt out to sixteen tasks at a time, `micros` microseconds to each.
fn fan_out(job: &Job, micros: u64) {
    let rounds = job.ops / 16;
    run(job, async move {
        let work = std::time::Duration::from_micros(micros);
        for _ in 0..rounds {
            let tasks = [(); 16].map(|()| {
                tokio::spawn(async move {
                    let start = std::time::Instant::now();
                    while start.elapsed() < work {
                        std::hint::spin_loop();
                    }
                })
            });
            for task in tasks {
                task.await.expect("no panic");
            }
        }
    });
}

pub fn empty_block_on(job: &Job) {
    let runtime = runtime(job);
    for i in 0..job.ops {
        assert_eq!(runtime.block_on(async { std::hint::black_box(i) }), i);
    }
}

/// Starts a program and waits for its end.
pub fn child(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        for _ in 0..ops {
            let status = tokio::process::Command::new("/bin/true").status().await;
            assert!(status.expect("it runs").success());
        }
    });
}

/// A runtime that is built, does one thing and goes.
pub fn start_stop(job: &Job) {
    for i in 0..job.ops {
        let runtime = runtime(job);
        let answer = runtime.block_on(async move { tokio::spawn(async move { i }).await });
        assert_eq!(answer.expect("no panic"), i);
    }
}

/// Memory of a task that waits, in bytes: `ops` of them are there at once.
pub fn task_memory(job: &Job, answer: Answer) -> Answer {
    let ops = job.ops;
    let runtime = runtime(job);
    let bytes = runtime.block_on(async move {
        let (end, waiting) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::with_capacity(ops as usize);
        let before = resident();
        for i in 0..ops {
            let (end, waiting) = (end.clone(), waiting.clone());
            tasks.push(tokio::spawn(async move {
                // Relaxed: it counts, and orders nothing else.
                waiting.fetch_add(1, Ordering::Relaxed);
                end.acquire().await.expect("it is open").forget();
                i
            }));
        }
        while waiting.load(Ordering::Relaxed) < ops {
            tokio::task::yield_now().await;
        }
        let bytes = resident() - before;
        end.add_permits(ops as usize);
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("no panic");
        }
        assert_eq!(sum, ops * (ops - 1) / 2);
        bytes
    });
    answer.number("bytes_per_op", bytes as f64 / ops as f64)
}
