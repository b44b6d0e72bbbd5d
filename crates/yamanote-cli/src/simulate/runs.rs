//! The simulated tests of a program, and their runs.
#![forbid(unsafe_code)]

use super::Args;
use super::build::Program;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A simulated test.
pub struct Test {
    pub name: String,
    program: PathBuf,
    directory: PathBuf,
}

/// What its runs have come to.
pub struct Outcome {
    pub text: String,
    pub has_passed: bool,
    pub failed: Vec<u64>,
}

/// How a simulated test's name begins in its program, and ends; the attribute writes it.
const MARK: &[u8] = b"\x01yamanote-sim-test:";
const END: u8 = 1;

impl Test {
    /// Those of a program.
    pub fn all(program: &Program) -> Vec<Test> {
        let bytes = fs::read(&program.path).unwrap_or_default();
        let mut names: Vec<String> = names(&bytes);
        names.sort();
        names.dedup();
        let test = |name| Test {
            name,
            program: program.path.clone(),
            directory: program.directory.clone(),
        };
        names.into_iter().map(test).collect()
    }

    /// The test, to be run for itself.
    pub fn command(&self, place: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args([&self.name, "--exact", "--nocapture", "--include-ignored"]);
        command.current_dir(&self.directory);
        command.env("CARGO_MANIFEST_DIR", &self.directory);
        command.env("YAMANOTE_SIM_DIR", place.join("traces"));
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &Args, place: &Path) -> Result<Outcome, String> {
        let of = |error: std::io::Error| format!("{}: {error}", self.program.display());
        let (progress, record) = (place.join("progress"), place.join("record"));
        let _ = (fs::remove_file(&progress), fs::remove_file(&record));
        let mut command = self.command(place);
        command.env("YAMANOTE_SIM_PROGRESS", &progress);
        command.env("YAMANOTE_SIM_RECORD", &record);
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                command.env(name, value);
            }
        };
        set("YAMANOTE_SIM_SEED", args.seed.map(|it| it.to_string()));
        set("YAMANOTE_SIM_SEEDS", args.seeds.map(|it| it.to_string()));
        set("YAMANOTE_SIM_FIRST", Some(args.first.to_string()));
        set("YAMANOTE_SIM_JOBS", args.jobs.map(|it| it.to_string()));
        set("YAMANOTE_SIM_CHECK", args.check.then(|| "1".to_owned()));
        set(
            "YAMANOTE_SIM_KEEP_GOING",
            (!args.fail_fast).then(|| "1".to_owned()),
        );
        let child = command.spawn().map_err(of)?;
        let bar = bar(&self.name);
        let output = std::thread::scope(|scope| {
            let output = scope.spawn(|| child.wait_with_output());
            while !output.is_finished() {
                std::thread::sleep(Duration::from_millis(100));
                show(&bar, &progress);
            }
            output.join().expect("it does not panic")
        });
        bar.finish_and_clear();
        let output = output.map_err(of)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut text = own_lines(&text);
        let has_passed = output.status.success();
        if text.is_empty() {
            text = String::from_utf8_lossy(&output.stderr).into_owned();
        }
        let record = fs::read_to_string(&record).unwrap_or_default();
        let record: Value = serde_json::from_str(record.trim()).unwrap_or_default();
        let failed = record["failed"].as_array().into_iter().flatten();
        Ok(Outcome {
            text,
            has_passed,
            failed: failed.filter_map(Value::as_u64).collect(),
        })
    }
}

fn names(bytes: &[u8]) -> Vec<String> {
    let finder = memchr::memmem::Finder::new(MARK);
    let begins = finder.find_iter(bytes).map(|at| &bytes[at + MARK.len()..]);
    let names = begins.filter_map(|rest| {
        let end = memchr::memchr(END, &rest[..rest.len().min(1000)])?;
        let name = std::str::from_utf8(&rest[..end]).ok()?;
        // Without the name of the crate.
        name.split_once("::").map(|(_, name)| name.to_owned())
    });
    names.collect()
}

/// What the test says, without what the test program says around it.
fn own_lines(text: &str) -> String {
    let is_around = |line: &str| {
        line.is_empty()
            || line == "running 1 test"
            || line.starts_with("test result: ")
            || (line.starts_with("test ") && line.contains(" ... "))
            || line == "failures:"
    };
    let lines = text.lines().skip_while(|line| is_around(line));
    let lines = lines.take_while(|line| !line.starts_with("test result: ") && *line != "failures:");
    let lines = lines.filter(|line| !line.starts_with("test ") || !line.contains(" ... "));
    let mut lines: Vec<&str> = lines.collect();
    while lines.last().is_some_and(|it| it.is_empty()) {
        lines.pop();
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn bar(name: &str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} seeds  {elapsed}  {msg}")
            .expect("the template is well-formed"),
    );
    bar.set_message(name.to_owned());
    bar
}

/// From the last line that the test has written: its name, runs, failures, seeds.
fn show(bar: &ProgressBar, progress: &Path) {
    let text = fs::read_to_string(progress).unwrap_or_default();
    let Some(line) = text.lines().next_back() else {
        return;
    };
    let fields: Vec<&str> = line.split('\t').collect();
    let number = |index: usize| fields.get(index).and_then(|it| it.parse().ok());
    let (Some(runs), Some(failed), Some(seeds)) = (number(1), number(2), number(3)) else {
        return;
    };
    bar.set_length(seeds);
    bar.set_position(runs);
    if failed > 0 {
        bar.set_message(format!("{}, {failed} failed", fields[0]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_a_program() {
        let program =
            b"..\x01yamanote-sim-test:krate::a::b\x01..\x01yamanote-sim-test:krate::c\x01";
        assert_eq!(names(program), ["a::b", "c"]);
        assert!(names(b"\x01yamanote-sim-test:krate::a::b").is_empty());
    }

    #[test]
    fn what_is_around_the_report_is_left_out() {
        let text =
            "\nrunning 1 test\nx: 3 runs\nseed 1 fails\n\ntest x ... FAILED\n\nfailures:\n\n";
        assert_eq!(own_lines(text), "x: 3 runs\nseed 1 fails\n");
    }
}
