//! `cargo xtask api`: the public API of the shim, compared with that of the real Tokio.
//!
//! Both are documented as JSON (`rustdoc`); what is public is found under its public path, through
//! the shim's re-exports into Yamanote (`names`), and written as lines (`surface`, `render`) that
//! can be compared one by one.
#![forbid(unsafe_code)]

mod names;
mod render;
mod rustdoc;
mod surface;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use toml::Table;

use crate::conformance::suites::{UNSTABLE_FEATURES, tokio_version, write};
use names::Side;
use rustdoc::Crate;
use surface::Surface;

const HELP: &str = "\
Compares the public API of the shim (package `tokio`) with the real Tokio's: items, signatures,
trait impls, auto traits, #[must_use], #[deprecated], #[track_caller].

Usage: cargo xtask api [--unstable] [--extra] [--target-dir DIR]

  --unstable        under --cfg tokio_unstable, with all features that gate something under it
  --extra           also list what the shim has and Tokio has not
  --target-dir DIR  where cargo builds (target/api; with --unstable, target/api-unstable)

Exit status 1 if something is missing or differs without a reason in docs/api.toml.
";

/// Every feature that gates something stable.
const FEATURES: [&str; 2] = ["full", "test-util"];

/// The same with std's locks.
const WITHOUT_PARKING_LOT: [&str; 12] = [
    "fs",
    "io-std",
    "io-util",
    "macros",
    "net",
    "process",
    "rt",
    "rt-multi-thread",
    "signal",
    "sync",
    "test-util",
    "time",
];

pub fn run(root: &Path, args: &[String]) -> ExitCode {
    let mut target = None;
    let mut wants_extra = false;
    let mut is_unstable = false;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--extra" => wants_extra = true,
            "--unstable" => is_unstable = true,
            "--target-dir" => match args.next() {
                Some(directory) => target = Some(PathBuf::from(directory)),
                None => return refused("--target-dir needs a value"),
            },
            "--help" | "-h" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            other => return refused(&format!("unknown option {other}; see --help")),
        }
    }
    let target = target.unwrap_or_else(|| scratch(root, is_unstable));
    match compare(root, &target, wants_extra, is_unstable) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => refused(&error),
    }
}

fn refused(error: &str) -> ExitCode {
    eprintln!("cargo xtask api: {error}");
    ExitCode::from(2)
}

fn scratch(root: &Path, is_unstable: bool) -> PathBuf {
    let name = if is_unstable { "api-unstable" } else { "api" };
    root.join("target").join(name)
}

fn compare(
    root: &Path,
    target: &Path,
    wants_extra: bool,
    is_unstable: bool,
) -> Result<bool, String> {
    let scratch = scratch(root, is_unstable);
    let with = |features: &[&'static str], unstable: &[&'static str]| -> Vec<&'static str> {
        let unstable = if is_unstable { unstable } else { &[] };
        [features, unstable].concat()
    };
    let features = with(&FEATURES, UNSTABLE_FEATURES);
    let without = with(&WITHOUT_PARKING_LOT, UNSTABLE_FEATURES);
    let document = |package, features: &[&str], flags: &[&str]| {
        Crate::document(root, package, features, flags, target, is_unstable)
    };
    let theirs = document_tokio(&scratch, target, &features, is_unstable)?;
    let theirs = Side::new(vec![theirs], None);
    let without = document_tokio(&scratch, target, &without, is_unstable)?;
    let without = surface::of(&Side::new(vec![without], None));
    let ours = vec![
        // The attribute macros' own names are hidden, and with them the re-exports of them here.
        document("tokio", &features, &["--document-hidden-items"])?,
        document("yamanote", &with(&[], UNSTABLE_FEATURES), &[])?,
        document("yamanote-macros", &[], &[])?,
    ];
    let ours = Side::new(ours, Some(&theirs));
    let (mut theirs, ours) = (surface::of(&theirs), surface::of(&ours));
    demand_either(&mut theirs, without);
    let reasons = reasons(&root.join("docs").join("api.toml"), is_unstable)?;
    Ok(print(&theirs, &ours, &reasons, wants_extra))
}

/// The real Tokio, as a dependency of an empty package.
fn document_tokio(
    scratch: &Path,
    target: &Path,
    features: &[&str],
    is_unstable: bool,
) -> Result<Crate, String> {
    let manifest = format!(
        "[package]\nname = \"api\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n\
         [lib]\npath = \"lib.rs\"\n[dependencies]\n\
         tokio = {{ version = \"={}\", features = {features:?} }}\n",
        tokio_version()
    );
    write(&scratch.join("Cargo.toml"), &manifest)?;
    write(&scratch.join("lib.rs"), "")?;
    Crate::document(scratch, "tokio", &[], &[], target, is_unstable)
}

/// What is safe to unwind through depends on the locks inside, which come with a feature that
/// programs may leave out: the comparison asks for what holds with and without it.
fn demand_either(theirs: &mut Surface, without: Surface) {
    for (name, text) in without {
        if let Some(with) = theirs
            .get_mut(&name)
            .filter(|with| with.starts_with("!impl"))
        {
            *with = text;
        }
    }
}

/// Why something differs. The table `unstable` is about what is there under the cfg only.
fn reasons(path: &Path, is_unstable: bool) -> Result<Table, String> {
    let mut reasons: Table = match std::fs::read_to_string(path) {
        Ok(text) => text
            .parse()
            .map_err(|error| format!("{}: {error}", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Table::new(),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    if let Some(toml::Value::Table(unstable)) = reasons.remove("unstable") {
        if is_unstable {
            reasons.extend(unstable);
        }
    }
    Ok(reasons)
}

/// By its whole name, or by a part of it between two stars.
fn reason_of<'a>(name: &str, reasons: &'a Table) -> Option<&'a str> {
    let is_about = |key: &str| {
        let part = key.strip_prefix('*').and_then(|it| it.strip_suffix('*'));
        key == name || part.is_some_and(|part| name.contains(part))
    };
    let mut reasons = reasons.iter();
    let (_, reason) = reasons.find(|(key, _)| is_about(key))?;
    reason.as_str()
}

/// Whether everything missing or differing has a reason.
fn print(theirs: &Surface, ours: &Surface, reasons: &Table, wants_extra: bool) -> bool {
    let mut by_module: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut counts = (0, 0, 0);
    for (name, text) in theirs {
        let what = match ours.get(name) {
            Some(same) if is_as_good(same, text) => continue,
            Some(other) => {
                format!("differs  {name}\n           tokio: {text}\n           ours:  {other}")
            }
            None => format!("missing  {name}  {text}"),
        };
        if let Some(reason) = reason_of(name, reasons) {
            counts.2 += 1;
            println!("explained {name}: {reason}");
            continue;
        }
        match ours.contains_key(name) {
            true => counts.1 += 1,
            false => counts.0 += 1,
        }
        by_module.entry(module(name)).or_default().push(what);
    }
    for (module, lines) in &by_module {
        println!("\n== {module}: {}", lines.len());
        lines.iter().for_each(|line| println!("  {line}"));
    }
    let extra: Vec<&String> = ours
        .keys()
        .filter(|name| !theirs.contains_key(*name))
        .collect();
    if wants_extra {
        println!("\n== beyond Tokio: {}", extra.len());
        extra.iter().for_each(|name| println!("  {name}"));
    }
    for name in reasons.keys().filter(|name| !name.starts_with('*')) {
        if theirs
            .get(name)
            .is_none_or(|text| ours.get(name).is_some_and(|ours| is_as_good(ours, text)))
        {
            println!("docs/api.toml explains {name}, which does not differ");
        }
    }
    println!(
        "\n{} items and impls of Tokio {}: {} missing, {} differ, {} explained; {} beyond Tokio",
        theirs.len(),
        tokio_version(),
        counts.0,
        counts.1,
        counts.2,
        extra.len()
    );
    counts.0 == 0 && counts.1 == 0
}

/// Whether `ours` promises what `theirs` does. Naming the caller in a panic, or being `const`,
/// where Tokio does not, makes no difference to users.
fn is_as_good(ours: &str, theirs: &str) -> bool {
    let more = |text: &str| {
        text.replace(" #[track_caller]", "")
            .replace("const fn(", "fn(")
    };
    ours == theirs
        || more(ours) == more(theirs)
            && (ours.contains("#[track_caller]") || !theirs.contains("#[track_caller]"))
            && (ours.contains("const fn(") || !theirs.contains("const fn("))
}

/// Two segments: `tokio::sync`. An impl belongs where its type stands.
fn module(name: &str) -> String {
    let path = name.rsplit(" for ").next().unwrap_or(name);
    let start = path.find("tokio::").or(None);
    let path = match start {
        Some(start) => &path[start..],
        None => &name[name.find("tokio::").unwrap_or(0)..],
    };
    let ends = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
    let path = path.split(ends).next().unwrap_or(path);
    let segments: Vec<&str> = path.split("::").collect();
    match segments[..] {
        [top, module, _, ..] => format!("{top}::{module}"),
        _ => "tokio".to_owned(),
    }
}
