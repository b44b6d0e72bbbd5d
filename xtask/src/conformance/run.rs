//! Runs every test of every binary, each in a process of its own, a few at a time.
//!
//! The order is test by test, with the real Tokio and the shim's drivers next to each other: what
//! else happens on the machine happens to all of them.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::build::{Built, FileId};
use super::options::Options;
use super::suites::Released;
use super::verdict::{Column, File, Outcome};
use crate::process;

/// One test of one binary, once.
struct Job {
    column: usize,
    file: FileId,
    test: String,
    binary: PathBuf,
}

/// Where tests are run, and what for.
pub struct Runner<'a> {
    pub released: &'a [Released],
    /// For the outputs, while tests run.
    pub scratch: PathBuf,
    pub options: &'a Options,
}

/// Some tests of some files.
pub type Tests = BTreeSet<(FileId, String)>;

/// A column to be filled: its name, and what was built for it.
pub struct Empty<'a> {
    pub name: &'static str,
    pub built: &'a Built,
}

impl Runner<'_> {
    /// All tests that are asked for.
    pub fn run(&self, columns: &[Empty<'_>]) -> Result<Vec<Column>, String> {
        let (filled, jobs) = self.plan(columns, self.options.runs, |_| true)?;
        self.fill(filled, &jobs, self.options.jobs)
    }

    /// These tests, `runs` times and one at a time.
    pub fn run_again(
        &self,
        columns: &[Empty<'_>],
        tests: &Tests,
        runs: usize,
    ) -> Result<Vec<Column>, String> {
        let has_some = |file: &FileId| tests.iter().any(|(of, _)| of == file);
        let (filled, mut jobs) = self.plan(columns, runs, has_some)?;
        jobs.retain(|job| tests.contains(&(job.file.clone(), job.test.clone())));
        self.fill(filled, &jobs, 1)
    }

    fn fill(
        &self,
        mut filled: Vec<Column>,
        jobs: &[Job],
        at_a_time: usize,
    ) -> Result<Vec<Column>, String> {
        let bar = ProgressBar::new(jobs.len() as u64).with_style(
            ProgressStyle::with_template("{bar:30} {pos} of {len} test runs, {eta} left, {msg}")
                .expect("the template is right"),
        );
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        let broken = Mutex::new(None);
        thread::scope(|scope| {
            for lane in 0..at_a_time.min(jobs.len()) {
                let (next, results, broken, bar, filled) =
                    (&next, &results, &broken, &bar, &filled);
                scope.spawn(move || {
                    while let Some(job) = jobs.get(next.fetch_add(1, Relaxed)) {
                        let started = Instant::now();
                        let (suite, file) = &job.file;
                        let name =
                            format!("{} {suite}::{file}::{}", filled[job.column].name, job.test);
                        bar.set_message(name.clone());
                        match self.one(job, filled[job.column].name, lane) {
                            Ok(outcome) => {
                                if self.options.verbose {
                                    let took = started.elapsed().as_secs_f64();
                                    bar.suspend(|| {
                                        println!("{} {took:7.2} s  {name}", word(&outcome));
                                    });
                                }
                                results.lock().expect("no lane panics").push((job, outcome));
                            }
                            Err(error) => *broken.lock().expect("no lane panics") = Some(error),
                        }
                        bar.inc(1);
                    }
                });
            }
        });
        bar.finish_and_clear();
        if let Some(error) = broken.into_inner().expect("no lane panics") {
            return Err(error);
        }
        for (job, outcome) in results.into_inner().expect("no lane panics") {
            let file = filled[job.column]
                .files
                .entry(job.file.clone())
                .or_default();
            file.tests
                .entry(job.test.clone())
                .or_default()
                .push(outcome);
        }
        Ok(filled)
    }

    /// What there is to run, run by run and test by test; and the columns, without outcomes.
    fn plan(
        &self,
        columns: &[Empty<'_>],
        runs: usize,
        wants_file: impl Fn(&FileId) -> bool,
    ) -> Result<(Vec<Column>, Vec<Job>), String> {
        std::fs::create_dir_all(&self.scratch)
            .map_err(|error| format!("{}: {error}", self.scratch.display()))?;
        let mut jobs = Vec::new();
        let mut filled = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let mut files = BTreeMap::new();
            for (id, built) in column.built.files.iter().filter(|(id, _)| wants_file(id)) {
                let mut file = File::default();
                match built {
                    Err(said) => file.refused = Some(said.clone()),
                    Ok(binary) => {
                        for test in self.list(id, binary, column.name)? {
                            jobs.extend((0..runs).map(|run| {
                                let (file, test) = (id.clone(), test.clone());
                                (
                                    run,
                                    Job {
                                        column: index,
                                        file,
                                        test,
                                        binary: binary.clone(),
                                    },
                                )
                            }));
                            file.tests.insert(test, Vec::new());
                        }
                    }
                }
                files.insert(id.clone(), file);
            }
            filled.push(Column {
                name: column.name,
                files,
            });
        }
        jobs.sort_by(|(run_a, a), (run_b, b)| {
            (run_a, &a.file, &a.test, a.column).cmp(&(run_b, &b.file, &b.test, b.column))
        });
        Ok((filled, jobs.into_iter().map(|(_, job)| job).collect()))
    }

    /// The tests a binary has and would run.
    fn list(&self, id: &FileId, binary: &Path, column: &str) -> Result<Vec<String>, String> {
        let list = |args: &[&str]| -> Result<Vec<String>, String> {
            let mut command = self.command(id, binary, column);
            command.args(["--list", "--format=terse"]).args(args);
            let output = self.scratch.join("list");
            let ended = process::run(&mut command, &output, self.options.timeout)
                .map_err(|error| format!("{}: {error}", binary.display()))?;
            match ended.status {
                Some(status) if status.success() => {
                    let names = ended
                        .output
                        .lines()
                        .filter_map(|line| line.strip_suffix(": test"));
                    Ok(names.map(str::to_owned).collect())
                }
                _ => Err(format!(
                    "{} does not list its tests ({}):\n{}",
                    binary.display(),
                    ended.how(),
                    ended.output
                )),
            }
        };
        let ignored = list(&["--ignored"])?;
        let mut tests = list(&[])?;
        tests.retain(|test| !ignored.contains(test) && self.options.wants_test(&id.1, test));
        Ok(tests)
    }

    fn one(&self, job: &Job, column: &str, lane: usize) -> Result<Outcome, String> {
        let mut command = self.command(&job.file, &job.binary, column);
        command.args([&job.test, "--exact", "--nocapture", "--test-threads=1"]);
        let output = self.scratch.join(format!("lane-{lane}"));
        let ended = process::run(&mut command, &output, self.options.timeout)
            .map_err(|error| format!("{}: {error}", job.binary.display()))?;
        let said = || format!("{}\n({})", ended.output.trim_end(), ended.how());
        Ok(match ended.status {
            None => Outcome::TimedOut(said()),
            // A test that ends its process early with 0 has not passed.
            Some(status)
                if status.success() && ended.output.contains("test result: ok. 1 passed") =>
            {
                Outcome::Passed
            }
            Some(_) => Outcome::Failed(said()),
        })
    }

    /// A test runs in its package's directory, as with cargo, and knows nothing of this one.
    fn command(&self, (suite, _): &FileId, binary: &Path, column: &str) -> Command {
        let mut command = Command::new(binary);
        if let Some(package) = self.released.iter().find(|one| one.suite.package == *suite) {
            command.current_dir(&package.directory);
        }
        for (name, _) in std::env::vars_os() {
            let is_ours = name.to_str().is_some_and(|name| {
                name.starts_with("CARGO")
                    || name.starts_with("YAMANOTE")
                    || name.starts_with("RUST_")
            });
            if is_ours {
                command.env_remove(name);
            }
        }
        if column != "tokio" {
            command.env("YAMANOTE_DRIVER", column);
            if self.options.is_simulated() {
                let (name, value) = self.options.order.variable();
                command.env(name, value);
            }
        }
        command
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed   ",
        Outcome::Failed(_) => "FAILED   ",
        Outcome::TimedOut(_) => "TIMED OUT",
    }
}
