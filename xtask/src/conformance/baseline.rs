//! The real Tokio's results, kept for the rest of the day.
//!
//! They depend on the machine as much as on Tokio. So a file of results says what it was measured
//! with, and holds only for the same.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};

use super::build::FileId;
use super::suites::{SUITES, versions};
use super::verdict::{Column, Outcome};

pub type Known = BTreeMap<FileId, BTreeMap<String, Vec<Outcome>>>;

/// The day, the compiler, the kernel and the releases.
pub struct Circumstances {
    pub date: String,
    pub rustc: String,
    pub kernel: String,
    pub cpus: usize,
    /// Under `--cfg tokio_unstable`.
    pub is_unstable: bool,
}

impl Circumstances {
    pub fn now(is_unstable: bool) -> Result<Self, String> {
        Ok(Circumstances {
            date: said(Command::new("date").args(["-u", "+%Y-%m-%d"]))?,
            rustc: said(Command::new("rustc").arg("--version"))?,
            kernel: said(Command::new("uname").args(["-srm"]))?,
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            is_unstable,
        })
    }

    fn key(&self, timeout: u64) -> String {
        let Circumstances {
            date,
            rustc,
            kernel,
            cpus,
            is_unstable,
        } = self;
        let cfg = if *is_unstable { "; tokio_unstable" } else { "" };
        format!(
            "{date}; {rustc}; {kernel}; {cpus} CPUs; {timeout} s; {}{cfg}",
            versions()
        )
    }
}

fn said(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What the file holds, if it is valid here and now: whole files only.
pub fn load(path: &Path, circumstances: &Circumstances, timeout: u64) -> Known {
    let parsed = fs::read_to_string(path)
        .ok()
        .and_then(|text| serde_json::from_str::<Value>(&text).ok())
        .filter(|value| value["key"] == circumstances.key(timeout));
    let mut known = Known::new();
    let Some(Value::Object(suites)) = parsed.as_ref().map(|value| &value["suites"]) else {
        return known;
    };
    for suite in &SUITES {
        let files = suites.get(suite.package).and_then(Value::as_object);
        for (file, tests) in files.into_iter().flatten() {
            let tests = tests.as_object().into_iter().flatten();
            let tests = tests.map(|(test, runs)| (test.clone(), outcomes(runs)));
            known.insert((suite.package, file.clone()), tests.collect());
        }
    }
    known
}

fn outcomes(runs: &Value) -> Vec<Outcome> {
    let one = |run: &Value| match (&run["failed"], &run["timed out"]) {
        (Value::String(said), _) => Outcome::Failed(said.clone()),
        (_, Value::String(said)) => Outcome::TimedOut(said.clone()),
        _ => Outcome::Passed,
    };
    runs.as_array().into_iter().flatten().map(one).collect()
}

/// Adds files that were run whole. A process that writes at the same time loses nothing but time.
pub fn store(
    path: &Path,
    circumstances: &Circumstances,
    timeout: u64,
    column: &Column,
) -> Result<(), String> {
    let mut known = load(path, circumstances, timeout);
    for (id, file) in column
        .files
        .iter()
        .filter(|(_, file)| file.refused.is_none())
    {
        known.insert(id.clone(), file.tests.clone());
    }
    let mut suites = Map::new();
    for ((suite, file), tests) in known {
        let one = |run: &Outcome| match run {
            Outcome::Passed => json!("passed"),
            Outcome::Failed(said) => json!({ "failed": said }),
            Outcome::TimedOut(said) => json!({ "timed out": said }),
        };
        let tests = tests
            .into_iter()
            .map(|(test, runs)| (test, runs.iter().map(one).collect::<Vec<_>>().into()))
            .collect::<Map<String, Value>>();
        suites
            .entry(suite)
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .expect("inserted above")
            .insert(file, tests.into());
    }
    let value = json!({ "key": circumstances.key(timeout), "suites": suites });
    let new = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&new, format!("{value:#}\n"))
        .and_then(|()| fs::rename(&new, path))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
