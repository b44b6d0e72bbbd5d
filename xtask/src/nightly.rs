//! `cargo xtask nightly`: what takes too long for every change.
//!
//! More seeds of the simulated kernel, longer orders of the task's machine, more preemptions in the
//! models, the tests of the file system, the pipe and the channels against their models with more
//! cases, more random programs beside Tokio's order, Tokio's own tests three times in a row, and
//! once under `tokio_unstable` and once on the simulated machine, ten minutes of work in which
//! nobody is called stalled, every row of the race, the whole of Miri and the sanitizers.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// A name, arguments of cargo, and the environment.
type Step = (
    &'static str,
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
);

const STEPS: &[Step] = &[
    (
        "simulated kernel, 20,000 seeds",
        &["test", "--release", "-p", "yamanote", "--lib", "simulation"],
        &[("YAMANOTE_SEEDS", "20000")],
    ),
    (
        "every order of six steps of a task",
        &[
            "test",
            "--release",
            "-p",
            "yamanote",
            "--lib",
            "every_order_of_a_few_steps",
        ],
        &[("YAMANOTE_STEPS", "6")],
    ),
    (
        "wheel and pipe against their models, 50,000 cases",
        &[
            "test",
            "--release",
            "-p",
            "yamanote",
            "--lib",
            "--test",
            "mem_model",
            "--",
            "equals_a_sorted_map",
            "behaves_as_a_bounded_queue",
        ],
        &[("PROPTEST_CASES", "50000")],
    ),
    (
        "files against std, 2,000 cases",
        &[
            "test",
            "--release",
            "-p",
            "yamanote",
            "--test",
            "fs_against_std",
        ],
        &[("PROPTEST_CASES", "2000")],
    ),
    (
        "semaphore and channels against their models, 20,000 cases",
        &[
            "test",
            "--release",
            "-p",
            "yamanote",
            "--lib",
            "--test",
            "sync_broadcast",
            "--test",
            "sync_notify_model",
            "--",
            "it_does_what_a_naive_one_does",
            "it_is_a_queue",
            "as_the_naive_version",
        ],
        &[("PROPTEST_CASES", "20000")],
    ),
    // Eight runtimes, each with so many.
    (
        "relays by the kernel beside plain ones, 10,000 cases",
        &[
            "test",
            "--release",
            "-p",
            "yamanote",
            "--test",
            "kernel_copy_random",
        ],
        &[("PROPTEST_CASES", "1250")],
    ),
    (
        "copies of files by the kernel beside plain ones, 10,000 cases",
        &[
            "test",
            "--release",
            "-p",
            "yamanote",
            "--test",
            "copy_random",
        ],
        &[("PROPTEST_CASES", "1250")],
    ),
    (
        "every test as an unkind parent would start it",
        &["xtask", "test", "--hostile"],
        &[],
    ),
    (
        "the runtime as a 32-bit program",
        &[
            "test",
            "--target",
            "i686-unknown-linux-gnu",
            "-p",
            "yamanote",
            "--no-fail-fast",
        ],
        &[],
    ),
    // Without optimization, the tiny polls of one of them are not tiny.
    (
        "stuck workers, optimized",
        &["test", "--release", "-p", "yamanote", "--test", "hog"],
        &[],
    ),
    (
        "no false stall in ten minutes of echo and files",
        &[
            "test",
            "--release",
            "-p",
            "yamanote",
            "--test",
            "stalls",
            "nobody_who_only_works",
            "--",
            "--test-threads=8",
        ],
        &[
            ("YAMANOTE_STALL_SECONDS", "600"),
            ("YAMANOTE_TEST_LIMIT", "1200"),
        ],
    ),
    (
        "every system call fails, at every time",
        &["test", "-p", "yamanote", "--test", "syscall_injection"],
        &[("YAMANOTE_INJECTIONS", "all")],
    ),
    (
        "Tokio's own tests, three times",
        &["xtask", "conformance", "--runs", "3", "--explained"],
        &[],
    ),
    (
        "Tokio's own tests under tokio_unstable",
        &["xtask", "conformance", "--unstable", "--explained"],
        &[],
    ),
    ("planted bugs", &["xtask", "mutants"], &[]),
    (
        "the order of 200,000 random programs",
        &["xtask", "order", "--programs", "200000", "--seed", "100000"],
        &[],
    ),
    (
        "every row of the race, once, with its answers",
        &[
            "run",
            "--release",
            "--quiet",
            "--",
            "race",
            "--peers",
            "--pairs",
            "1",
            "--scale",
            "0.1",
        ],
        &[],
    ),
    (
        "models with three preemptions",
        &["xtask", "loom"],
        &[("LOOM_MAX_PREEMPTIONS", "3")],
    ),
    (
        "the runtime on the simulated machine, 1,000 seeds, each twice",
        &[
            "test",
            "--release",
            "-p",
            "yamanote",
            "--features",
            "sim",
            "--test",
            "sim_runtime",
            "--test",
            "sim_network",
            "--test",
            "sim_files",
            "--test",
            "sim_descriptors",
        ],
        &[("YAMANOTE_SIM_SEEDS", "1000"), ("YAMANOTE_SIM_CHECK", "1")],
    ),
    (
        "Tokio's own tests on the simulated machine",
        &[
            "xtask",
            "conformance",
            "--driver",
            "sim",
            "--explained",
            "--suite",
            "tokio",
        ],
        &[],
    ),
    ("Miri", &["xtask", "miri", "--whole"], &[]),
    ("AddressSanitizer", &["xtask", "sanitize", "address"], &[]),
    ("ThreadSanitizer", &["xtask", "sanitize", "thread"], &[]),
];

pub fn run(root: &Path) -> ExitCode {
    let mut failed = Vec::new();
    for (number, (name, args, environment)) in STEPS.iter().enumerate() {
        println!("\n=== {} of {}: {name}", number + 1, STEPS.len());
        let started = Instant::now();
        let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(root)
            .args(*args)
            .envs(environment.iter().copied())
            .status()
            .expect("cargo can be started");
        println!("=== {name}: {status}, {} s", started.elapsed().as_secs());
        if !status.success() {
            failed.push(*name);
        }
    }
    match failed.as_slice() {
        [] => {
            println!("\nnightly: all {} steps passed", STEPS.len());
            ExitCode::SUCCESS
        }
        failed => {
            println!("\nnightly: failed: {}", failed.join("; "));
            ExitCode::FAILURE
        }
    }
}
