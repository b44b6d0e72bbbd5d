//! Builds the generated workspace's test targets, so that one that does not compile takes no other
//! down with it.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::options::Options;
use super::suites::{Released, with_unstable};
use super::workspace::{PROBE, Subject, Workspace, package_name};

/// A suite and one of its test files, without `.rs`.
pub type FileId = (&'static str, String);

/// What became of the files: a binary, or the compiler's messages.
pub struct Built {
    pub files: BTreeMap<FileId, Result<PathBuf, String>>,
    pub probe: Option<PathBuf>,
}

/// The files that are asked for.
pub fn wanted(released: &[Released], options: &Options) -> BTreeSet<FileId> {
    let mut files = BTreeSet::new();
    for package in released {
        let suite = package.suite.package;
        if options.wants_suite(suite) {
            let names = package
                .targets()
                .filter_map(|target| target["name"].as_str());
            files.extend(
                names
                    .filter(|name| options.wants_file(name))
                    .map(|name| (suite, name.to_owned())),
            );
        }
    }
    files
}

/// One invocation for each suite, whatever of it is asked for: cargo unites the features of what it
/// builds together, and other features would mean compiling everything anew. So a suite whose
/// library does not compile leaves the others alone, too.
pub fn build(
    workspace: &Workspace,
    wanted: &BTreeSet<FileId>,
    options: &Options,
) -> Result<Built, String> {
    let mut built = Built {
        files: BTreeMap::new(),
        probe: None,
    };
    let suites: BTreeSet<&str> = wanted.iter().map(|(suite, _)| *suite).collect();
    for suite in suites {
        let package = package_name(suite);
        let mut args = vec!["--package", &package];
        for (_, file) in wanted.iter().filter(|(of, _)| *of == suite) {
            args.extend(["--test", file]);
        }
        let others = cargo(workspace, &args, wanted, options, &mut built)?;
        for file in wanted.iter().filter(|(of, _)| *of == suite) {
            built
                .files
                .entry(file.clone())
                .or_insert_with(|| match others.is_empty() {
                    true => Err("cargo did not come to it".to_owned()),
                    false => Err(others.clone()),
                });
        }
    }
    if workspace.subject == Subject::Shim {
        let others = cargo(
            workspace,
            &["--package", PROBE],
            wanted,
            options,
            &mut built,
        )?;
        if built.probe.is_none() {
            return Err(format!("the driver probe does not compile:\n{others}"));
        }
    }
    Ok(built)
}

/// The compiler's messages about other things than the tests. An error is one of cargo's own.
fn cargo(
    workspace: &Workspace,
    args: &[&str],
    wanted: &BTreeSet<FileId>,
    options: &Options,
    built: &mut Built,
) -> Result<String, String> {
    let log = workspace.directory.join("cargo.log");
    let stderr = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let flags = options
        .is_unstable
        .then(|| ("RUSTFLAGS", with_unstable("RUSTFLAGS")));
    let mut child = Command::new(super::cargo())
        .current_dir(&workspace.directory)
        .args([
            "build",
            "--keep-going",
            "--message-format=json",
            "--target-dir",
        ])
        .arg(options.target_dir())
        .args(args)
        .envs(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(|error| format!("cannot start cargo: {error}"))?;

    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {prefix}: {pos} crates and tests built, {msg}")
            .expect("the template is right"),
    );
    bar.set_prefix(workspace.subject.name());
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut others = String::new();
    let mut outcome = None;
    let mut linked = Ok(());
    for line in BufReader::new(child.stdout.take().expect("piped above")).lines() {
        let line = line.map_err(|error| format!("cannot read what cargo says: {error}"))?;
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let name = message["target"]["name"].as_str().unwrap_or_default();
        let file = file_of(&message, wanted);
        match message["reason"].as_str() {
            Some("compiler-artifact") => {
                bar.inc(1);
                bar.set_message(name.to_owned());
                linked = linked.and(check_linked(workspace, &message));
                if let Some(executable) = message["executable"].as_str().map(PathBuf::from) {
                    match file {
                        Some(file) => drop(built.files.insert(file, Ok(executable))),
                        None if name == PROBE => built.probe = Some(executable),
                        None => {}
                    }
                }
            }
            Some("compiler-message") if message["message"]["level"] == "error" => {
                let text = message["message"]["rendered"].as_str().unwrap_or_default();
                match file {
                    Some(file) => {
                        let said = built
                            .files
                            .entry(file)
                            .or_insert_with(|| Err(String::new()));
                        if let Err(said) = said {
                            said.push_str(text);
                        }
                    }
                    None => others.push_str(&format!("{name}: {text}")),
                }
            }
            Some("build-finished") => outcome = message["success"].as_bool(),
            _ => {}
        }
    }
    bar.finish_and_clear();
    child
        .wait()
        .map_err(|error| format!("cannot wait for cargo: {error}"))?;
    linked?;
    match outcome {
        Some(_) => Ok(others),
        None => Err(format!(
            "cargo gave up on `{}`:\n{}",
            workspace.subject.name(),
            fs::read_to_string(&log).unwrap_or_default()
        )),
    }
}

fn file_of(message: &Value, wanted: &BTreeSet<FileId>) -> Option<FileId> {
    if message["target"]["kind"][0] != "test" {
        return None;
    }
    let package = Path::new(message["manifest_path"].as_str()?)
        .parent()?
        .file_name()?
        .to_str()?;
    let name = message["target"]["name"].as_str()?;
    wanted
        .iter()
        .find(|(suite, file)| package_name(suite) == package && file == name)
        .cloned()
}

/// What is compiled under the name `tokio` is what the lock file says; checked here once more.
fn check_linked(workspace: &Workspace, artifact: &Value) -> Result<(), String> {
    let id = artifact["package_id"].as_str().unwrap_or_default();
    let is_tokio = artifact["target"]["name"] == "tokio"
        && artifact["target"]["kind"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "lib" || kind == "rlib"));
    let is_from_registry = id.starts_with("registry+");
    match is_tokio && is_from_registry != (workspace.subject == Subject::Tokio) {
        true => Err(format!(
            "the tests of `{}` link {id}",
            workspace.subject.name()
        )),
        false => Ok(()),
    }
}
