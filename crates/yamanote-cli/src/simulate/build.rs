//! The test programs that are built from the copy of a project.
#![forbid(unsafe_code)]

use super::Args;
use super::stand_in;
use crate::doctor::project::Cargo;
use crate::trial::copy;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A test program.
pub struct Program {
    pub path: PathBuf,
    /// The package's, in the copy: where its tests are run.
    pub directory: PathBuf,
}

/// Builds the test programs of the project in `dir`, below `place`.
pub fn build(args: &Args, dir: &Path, place: &Path) -> Result<Vec<Program>, String> {
    let source = place.join("source");
    let tree = copy::refresh(dir, &source)?;
    stand_in::put(args, &tree).map_err(|why| {
        // The copy has the paths of the original below its own.
        why.replace(&source.display().to_string(), "")
    })?;
    let mut cargo = Cargo::new(&tree, &[]).command("cargo");
    cargo.args([
        "test",
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ]);
    if args.offline {
        cargo.arg("--offline");
    }
    set_flags(&mut cargo, &tree);
    cargo.args(&args.cargo);
    cargo.env("CARGO_TARGET_DIR", place.join("build"));
    cargo.stdout(Stdio::piped()).stderr(Stdio::inherit());
    let output = cargo.output();
    let output = output.map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err("the tests do not build".to_owned());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages
        .lines()
        .filter_map(|it| serde_json::from_str(it).ok());
    Ok(messages.filter_map(|it: Value| program(&it)).collect())
}

/// What Cargo says of a test program.
fn program(message: &Value) -> Option<Program> {
    let is_test = message["profile"]["test"].as_bool()?;
    let path = message["executable"].as_str()?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    is_test.then(|| Program {
        path: path.into(),
        directory: manifest.parent().unwrap_or(Path::new("/")).to_owned(),
    })
}

/// The cfg that tests of this kind are compiled under, beside the flags that the project has.
fn set_flags(cargo: &mut std::process::Command, tree: &Path) {
    const FLAGS: [&str; 4] = ["--cfg", "yamanote_sim", "--check-cfg", "cfg(yamanote_sim)"];
    if let Ok(flags) = std::env::var("CARGO_ENCODED_RUSTFLAGS") {
        cargo.env(
            "CARGO_ENCODED_RUSTFLAGS",
            [&*flags, &FLAGS.join("\x1f")].join("\x1f"),
        );
    } else if let Ok(flags) = std::env::var("RUSTFLAGS") {
        cargo.env("RUSTFLAGS", format!("{flags} {}", FLAGS.join(" ")));
    } else {
        // Of the two kinds of places where a project may have flags, Cargo reads only one: that of
        // targets, if there is anything.
        let has_target = |file: PathBuf| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let table: toml::Table = text.parse().unwrap_or_default();
            let targets = table.get("target").and_then(|it| it.as_table());
            let mut targets = targets.into_iter().flat_map(|it| it.values());
            targets.any(|it| it.get("rustflags").is_some())
        };
        let place = match configuration(tree).any(has_target) {
            true => "target.\"cfg(all())\"",
            false => "build",
        };
        let flags = Value::from(FLAGS.map(Value::from).to_vec());
        cargo.args(["--config", &format!("{place}.rustflags={flags}")]);
    }
}

/// The files that Cargo reads its configuration from, those that are not there too.
fn configuration(tree: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::var_os("HOME").map(PathBuf::from)?.join(".cargo")));
    let directories = tree.ancestors().map(|it| it.join(".cargo")).chain(home);
    directories.flat_map(|it| [it.join("config.toml"), it.join("config")])
}
