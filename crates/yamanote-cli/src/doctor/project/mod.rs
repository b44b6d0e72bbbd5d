//! Whether a Cargo project runs on Yamanote, and what to do where it does not.
//!
//! Three things are read and nothing is changed: what Cargo would read to find patches and flags
//! (`settings`), what it has chosen (`lock`), and what the packages ask for (`demands`). The
//! verdict (`verdict`) looks at nothing else.
#![forbid(unsafe_code)]

mod cargo;
mod demands;
mod lock;
mod settings;
pub mod shim;
mod verdict;

use crate::output;
use cargo::View;
use demands::Demand;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use cargo::Cargo;
pub use lock::{Lock, read as read_lock};
pub use settings::{Settings, has_tokio, is_tokio, manifest};
pub use verdict::{Check, State};

/// What is known of a project.
struct Project {
    settings: settings::Settings,
    /// `None` if there is no lock file yet.
    lock: Option<Lock>,
    /// What the packages of a build here ask of Tokio, or why Cargo could not tell.
    demands: Result<Vec<Demand>, String>,
    /// The demands that Cargo considers when it chooses versions, as far as they are known. They
    /// are more, because those for other systems and optional ones count too.
    heard: Vec<Demand>,
    /// A package that asks for another one in its manifest, and that one, which is not in the lock
    /// file.
    not_locked: Option<(String, String)>,
    /// The targets of the next build, or why Cargo could not tell.
    targets: Result<Vec<cargo::Target>, String>,
    /// The lowest Rust version that a package of the workspace promises to build with.
    rust_version: Option<(String, semver::Version)>,
    /// What this project is built with.
    compiler: cargo::Compiler,
}

/// What to print, and the exit status: 0 if the next build runs on Yamanote.
pub fn examine(path: &Path, config: &[String], json: bool) -> (String, ExitCode) {
    let project = match read(path, config) {
        Ok(project) => project,
        Err(why) => {
            let why = why.strip_prefix("error: ").unwrap_or(&why);
            let text = match json {
                true => format!("{:#}\n", json!({ "switched": false, "error": why })),
                false => {
                    output::complain(&format!("yamanote doctor: {why}"));
                    String::new()
                }
            };
            return (text, ExitCode::FAILURE);
        }
    };
    let checks = verdict::checks(&project);
    let switched = checks.iter().all(|check| check.state != State::Bad);
    let text = match json {
        true => as_json(&project, &checks, switched),
        false => as_text(&project, &checks, switched),
    };
    match switched {
        true => (text, ExitCode::SUCCESS),
        false => (text, ExitCode::FAILURE),
    }
}

/// What is to be said of the project in this directory.
pub fn checks(path: &Path) -> Result<Vec<Check>, String> {
    read(path, &[]).map(|project| verdict::checks(&project))
}

/// The directory that is meant by `path`: a manifest stands for its directory.
pub fn directory(path: &Path) -> Result<PathBuf, String> {
    let here = path
        .canonicalize()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(match here.is_file() {
        true => here.parent().unwrap_or(Path::new("/")).to_owned(),
        false => here,
    })
}

fn read(path: &Path, config: &[String]) -> Result<Project, String> {
    let dir = &directory(path)?;
    let cargo = cargo::Cargo::new(dir, config);
    let workspace = cargo.workspace()?;
    let compiler = cargo.compiler()?;
    let settings = settings::Settings::read(dir, &workspace.root, config)?;
    let lock = lock::read(&workspace.root.join("Cargo.lock"))?;
    let mut heard = demands::of_members(&workspace.members);
    let demands = match &lock {
        Some(_) => {
            let of = |view| cargo.metadata(view).map(|it| demands::demands(&it));
            let demands = of(View::Build(&compiler));
            for more in [of(View::Lock), demands.clone()] {
                demands::join(&mut heard, more.unwrap_or_default());
            }
            demands
        }
        None => Err("there is no Cargo.lock".to_owned()),
    };
    let not_locked = lock.as_ref().and_then(|lock| {
        let all = demands::dependencies(&workspace.members);
        let missing = all
            .iter()
            .find(|(_, name, version)| !lock.has(name, version));
        missing.map(|(by, name, version)| ((*by).to_owned(), format!("{name} {version}")))
    });
    Ok(Project {
        settings,
        lock,
        demands,
        heard,
        not_locked,
        targets: cargo.targets(),
        rust_version: workspace.rust_version,
        compiler,
    })
}

fn as_text(project: &Project, checks: &[Check], switched: bool) -> String {
    let mut out = String::new();
    for check in checks {
        let mark = match check.state {
            State::Good => "yes ",
            State::Note => "note",
            State::Bad => "NO  ",
        };
        writeln!(out, "{mark}  {}", check.found).expect("a String grows");
        if let Some(advice) = &check.advice {
            for line in advice.lines() {
                writeln!(out, "{}", format!("        {line}").trim_end()).expect("a String grows");
            }
        }
    }
    if let Ok(demands) = &project.demands {
        let widest = |length: fn(&Demand) -> usize| demands.iter().map(length).max();
        let by = widest(|demand| demand.by.len()).unwrap_or(0);
        let version = widest(|demand| demand.version.to_string().len()).unwrap_or(0);
        out.push_str("\nasked for by\n");
        for demand in demands {
            let features: Vec<&str> = demand.features.iter().map(String::as_str).collect();
            let line = format!(
                "  {:by$}  {:version$}  {}",
                demand.by,
                demand.version.to_string(),
                features.join(", ")
            );
            writeln!(out, "{}", line.trim_end()).expect("a String grows");
        }
    }
    out.push_str(match switched {
        true => "\nSwitched: the next build runs on Yamanote.\n",
        false => "\nNot switched: see the lines that begin with NO.\n",
    });
    out
}

fn as_json(project: &Project, checks: &[Check], switched: bool) -> String {
    let tokios: Vec<_> = project.lock.iter().flat_map(|lock| &lock.tokios).collect();
    let tokios: serde_json::Value = tokios
        .into_iter()
        .map(|tokio| {
            json!({
                "version": tokio.version.to_string(),
                "source": tokio.source,
                "is_yamanote": tokio.is_yamanote,
                "is_for_other_systems": tokio.is_for_other_systems,
                "used_by": tokio.used_by,
            })
        })
        .collect();
    let checks: serde_json::Value = checks
        .iter()
        .map(|check| {
            json!({
                "name": check.name,
                "state": check.state.name(),
                "found": check.found,
                "advice": check.advice,
            })
        })
        .collect();
    let demands = project.demands.as_ref().ok().map(|demands| {
        demands
            .iter()
            .map(Demand::as_json)
            .collect::<serde_json::Value>()
    });
    format!(
        "{:#}\n",
        json!({
            "switched": switched,
            "tokio": tokios,
            "checks": checks,
            "demands": demands,
        })
    )
}
