//! `cargo xtask sanitize address|thread`: the workspace's tests, built with a sanitizer.
//!
//! AddressSanitizer finds accesses to freed memory and beyond its ends; LeakSanitizer, which comes
//! with it, finds what nothing points to at the end of a process; neither sees what the kernel
//! writes. ThreadSanitizer finds data races; the standard library is built with it, because
//! otherwise it knows nothing of what happens inside a channel or a lock of std.
//!
//! LeakSanitizer finds the stack of a thread by the kernel's number of it. Where the kernel has few
//! numbers and gives them again, as 32,768 by default on a small machine, it may find that of a
//! thread that has ended, and take for leaked what a live one has: of four runs of
//! `shutdown_races` on a busy machine four said so, and none with four million numbers.
//!
//! What a sanitizer cannot run is named in [`LEFT_OUT`], what it must keep silent about in the
//! files beside this one; both with the reason.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{process, test, toolchain};

pub const HELP: &str = "\
Runs the tests of the workspace under a sanitizer, on both drivers.

Usage: cargo xtask sanitize address|thread [OPTIONS]

  address             accesses out of bounds or after a free, and leaks
  thread              data races; not in the simulated machine, whose threads it does not know

  --only BINARY       only this test binary: `sync_notify`, or `yamanote` for the library's own tests
                      (may be repeated)
  --threads N         tests at a time (the number of CPUs)
  --no-run            only build
  --help              print this

Needs the nightly toolchain (thread: with rust-src); what is missing is installed with rustup.
Exit status 0: all tests passed and nothing was reported. 1: not so. 2: it could not be run.
";

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A test binary takes no more than a tenth of this.
const LIMIT: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sanitizer {
    Address,
    Thread,
}

use Sanitizer::{Address, Thread};

impl Sanitizer {
    fn name(self) -> &'static str {
        match self {
            Address => "address",
            Thread => "thread",
        }
    }

    fn components(self) -> &'static [&'static str] {
        match self {
            Address => &[],
            Thread => &["rust-src"],
        }
    }
}

/// Test binary (none: all), test, the sanitizers that do not run it, and why.
const LEFT_OUT: &[(&str, &str, &[Sanitizer], &str)] = &[
    (
        "syscall_injection",
        "any_call_may_begin_to_fail",
        &[Address, Thread],
        "the sanitizers make such calls themselves, and abort if one fails",
    ),
    (
        "faults",
        "what_nobody_handles_ends_the_process",
        &[Address],
        "the sanitizer handles it: it reports, and exits with a code",
    ),
    (
        "ends_process",
        "the_end_of_a_process_is_as_it_says",
        &[Address],
        "the sanitizer takes the signal of a stack overflow, which std would tell of",
    ),
];

#[derive(Debug)]
struct Options {
    sanitizer: Sanitizer,
    only: Vec<String>,
    threads: Option<String>,
    is_build_only: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options, String> {
        let mut args = args.iter();
        let sanitizer = match args.next().map(String::as_str) {
            Some("address") => Address,
            Some("thread") => Thread,
            _ => return Err("which one, address or thread?".to_owned()),
        };
        let mut options = Options {
            sanitizer,
            only: Vec::new(),
            threads: None,
            is_build_only: false,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} wants a value")).cloned();
            match arg.as_str() {
                "--only" => options.only.push(value()?),
                "--threads" => options.threads = Some(value()?),
                "--no-run" => options.is_build_only = true,
                other => return Err(format!("no such option: {other}")),
            }
        }
        Ok(options)
    }
}

pub fn run(root: &Path, args: &[String]) -> ExitCode {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(error) => {
            eprint!("cargo xtask sanitize: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let started = Instant::now();
    let built = toolchain::install(options.sanitizer.components())
        .and_then(|()| build(root, options.sanitizer))
        .and_then(|binaries| choose(binaries, &options.only));
    let binaries = match built {
        Ok(binaries) => binaries,
        Err(error) => {
            eprintln!("cargo xtask sanitize: {error}");
            return ExitCode::from(2);
        }
    };
    println!(
        "{} test binaries, built in {} s",
        binaries.len(),
        started.elapsed().as_secs()
    );
    match options.is_build_only {
        true => ExitCode::SUCCESS,
        false => run_all(root, &options, &binaries, started),
    }
}

/// A test binary.
#[derive(Debug)]
struct Binary {
    name: String,
    executable: PathBuf,
    /// The directory in which cargo would start it.
    package: PathBuf,
}

fn build(root: &Path, sanitizer: Sanitizer) -> Result<Vec<Binary>, String> {
    let name = sanitizer.name();
    let mut command = toolchain::cargo(root);
    command.args(["test", "--no-run"]);
    if sanitizer == Thread {
        command.arg("-Zbuild-std");
        // It starts threads of its own kind, in place of the C library's, and the sanitizer must
        // see how each thread begins. AddressSanitizer does not need that.
        command.args(["--exclude", "yamanote-sim"]);
    }
    let output = command
        .args(["--workspace", "--exclude", "xtask"])
        .args(["--exclude", "yamanote-macros", "--lib", "--bins", "--tests"])
        // With a target named, macros and build scripts are built without the flags.
        .args(["--target", TARGET])
        .args(["--target-dir", &format!("target/{name}")])
        .arg("--message-format=json-render-diagnostics")
        .env("RUSTFLAGS", format!("-Zsanitizer={name}"))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("rustup cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("the tests do not build with -Zsanitizer={name}"));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(messages.lines().filter_map(Binary::of_message).collect())
}

impl Binary {
    /// The test binary in a line in which cargo says what it has built.
    fn of_message(line: &str) -> Option<Binary> {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_test = message["profile"]["test"].as_bool()?;
        let manifest = Path::new(message["manifest_path"].as_str()?);
        is_test.then_some(Binary {
            name: message["target"]["name"].as_str()?.to_owned(),
            executable: message["executable"].as_str()?.into(),
            package: manifest.parent()?.to_owned(),
        })
    }

    fn command(&self, root: &Path, options: &Options) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.package);
        if let Some(threads) = &options.threads {
            command.args(["--test-threads", threads]);
        }
        for (_, test, ..) in self.left_out(options.sanitizer) {
            command.args(["--skip", test]);
        }
        let beside = root.join("xtask/src/sanitize");
        let suppressions = |file: &str| format!("suppressions={}", beside.join(file).display());
        command
            .env("CARGO_MANIFEST_DIR", &self.package)
            .env(
                "LSAN_OPTIONS",
                suppressions("leaks.txt") + ":print_suppressions=0",
            )
            .env(
                "TSAN_OPTIONS",
                // The children that tests fork start threads of their own, which works.
                suppressions("races.txt") + ":second_deadlock_stack=1:die_after_fork=0",
            )
            // A developer's override would make half of the matrix run on the wrong driver.
            .env_remove("YAMANOTE_DRIVER")
            .env_remove("ASAN_OPTIONS")
            .env_remove("RUST_BACKTRACE");
        command
    }

    fn left_out(
        &self,
        sanitizer: Sanitizer,
    ) -> impl Iterator<
        Item = &'static (
            &'static str,
            &'static str,
            &'static [Sanitizer],
            &'static str,
        ),
    > {
        LEFT_OUT.iter().filter(move |(binary, _, sanitizers, _)| {
            *binary == self.name && sanitizers.contains(&sanitizer)
        })
    }
}

fn choose(mut binaries: Vec<Binary>, only: &[String]) -> Result<Vec<Binary>, String> {
    for name in only {
        if !binaries.iter().any(|binary| binary.name == *name) {
            return Err(format!("there is no test binary {name}"));
        }
    }
    binaries.retain(|binary| only.is_empty() || only.contains(&binary.name));
    binaries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(binaries)
}

fn run_all(root: &Path, options: &Options, binaries: &[Binary], started: Instant) -> ExitCode {
    let scratch = root
        .join("target")
        .join(options.sanitizer.name())
        .join("output");
    let mut totals = test::Totals::default();
    let mut bad = Vec::new();
    for (place, binary) in binaries.iter().enumerate() {
        let since = Instant::now();
        let ended = process::run(&mut binary.command(root, options), &scratch, LIMIT)
            .expect("a test binary can be started and its output read");
        let mut counted = test::Totals::default();
        ended.output.lines().for_each(|line| counted.add(line));
        println!(
            "{:2} of {}  {:22} {counted}, {} s",
            place + 1,
            binaries.len(),
            binary.name,
            since.elapsed().as_secs(),
        );
        if !ended.status.is_some_and(|status| status.success()) {
            let how = ended.how();
            println!("--- {}: {how}\n{}---", binary.name, ended.output);
            bad.push(format!("{} ({how})", binary.name));
        }
        totals += counted;
    }
    let mut left_out = 0;
    for binary in binaries {
        for (_, test, _, why) in binary.left_out(options.sanitizer) {
            println!("left out: {}::{test}: {why}", binary.name);
            left_out += 1;
        }
    }
    println!(
        "\n{} sanitizer: {totals}, {left_out} left out, {} s; {}",
        options.sanitizer.name(),
        started.elapsed().as_secs(),
        match bad.is_empty() {
            true => "nothing was reported".to_owned(),
            false => format!("failed: {}", bad.join(", ")),
        }
    );
    if bad.is_empty() {
        return ExitCode::SUCCESS;
    }
    if options.sanitizer == Address && has_few_thread_numbers() {
        println!(
            "A leak of what a thread has may be none: the kernel has few numbers of threads. Try it \
             again with\n  sudo sysctl kernel.pid_max=4194304"
        );
    }
    ExitCode::FAILURE
}

fn has_few_thread_numbers() -> bool {
    let most = std::fs::read_to_string("/proc/sys/kernel/pid_max");
    most.is_ok_and(|most| most.trim().parse().is_ok_and(|most: u32| most < 1 << 20))
}
