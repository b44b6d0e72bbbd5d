//! Some of the rows on compio, in its own API: a thread per core, no tasks that are `Send`.
#![forbid(unsafe_code)]

mod turn;

#[path = "../job.rs"]
mod job;
#[path = "../run.rs"]
mod run;
#[path = "../usage.rs"]
#[expect(dead_code, reason = "no row here is about memory")]
mod usage;

use compio::io::{AsyncReadAtExt, AsyncReadExt, AsyncWriteExt};
use job::{Answer, Job};
use run::Work::{self, Findings, Ops, Serve};
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

const ROWS: &[(&str, Work)] = &[
    ("serve_echo", Serve(echo)),
    ("hot_read", Ops(hot_read)),
    ("spawn_join", Ops(spawn_join)),
    ("lone_yield", Ops(lone_yield)),
    ("sleep_register_drop", Ops(sleep_register_drop)),
    ("lateness", Findings(lateness)),
];

fn main() -> ExitCode {
    run::main(std::any::type_name::<compio::runtime::Runtime>(), ROWS)
}

/// A runtime, and the work as a task of it.
fn block_on<F: Future<Output: 'static> + 'static>(work: F) -> F::Output {
    let runtime = compio::runtime::Runtime::new().expect("the runtime starts");
    let done = runtime.block_on(async { compio::runtime::spawn(work).await });
    done.expect("the work does not panic")
}

fn echo(job: &Job, answer: Answer) {
    let size = job.size;
    block_on(async move {
        let listener = compio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        run::announce(answer, listener.local_addr().expect("it is bound").port());
        loop {
            let (mut stream, _) = listener.accept().await.expect("descriptors are left");
            stream.set_nodelay(true).expect("a TCP option");
            compio::runtime::spawn(async move {
                let mut buffer = Vec::with_capacity(size);
                loop {
                    let compio::BufResult(read, filled) = stream.read_exact(buffer).await;
                    if read.is_err() {
                        return;
                    }
                    let compio::BufResult(written, sent) = stream.write_all(filled).await;
                    if written.is_err() {
                        return;
                    }
                    buffer = sent;
                    buffer.clear();
                }
            })
            .detach();
        }
    });
}

/// Reads the same 4 KiB from the page cache over and over.
fn hot_read(job: &Job) {
    let (ops, path) = (job.ops, job.file("hot"));
    block_on(async move {
        let file = compio::fs::File::open(path)
            .await
            .expect("the file is there");
        let mut buffer = Vec::with_capacity(4096);
        for _ in 0..ops {
            let compio::BufResult(read, filled) = file.read_exact_at(buffer, 0).await;
            read.expect("4 KiB are there");
            assert_eq!((filled.len(), filled[4095]), (4096, 0xA5));
            buffer = filled;
            buffer.clear();
        }
    });
}

fn spawn_join(job: &Job) {
    let ops = job.ops;
    block_on(async move {
        for i in 0..ops {
            let task = compio::runtime::spawn(async move { i });
            assert_eq!(task.await.expect("no panic"), i);
        }
    });
}

fn lone_yield(job: &Job) {
    let ops = job.ops;
    block_on(async move {
        for _ in 0..ops {
            turn::yield_now().await;
        }
    });
}

fn sleep_register_drop(job: &Job) {
    let ops = job.ops;
    block_on(async move {
        for _ in 0..ops {
            let mut cx = Context::from_waker(Waker::noop());
            let mut sleep = pin!(compio::time::sleep(Duration::from_secs(1)));
            assert!(sleep.as_mut().poll(&mut cx).is_pending());
        }
    });
}

/// How late a sleep of 1 ms ends, by a runtime that has nothing else to do.
fn lateness(job: &Job, answer: Answer) -> Answer {
    let ops = job.ops;
    let late = block_on(async move {
        let mut late = Vec::new();
        for _ in 0..ops {
            let start = Instant::now();
            compio::time::sleep(Duration::from_millis(1)).await;
            let over = start.elapsed().saturating_sub(Duration::from_millis(1));
            late.push(over.as_nanos() as u64);
        }
        late
    });
    answer.latencies(late)
}
