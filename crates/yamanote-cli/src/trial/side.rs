//! Who is compared, and the builds and test runs of each.
#![forbid(unsafe_code)]

use super::Args;
use super::outcome::Outcomes;
use super::runner::Record;
use crate::doctor::binary;
use crate::doctor::project::Cargo;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use toml::Value;
use yamanote::runtime::io_uring_refusal;

/// A runtime, and the driver it is to use.
pub struct Side {
    pub name: &'static str,
    /// The copy of the project.
    pub dir: PathBuf,
    driver: Option<&'static str>,
    /// How long its test programs took to build.
    pub build: Duration,
    pub outcomes: Outcomes,
    /// What its test programs say of themselves.
    pub found: binary::Found,
}

impl Side {
    fn new(name: &'static str, dir: &Path, driver: Option<&'static str>) -> Side {
        Side {
            name,
            dir: dir.to_owned(),
            driver,
            build: Duration::ZERO,
            outcomes: Outcomes::default(),
            found: binary::Found::default(),
        }
    }

    pub fn runtime(&self) -> &'static str {
        match self.driver {
            Some(_) => "Yamanote",
            None => "Tokio",
        }
    }
}

/// How builds and tests are run.
pub struct Plan {
    args: Vec<String>,
    timeout: u64,
    offline: bool,
    /// Where what they print is kept.
    place: PathBuf,
    /// The target of the test programs.
    host: String,
    /// Why io_uring is left out.
    pub no_ring: Option<String>,
}

impl Plan {
    pub fn new(args: &Args, dir: &Path, place: &Path) -> Result<Plan, String> {
        Ok(Plan {
            args: args.cargo.clone(),
            timeout: args.timeout,
            offline: args.offline,
            place: place.to_owned(),
            host: Cargo::new(dir, &[]).compiler()?.host,
            no_ring: io_uring_refusal(),
        })
    }

    /// How many [`sides`](Self::sides) there are.
    pub fn count(&self) -> u64 {
        match self.no_ring {
            None => 3,
            Some(_) => 2,
        }
    }

    /// Tokio, and Yamanote on each driver that it can have here.
    pub fn sides(&self, tokio: &Path, yamanote: &Path) -> Vec<Side> {
        let mut sides = vec![Side::new("Tokio", tokio, None)];
        if self.no_ring.is_none() {
            sides.push(Side::new("Yamanote, io_uring", yamanote, Some("uring")));
        }
        sides.push(Side::new("Yamanote, epoll", yamanote, Some("epoll")));
        sides
    }

    /// Builds the test programs, and returns how long that took.
    pub fn build(&self, tree: &Path, runtime: &str) -> Result<Duration, String> {
        let log = self.place.join(format!("build-{runtime}.log"));
        let start = Instant::now();
        let mut command = self.cargo(tree, &["--no-run"]);
        match run(&mut command, &log)? {
            true => Ok(start.elapsed()),
            false => {
                let log = fs::read_to_string(&log).unwrap_or_default();
                let from = log.find("error").unwrap_or(0);
                let words: Vec<&str> = log[from..].lines().take(40).collect();
                Err(format!(
                    "it does not build with {runtime}:\n{}",
                    words.join("\n")
                ))
            }
        }
    }

    /// Runs the tests once.
    pub fn test(&self, side: &mut Side) -> Result<(), String> {
        let record = self.place.join("record.jsonl");
        let _ = fs::remove_file(&record);
        let tool = std::env::current_exe().map_err(|error| error.to_string())?;
        let timeout = self.timeout.to_string();
        let runner = [
            &tool.to_string_lossy(),
            "try-runner",
            &record.to_string_lossy(),
            &timeout,
        ];
        let runner = Value::from(runner.map(Value::from).to_vec());
        let runner = format!("target.{}.runner={runner}", self.host);
        let mut command = self.cargo(&side.dir, &["--no-fail-fast", "--config", &runner]);
        match side.driver {
            Some(driver) => command.env("YAMANOTE_DRIVER", driver),
            None => command.env_remove("YAMANOTE_DRIVER"),
        };
        // To make the text of a backtrace takes more time and memory than most tests.
        command.env("RUST_BACKTRACE", "0");
        let name = side.name.replace(", ", "-");
        let run_number = side.outcomes.costs.len() + 1;
        let log = self.place.join(format!("tests-{name}-{run_number}.log"));
        run(&mut command, &log)?;
        let printed = fs::read(&log).map_err(|error| error.to_string())?;
        let records = fs::read_to_string(&record).unwrap_or_default();
        let records = records.lines().map(serde_json::from_str);
        let records: Vec<Record> = records
            .collect::<Result<_, _>>()
            .map_err(|error| format!("{}: {error}", record.display()))?;
        let printed = String::from_utf8_lossy(&printed);
        side.outcomes.add(&printed, &records);
        // The programs are the same in every run.
        if run_number == 1 {
            let found = records.iter().filter_map(|it| binary::of(&it.path).ok());
            found.for_each(|found| side.found.extend(found));
        }
        Ok(())
    }

    /// `cargo test` with what all of them are given.
    fn cargo(&self, tree: &Path, first: &[&str]) -> Command {
        let mut command = Cargo::new(tree, &[]).command("cargo");
        command.arg("test").args(first).args(["--color", "never"]);
        // Elsewhere it would be the same for both.
        command.env("CARGO_TARGET_DIR", tree.join("target"));
        if self.offline {
            command.arg("--offline");
        }
        command.args(&self.args);
        command
    }
}

/// Runs a command with all that it prints in one file, in the order in which it is printed.
fn run(command: &mut Command, log: &Path) -> Result<bool, String> {
    let of = |error: std::io::Error| format!("{}: {error}", log.display());
    let out = File::create(log).map_err(of)?;
    let err = out.try_clone().map_err(of)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .status();
    let status = status.map_err(|error| format!("cargo cannot be started: {error}"))?;
    Ok(status.success())
}
