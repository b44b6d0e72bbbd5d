//! Timers: most of them are dropped before they fire.
#![forbid(unsafe_code)]

use super::job::{Answer, Job};
use super::runtime::{run, runtime};
use std::time::{Duration, Instant};

/// A timeout that is made and never waited for.
pub fn sleep_create_drop(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        for _ in 0..ops {
            drop(std::hint::black_box(tokio::time::sleep(
                Duration::from_secs(1),
            )));
        }
    });
}

/// A timeout around something that is ready at the second poll: the usual case in a server.
pub fn sleep_register_drop(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        for round in 0..ops {
            {
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                let mut sleep = std::pin::pin!(tokio::time::sleep(Duration::from_secs(1)));
                assert!(sleep.as_mut().poll(&mut cx).is_pending());
            }
            // The polls above spend the task's budget.
            if round % 100 == 99 {
                tokio::task::yield_now().await;
            }
        }
    });
}

#[cfg(feature = "paused")]
pub fn paused_sleep(job: &Job) {
    paused(
        job,
        tokio::runtime::Builder::new_current_thread().enable_time(),
    );
}

#[cfg(feature = "paused")]
pub fn paused_sleep_io(job: &Job) {
    paused(
        job,
        tokio::runtime::Builder::new_current_thread().enable_all(),
    );
}

/// A stopped clock that moves by itself, from timer to timer.
#[cfg(feature = "paused")]
fn paused(job: &Job, builder: &mut tokio::runtime::Builder) {
    let runtime = builder.start_paused(true).build().expect("it starts");
    runtime.block_on(async {
        for _ in 0..job.ops {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

/// A timeout around something that takes one more turn: the usual case in a server.
pub fn timeout(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        for _ in 0..ops {
            let work = tokio::task::yield_now();
            let done = tokio::time::timeout(Duration::from_secs(1), work).await;
            done.expect("a turn does not take a second");
        }
    });
}

/// How late a sleep of 1 ms ends, by a runtime that has nothing else to do.
pub fn lateness(job: &Job, answer: Answer) -> Answer {
    let ops = job.ops;
    let late = runtime(job).block_on(async move {
        let sleeper = tokio::spawn(async move {
            let mut late = Vec::new();
            for _ in 0..ops {
                let start = Instant::now();
                tokio::time::sleep(Duration::from_millis(1)).await;
                let over = start.elapsed().checked_sub(Duration::from_millis(1));
                late.push(over.expect("a sleep is not early").as_nanos() as u64);
            }
            late
        });
        sleeper.await.expect("no panic")
    });
    answer.latencies(late)
}
