//! Builds the tests of the planted tree and runs them, with each bug and without.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::SWITCH;
use super::catalogue::Mutant;

/// A test without a bug takes less.
const PATIENCE: Duration = Duration::from_secs(300);

/// By `lib`, `loom`, or the name of an integration test.
type Binaries = BTreeMap<String, PathBuf>;

/// What was built.
pub struct Tests {
    binaries: Binaries,
    /// The directory they run in, as with Cargo. What a test writes down when it fails stays there.
    package: PathBuf,
}

/// How a test ended beside a bug, and after how long.
pub enum Outcome {
    Failed(Duration),
    Hung(Duration),
    Survived(Duration),
}

impl Outcome {
    pub fn took(&self) -> Duration {
        let (Outcome::Failed(took) | Outcome::Hung(took) | Outcome::Survived(took)) = self;
        *took
    }
}

/// Builds what the bugs' tests need.
pub fn build(root: &Path, tree: &Path, mutants: &[Mutant]) -> Result<Tests, String> {
    let tests: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.test.as_str()).collect();
    let mut binaries = Binaries::new();
    let mut plain = Vec::new();
    for test in tests {
        match test {
            "loom" => {
                let target = root.join("target/mutants/loom");
                let args = ["--release", "--lib"].map(str::to_owned);
                let built = cargo(tree, &target, &args, Some("--cfg loom"))?;
                binaries.extend(built.into_values().map(|path| ("loom".to_owned(), path)));
            }
            "lib" => plain.push("--lib".to_owned()),
            name => plain.extend(["--test".to_owned(), name.to_owned()]),
        }
    }
    if !plain.is_empty() {
        let target = root.join("target/mutants/plain");
        binaries.extend(cargo(tree, &target, &plain, None)?);
    }
    Ok(Tests {
        binaries,
        package: tree.join("crates/yamanote"),
    })
}

fn cargo(
    tree: &Path,
    target: &Path,
    args: &[String],
    flags: Option<&str>,
) -> Result<Binaries, String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(tree)
        .args(["test", "--no-run", "--package", "yamanote"])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(target)
        .args(args);
    if let Some(flags) = flags {
        command.env("RUSTFLAGS", flags);
    }
    let output = output(&mut command)?;
    let mut binaries = Binaries::new();
    for line in output.lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        let Some(path) = message["executable"].as_str() else {
            continue;
        };
        let is_library = message["target"]["kind"][0] == "lib";
        let name = match (is_library, message["target"]["name"].as_str()) {
            (true, _) => "lib",
            (false, Some(name)) => name,
            (false, None) => continue,
        };
        binaries.insert(name.to_owned(), PathBuf::from(path));
    }
    Ok(binaries)
}

/// Runs cargo; returns its standard output.
fn output(command: &mut Command) -> Result<String, String> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    let mut output = String::new();
    let mut stdout = child.stdout.take().expect("piped");
    let read = stdout.read_to_string(&mut output);
    let status = child.wait().map_err(|error| error.to_string())?;
    match (read, status.success()) {
        (Ok(_), true) => Ok(output),
        _ => Err("the planted tree does not build".to_owned()),
    }
}

/// Every test passes without its bug: otherwise its failure says nothing.
pub fn check_without(tests: &Tests, mutants: &[Mutant]) -> Result<(), String> {
    let runs: BTreeSet<_> = mutants.iter().map(|m| (&m.test, &m.run)).collect();
    let runs: Vec<_> = runs.into_iter().collect();
    let results = in_parallel("without bugs", &runs, |(test, run)| {
        tests.attempt(test, run, None, PATIENCE)
    });
    for ((test, run), attempt) in runs.iter().zip(results) {
        let passed = attempt.status.is_some_and(|status| status.success());
        if !passed || !attempt.ran_something() {
            let text = attempt.text;
            return Err(format!("{test} {run} does not pass without a bug\n{text}"));
        }
    }
    Ok(())
}

pub fn run_all(tests: &Tests, mutants: &[Mutant]) -> Vec<Outcome> {
    in_parallel("with one bug each", mutants, |mutant| {
        let Mutant { name, limit, .. } = mutant;
        let attempt = tests.attempt(&mutant.test, &mutant.run, Some(name), *limit);
        match attempt.status {
            None => Outcome::Hung(attempt.took),
            Some(status) if status.success() => Outcome::Survived(attempt.took),
            Some(_) => Outcome::Failed(attempt.took),
        }
    })
}

/// As many at a time as there are processors.
fn in_parallel<T: Sync, R: Send>(
    what: &'static str,
    items: &[T],
    f: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {elapsed}");
    let bar = ProgressBar::new(items.len() as u64)
        .with_style(style.expect("the template is right"))
        .with_message(what);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, |many| many.get()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = f(item);
                    let mut results = results.lock().expect("nobody panics with it");
                    results.insert(index, result);
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish();
    let results = results.into_inner().expect("nobody panics with it");
    results.into_values().collect()
}

struct Attempt {
    /// `None`: it did not end.
    status: Option<ExitStatus>,
    text: String,
    took: Duration,
}

impl Attempt {
    fn ran_something(&self) -> bool {
        let result = self
            .text
            .lines()
            .find_map(|l| l.strip_prefix("test result: ok. "));
        result.is_some_and(|counts| !counts.starts_with("0 passed"))
    }
}

impl Tests {
    fn attempt(&self, test: &str, run: &str, bug: Option<&str>, limit: Duration) -> Attempt {
        let begun = Instant::now();
        let log = std::env::temp_dir().join(format!(
            "yamanote-mutant-{}-{:?}",
            std::process::id(),
            thread::current().id()
        ));
        let output = File::create(&log).expect("the directory for temporary files is writable");
        let errors = output.try_clone().expect("a descriptor can be had");
        let mut command = Command::new(&self.binaries[test]);
        command
            .args(run.split_whitespace())
            .current_dir(&self.package)
            .env_remove(SWITCH)
            .env("LOOM_MAX_PREEMPTIONS", "2")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // So that it can be ended with its children.
            .process_group(0);
        if let Some(bug) = bug {
            command.env(SWITCH, bug);
        }
        let mut child = command
            .spawn()
            .expect("a test that was built can be started");
        let status = loop {
            match child.try_wait().expect("it is our child") {
                Some(status) => break Some(status),
                None if begun.elapsed() > limit => break None,
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        if status.is_none() {
            let group = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = child.wait();
        }
        let took = begun.elapsed();
        let bytes = std::fs::read(&log).unwrap_or_default();
        let _ = std::fs::remove_file(&log);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Attempt { status, text, took }
    }
}
