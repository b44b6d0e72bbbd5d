//! How simulated runs fail, and what is said of it. The tests that fail are ignored, and are run by
//! the others, in processes of their own.
#![cfg(feature = "sim")]
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yamanote::io::AsyncWriteExt;
use yamanote::net::{TcpListener, TcpStream};
use yamanote::sim::{self, Sim};
use yamanote::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sim_failures")
}

fn run(test: &str, variables: &[(&str, &str)]) -> (Output, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]);
    command
        .env("YAMANOTE_SIM_DIR", directory())
        .env("RUST_BACKTRACE", "0");
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

#[track_caller]
fn fails(test: &str, variables: &[(&str, &str)], words: &[&str]) -> String {
    let (output, text) = run(test, variables);
    assert!(!output.status.success(), "{output:?}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
    text
}

#[sim::test(seeds = 50)]
#[ignore = "it fails: another test runs it"]
async fn two_locks(sim: Sim) {
    let (a, b) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
    let run = sim.host("h").worker_threads(2).start(move || {
        let (a, b) = (a.clone(), b.clone());
        async move {
            let pair = |first: Arc<Mutex<()>>, second: Arc<Mutex<()>>| {
                yamanote::task::spawn_blocking(move || {
                    let _first = first.lock();
                    std::thread::yield_now();
                    let _second = second.lock();
                })
            };
            let (one, other) = (pair(a.clone(), b.clone()), pair(b, a));
            one.await.unwrap();
            other.await.unwrap();
        }
    });
    run.await.unwrap();
}

#[test]
fn a_deadlock_is_found() {
    fails(
        "two_locks",
        &[],
        &["deadlock: nobody can run, and nothing is due", "host \"h\""],
    );
}

#[sim::test(seeds = 1, real_limit = 10)]
#[ignore = "it fails: another test runs it"]
async fn endless_poll(sim: Sim) {
    let run = sim.host("h").start(|| async {
        let task = yamanote::spawn(async {
            loop {
                std::hint::spin_loop();
            }
        });
        task.await.unwrap()
    });
    run.await.unwrap();
}

#[sim::test(seeds = 1, real_limit = 5)]
#[ignore = "it fails: another test runs it"]
async fn long_run(sim: Sim) {
    loop {
        sim.sleep(Duration::from_micros(1)).await;
    }
}

#[sim::test(seeds = 3, limit = 100)]
#[ignore = "it fails: another test runs it"]
async fn late_run(sim: Sim) {
    loop {
        sim.sleep(SECOND).await;
    }
}

#[test]
fn a_run_that_takes_too_long_is_ended() {
    fails(
        "long_run",
        &[],
        &["the run takes longer than 5 s of real time"],
    );
    fails(
        "late_run",
        &[],
        &["the run takes longer than 100s of virtual time"],
    );
}

#[test]
fn a_poll_that_never_ends_is_found() {
    fails(
        "endless_poll",
        &[],
        &[
            "a thread has neither waited nor let others run",
            "host \"h\", thread ",
            "the last task that it polled was spawned at crates/yamanote/tests/sim_failures.rs:",
        ],
    );
}

/// A frame for each number.
fn deep(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    match room[depth as usize % 64] {
        u64::MAX => 0,
        _ => deep(depth + 1) + room[1],
    }
}

#[sim::test(seeds = 1)]
#[ignore = "it fails: another test runs it"]
async fn an_endless_recursion(sim: Sim) {
    let run = sim.host("h").start(|| async {
        sleep(SECOND).await;
        yamanote::task::spawn_blocking(|| deep(0)).await.unwrap()
    });
    let _ = run.await;
    // `std` is not as it was: no thread could begin.
    sim.host("other").run(async {}).await.unwrap();
}

#[test]
fn a_stack_that_overflows_ends_the_run() {
    fails(
        "an_endless_recursion",
        &[],
        &[
            "seed 0 fails: a stack has overflowed",
            "host \"h\", thread ",
            "has overflowed its stack",
        ],
    );
}

#[sim::test(seeds = 1)]
#[ignore = "it fails: another test runs it"]
async fn an_exit(sim: Sim) {
    sim.sleep(SECOND).await;
    std::process::exit(3)
}

#[test]
fn an_experiment_that_leaves_the_process_is_found() {
    fails(
        "an_exit",
        &[],
        &["the experiment has left the process, with code 3"],
    );
}

#[test]
#[ignore = "it fails: another test runs it"]
fn an_older_thread() {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        std::thread::sleep(SECOND);
        let _ = sender.send(());
    });
    let runtime = yamanote::runtime::Builder::new_current_thread().build();
    runtime
        .unwrap()
        .block_on(async { receiver.recv() })
        .unwrap();
}

/// In a program that is simulated without knowing it.
#[test]
fn a_wait_for_an_older_thread_is_explained() {
    let (output, _) = run("an_older_thread", &[("YAMANOTE_DRIVER", "sim")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{text}");
    for words in ["deadlock: ", "threads that are older are outside of it"] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
}

#[sim::test(seeds = 1)]
#[ignore = "it fails: another test runs it"]
async fn a_stuck_sender(sim: Sim) {
    sim.host("reader").start(|| async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        let _stream = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    sim.sleep(SECOND).await;
    let run = sim.host("writer").start(|| async {
        let mut stream = TcpStream::connect("reader:80").await.unwrap();
        loop {
            stream.write_all(&[1; 10_000]).await.unwrap();
        }
    });
    run.await.unwrap();
}

/// The machine asks for ever whether there is room, and nobody will ever run.
#[test]
fn a_sender_that_is_stuck_is_a_deadlock() {
    fails(
        "a_stuck_sender",
        &[],
        &[
            "deadlock: nobody can run. For ",
            "host \"writer\", connection ",
            " bytes that the peer has not taken",
        ],
    );
}

#[sim::test(seeds = 200)]
#[ignore = "it fails: another test runs it"]
async fn a_rare_panic(sim: Sim) {
    let run = sim.host("h").start(|| async {
        let (sender, mut receiver) = yamanote::sync::mpsc::channel(8);
        for n in 0..4 {
            let sender = sender.clone();
            yamanote::spawn(async move { sender.send(n).await });
        }
        sim::note("before=it");
        let first = receiver.recv().await.unwrap();
        sim::sometimes!(first == 9, "a nine");
        sim::sometimes!(first == 1, "a one");
        assert_ne!(first, 2, "the second overtakes");
    });
    run.await.unwrap();
}

#[test]
fn a_failing_seed_is_named_and_repeats() {
    let words = [
        "the second overtakes",
        "never seen: \"a nine\"",
        "again: ",
        "before=it",
    ];
    let text = fails("a_rare_panic", &[], &words);
    assert!(
        !text.contains("\"a one\"") && !text.contains("not the same"),
        "{text}"
    );
    let fact = |text: &str, from: &str| {
        let rest = text
            .split_once(from)
            .unwrap_or_else(|| panic!("{from:?}: {text}"))
            .1;
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let seed = fact(&text, "\nseed ");
    let trace = fact(&text, "events, trace ");
    let words = ["the second overtakes"];
    let again = fails("a_rare_panic", &[("YAMANOTE_SIM_SEED", &seed)], &words);
    assert_eq!(fact(&again, "events, trace "), trace);
    for end in ["txt", "jsonl", "html"] {
        let file = directory().join(format!("a_rare_panic-{seed}.{end}"));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.contains("before=it") && text.contains("overtakes"),
            "{file:?}"
        );
    }
}

/// What no simulation sees.
fn real_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

#[sim::test(seeds = 3)]
#[ignore = "it fails if it is checked: another test runs it"]
async fn a_leak_of_real_time(sim: Sim) {
    let run = sim.host("h").start(|| async {
        let time = real_time();
        sleep(Duration::from_nanos(time % 1_000_000)).await;
        sim::note("slept");
    });
    run.await.unwrap();
}

#[test]
fn a_run_that_is_not_like_the_other_is_found() {
    let (output, text) = run("a_leak_of_real_time", &[]);
    assert!(output.status.success(), "{text}");
    let check = [("YAMANOTE_SIM_CHECK", "1")];
    fails(
        "a_leak_of_real_time",
        &check,
        &["not deterministic: event ", "and of another run"],
    );
}

#[test]
fn more_seeds_can_be_asked_for_and_all_that_fail_are_named() {
    let variables = [
        ("YAMANOTE_SIM_SEEDS", "60"),
        ("YAMANOTE_SIM_KEEP_GOING", "1"),
    ];
    fails(
        "a_rare_panic",
        &variables,
        &["a_rare_panic: 60 runs", " failed: seeds "],
    );
}

/// A bit of everything, under the eyes of the check.
#[sim::test(seeds = 200)]
#[ignore = "another test runs it, with other settings"]
async fn a_bit_of_everything(sim: Sim) {
    let host = sim.host("h").worker_threads(4);
    let run = host.start(|| async {
        let map: std::collections::HashMap<u32, u32> = (0..50).map(|n| (n, n)).collect();
        let mut tasks = yamanote::task::JoinSet::new();
        for (n, _) in map {
            tasks.spawn(async move {
                sleep(Duration::from_micros(u64::from(n % 7))).await;
                yamanote::task::spawn_blocking(std::thread::yield_now)
                    .await
                    .unwrap();
                n
            });
        }
        while let Some(n) = tasks.join_next().await {
            sim::note(&n.unwrap().to_string());
        }
    });
    sim.sleep(Duration::from_micros(5)).await;
    host.crash();
    host.restart().await;
    run.await.unwrap();
}

#[test]
fn two_hundred_seeds_are_alike_when_they_are_run_twice() {
    let check = [("YAMANOTE_SIM_CHECK", "1")];
    let (output, text) = run("a_bit_of_everything", &check);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("a_bit_of_everything: 200 runs"), "{text}");
    let here = [("YAMANOTE_SIM_SEED", "3"), ("YAMANOTE_SIM_HERE", "1")];
    let (output, _) = run("a_bit_of_everything", &here);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(printed.contains("crash"), "{printed}");
}
