//! `cargo xtask miri`: tests of the unsafe rooms, and of whole runtimes on epoll, interpreted.
//!
//! Miri watches every access: bounds, initialised bytes, aliasing (by Stacked Borrows and by Tree
//! Borrows, which find different faults), data races, and what is left unfreed at the end. It has
//! no io_uring and no files worth the name, so the ring is there through its simulated kernel,
//! which writes through the pointers it was given as the real one does.
//!
//! It is a few hundred times slower than the machine, and runs one thread at a time. The tests know
//! this (`cfg!(miri)`, `PROPTEST_CASES`) and do fewer rounds.
#![forbid(unsafe_code)]

mod groups;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::{process, toolchain};
use groups::{GROUPS, Group};

pub const HELP: &str = "\
Runs tests under Miri, which finds undefined behaviour, data races and leaks.

Usage: cargo xtask miri [OPTIONS]

  --quick             what every change must pass: the groups marked so, one model and one seed
                      each (the default)
  --whole             every group, by both models of aliasing, the short ones with many seeds
  --only GROUP        only this group (may be repeated)
  --model MODEL       stacked, tree or both (quick: stacked, but where a group says so; whole: both)
  --seeds N           so many schedules of each test (quick: 1; whole: as the group says)
  --jobs N            groups at a time (the number of CPUs)
  --list              name the groups and what they leave out, and stop
  --help              print this

Needs the nightly toolchain with miri and rust-src; what is missing is installed with rustup.
Exit status 0: nothing was found. 1: something was, or a group has no tests. 2: it could not be run.
";

/// No group takes a quarter of this alone; a loop that does not end is found.
const LIMIT: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    Stacked,
    Tree,
}

impl Model {
    fn name(self) -> &'static str {
        match self {
            Model::Stacked => "Stacked Borrows",
            Model::Tree => "Tree Borrows",
        }
    }
}

#[derive(Debug)]
struct Options {
    is_whole: bool,
    only: Vec<String>,
    models: Option<Vec<Model>>,
    seeds: Option<u32>,
    jobs: usize,
    is_list: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options, String> {
        let mut options = Options {
            is_whole: false,
            only: Vec::new(),
            models: None,
            seeds: None,
            jobs: thread::available_parallelism().map_or(1, usize::from),
            is_list: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} wants a value"));
            match arg.as_str() {
                "--quick" => options.is_whole = false,
                "--whole" => options.is_whole = true,
                "--list" => options.is_list = true,
                "--only" => {
                    let name = value()?;
                    if !GROUPS.iter().any(|group| group.name == name) {
                        return Err(format!("there is no group {name}; --list names them"));
                    }
                    options.only.push(name.clone());
                }
                "--model" => {
                    options.models = Some(match value()?.as_str() {
                        "stacked" => vec![Model::Stacked],
                        "tree" => vec![Model::Tree],
                        "both" => vec![Model::Stacked, Model::Tree],
                        other => return Err(format!("--model {other}: stacked, tree or both")),
                    });
                }
                "--seeds" => options.seeds = Some(positive(arg, value()?)?),
                "--jobs" => options.jobs = positive::<usize>(arg, value()?)?,
                other => return Err(format!("no such option: {other}")),
            }
        }
        Ok(options)
    }

    fn runs(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        for group in GROUPS {
            let is_named = self.only.iter().any(|name| name == group.name);
            if !(is_named || self.only.is_empty() && (self.is_whole || group.is_quick)) {
                continue;
            }
            let models = match &self.models {
                Some(models) => models.clone(),
                None if self.is_whole || group.is_quick_by_both => {
                    vec![Model::Stacked, Model::Tree]
                }
                None => vec![Model::Stacked],
            };
            let seeds = match self.seeds {
                Some(seeds) => seeds,
                None if self.is_whole => group.seeds,
                None => 1,
            };
            runs.extend(models.into_iter().map(|model| Run {
                group,
                model,
                seeds,
            }));
        }
        runs
    }
}

fn positive<N: std::str::FromStr + PartialOrd + From<u8>>(
    option: &str,
    text: &str,
) -> Result<N, String> {
    let number = text.parse::<N>().ok().filter(|n| *n >= N::from(1));
    number.ok_or(format!("{option} {text}: not a positive number"))
}

/// A group under one model.
#[derive(Debug, Clone, Copy)]
struct Run {
    group: &'static Group,
    model: Model,
    seeds: u32,
}

impl Run {
    fn name(&self) -> String {
        format!("{}, {}", self.group.name, self.model.name())
    }

    fn command(&self, root: &Path, is_whole: bool) -> Command {
        let mut command = cargo_miri(root, self.group.target);
        command
            .args(["--quiet", "--", "--test-threads=1"])
            .args(self.group.tests);
        for (test, _why) in self.group.left_out {
            command.args(["--skip", test]);
        }
        let mut flags = vec![
            "-Zmiri-env-forward=PROPTEST_CASES".to_owned(),
            // proptest looks for a file of known failures, and can do without.
            "-Zmiri-isolation-error=hide".to_owned(),
            // An SQE holds addresses as numbers.
            "-Zmiri-permissive-provenance".to_owned(),
        ];
        if self.model == Model::Tree {
            flags.push("-Zmiri-tree-borrows".to_owned());
        }
        if self.seeds > 1 {
            flags.push(format!("-Zmiri-many-seeds=0..{}", self.seeds));
        }
        if self.group.leaks_because.is_some() {
            flags.push("-Zmiri-ignore-leaks".to_owned());
        }
        command
            .env("MIRIFLAGS", flags.join(" "))
            .env("PROPTEST_CASES", if is_whole { "8" } else { "2" });
        command
    }
}

/// `cargo miri test` for one binary of the runtime's tests.
fn cargo_miri(root: &Path, target: &[&str]) -> Command {
    let mut command = toolchain::cargo(root);
    command
        .args(["miri", "test", "--no-fail-fast", "--package", "yamanote"])
        .args(["--target-dir", "target/miri"])
        .args(target)
        // Backtraces take Miri minutes.
        .env_remove("RUST_BACKTRACE")
        .env_remove("RUSTFLAGS")
        .env_remove("MIRIFLAGS");
    command
}

#[derive(Debug)]
struct Outcome {
    passed: u64,
    failed: u64,
    how: String,
    is_good: bool,
    took: Duration,
}

impl Outcome {
    fn of(ended: &process::Ended, took: Duration) -> Outcome {
        let (passed, failed) = count(&ended.output);
        Outcome {
            passed,
            failed,
            how: ended.how(),
            is_good: ended.status.is_some_and(|status| status.success()) && passed > 0,
            took,
        }
    }
}

/// Adds up lines like `test result: ok. 3 passed; 0 failed; ...`, one for each seed.
fn count(output: &str) -> (u64, u64) {
    let mut counts = (0, 0);
    for line in output.lines() {
        let Some(result) = line.strip_prefix("test result: ") else {
            continue;
        };
        for part in result.split(['.', ';']) {
            match part.trim().split_once(' ') {
                Some((n, "passed")) => counts.0 += n.parse().unwrap_or(0),
                Some((n, "failed")) => counts.1 += n.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    counts
}

pub fn run(root: &Path, args: &[String]) -> ExitCode {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(error) => {
            eprint!("cargo xtask miri: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if options.is_list {
        list();
        return ExitCode::SUCCESS;
    }
    let started = Instant::now();
    let runs = options.runs();
    if let Err(error) = toolchain::install(&["miri", "rust-src"]).and_then(|()| build(root, &runs))
    {
        eprintln!("cargo xtask miri: {error}");
        return ExitCode::from(2);
    }
    println!(
        "built in {} s; {} runs, {} at a time",
        started.elapsed().as_secs(),
        runs.len(),
        options.jobs
    );
    let outcomes = run_all(root, &options, &runs);
    summary(&runs, &outcomes, started.elapsed())
}

fn build(root: &Path, runs: &[Run]) -> Result<(), String> {
    let mut targets: Vec<&str> = Vec::new();
    for run in runs {
        if !targets.ends_with(run.group.target) {
            targets.extend(run.group.target);
        }
    }
    let status = cargo_miri(root, &targets)
        .arg("--no-run")
        .status()
        .map_err(|error| format!("rustup cannot be started: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err("the tests do not build for Miri".to_owned()),
    }
}

fn run_all(root: &Path, options: &Options, runs: &[Run]) -> Vec<Outcome> {
    let scratch = root.join("target/miri/outputs");
    std::fs::create_dir_all(&scratch).expect("the target directory is writable");
    let next = AtomicUsize::new(0);
    let ended = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for lane in 0..options.jobs.min(runs.len()) {
            let (next, ended, outcomes, scratch) = (&next, &ended, &outcomes, &scratch);
            scope.spawn(move || {
                loop {
                    let place = next.fetch_add(1, Relaxed);
                    let Some(run) = runs.get(place) else {
                        return;
                    };
                    let started = Instant::now();
                    let mut command = run.command(root, options.is_whole);
                    let output = scratch.join(format!("{}-{lane}", std::process::id()));
                    let result = process::run(&mut command, &output, LIMIT)
                        .expect("a process can be started and its output read");
                    let outcome = Outcome::of(&result, started.elapsed());
                    let mut outcomes = outcomes.lock().expect("no lane panics");
                    println!(
                        "{:2} of {}  {:38} {:4} passed, {} failed, {:4} s{}",
                        ended.fetch_add(1, Relaxed) + 1,
                        runs.len(),
                        run.name(),
                        outcome.passed,
                        outcome.failed,
                        outcome.took.as_secs(),
                        if outcome.is_good { "" } else { "  <- FAILED" },
                    );
                    if !outcome.is_good {
                        println!("--- {}: {}\n{}---", run.name(), outcome.how, result.output);
                    }
                    outcomes.push((place, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("no lane panics");
    outcomes.sort_by_key(|(place, _)| *place);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn summary(runs: &[Run], outcomes: &[Outcome], took: Duration) -> ExitCode {
    let passed: u64 = outcomes.iter().map(|outcome| outcome.passed).sum();
    let bad: Vec<String> = runs
        .iter()
        .zip(outcomes)
        .filter(|(_, outcome)| !outcome.is_good)
        .map(|(run, outcome)| format!("{} ({})", run.name(), outcome.how))
        .collect();
    println!(
        "\nmiri: {} runs of {passed} tests in {} s; {}",
        runs.len(),
        took.as_secs(),
        match bad.is_empty() {
            true => "nothing was found".to_owned(),
            false => format!("failed: {}", bad.join("; ")),
        }
    );
    match bad.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn list() {
    for group in GROUPS {
        println!(
            "{:14}{} {}; {} seeds in the whole",
            group.name,
            if group.is_quick { "(quick)" } else { "       " },
            group.what,
            group.seeds
        );
        for (test, why) in group.left_out {
            println!("{:22} without {test}: {why}", "");
        }
        if let Some(why) = group.leaks_because {
            println!("{:22} leaks are not looked for: {why}", "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_seeds_are_added_up() {
        let output = "test a ... ok\ntest result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\n\
                      test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured";
        assert_eq!(count(output), (5, 1));
    }

    #[test]
    fn quick_is_a_part_of_the_whole() {
        let quick = Options::parse(&[]).unwrap().runs();
        let whole = Options::parse(&["--whole".to_owned()]).unwrap().runs();
        assert_eq!(whole.len(), 2 * GROUPS.len());
        assert!(!quick.is_empty() && quick.len() < whole.len());
        assert!(quick.iter().all(|run| run.seeds == 1));
        let unknown = ["--only".to_owned(), "nothing".to_owned()];
        assert!(Options::parse(&unknown).is_err());
    }
}
