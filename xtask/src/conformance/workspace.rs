//! The generated workspace that links the released tests with one subject.
//!
//! Each suite becomes a package of its own, whose manifest is the released one with four changes:
//! it has no library of its own but depends on the released library, every feature switches on the
//! library's feature of the same name, the versions of the pinned packages are exact, and its test
//! targets are the unpacked files where they lie.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::suites::{Released, SUITES, tokio_version, write};

/// What the tests are linked with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Subject {
    Tokio,
    Shim,
}

impl Subject {
    pub fn name(self) -> &'static str {
        match self {
            Subject::Tokio => "tokio",
            Subject::Shim => "shim",
        }
    }
}

pub struct Workspace {
    pub subject: Subject,
    pub directory: PathBuf,
}

/// The name of the package that says which driver the shim uses.
pub const PROBE: &str = "conformance-probe";

/// The generated package of a suite.
pub fn package_name(suite: &str) -> String {
    format!("conformance-{suite}")
}

/// Writes the workspace of `subject` below `directory`. `root` is this repository.
pub fn generate(
    subject: Subject,
    released: &[Released],
    root: &Path,
    directory: &Path,
    is_unstable: bool,
    is_simulated: bool,
) -> Result<Workspace, String> {
    let workspace = Workspace {
        subject,
        directory: directory.join(subject.name()),
    };
    let version = match subject {
        Subject::Tokio => tokio_version().to_owned(),
        Subject::Shim => shim_version(root)?,
    };
    let mut members: Vec<String> = Vec::new();
    for package in released {
        let name = package_name(package.suite.package);
        let mut manifest = manifest(package, &version, is_unstable)?;
        if subject == Subject::Shim && is_simulated {
            simulate(&mut manifest, root);
        }
        write(
            &workspace.directory.join(&name).join("Cargo.toml"),
            &manifest.to_string(),
        )?;
        members.push(name);
    }
    if subject == Subject::Shim {
        let probe = workspace.directory.join(PROBE);
        write_probe(&probe, &version, root, is_simulated)?;
        members.push(PROBE.to_owned());
    }

    let mut top: Table = "[workspace]\nresolver = \"2\"\n\
        [profile.dev]\ndebug = false\nincremental = false\n"
        .parse()
        .expect("this is TOML");
    table(&mut top, "workspace").insert("members".into(), members.into());
    if subject == Subject::Shim {
        let path = shim(root).to_string_lossy().into_owned();
        let patch = Table::from_iter([("path".to_owned(), Value::from(path))]);
        let patches = Table::from_iter([("tokio".to_owned(), Value::from(patch))]);
        table(&mut top, "patch").insert("crates-io".into(), patches.into());
    }
    write(&workspace.directory.join("Cargo.toml"), &top.to_string())?;
    Ok(workspace)
}

fn shim(root: &Path) -> PathBuf {
    root.join("crates").join("tokio")
}

fn shim_version(root: &Path) -> Result<String, String> {
    let path = shim(root).join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let manifest: Table = text
        .parse()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    match &manifest["package"]["version"] {
        Value::String(version) => Ok(version.clone()),
        _ => Err(format!(
            "{} must state the version of the shim itself",
            path.display()
        )),
    }
}

fn table<'a>(parent: &'a mut Table, key: &str) -> &'a mut Table {
    parent
        .entry(key)
        .or_insert_with(|| Table::new().into())
        .as_table_mut()
        .expect("manifests hold tables where cargo wants tables")
}

fn manifest(released: &Released, tokio: &str, is_unstable: bool) -> Result<Table, String> {
    let suite = released.suite;
    let old = &released.manifest;
    let mut new: Table = format!(
        "[package]\nname = \"{}\"\nversion = \"0.0.0\"\npublish = false\nautotests = false\n",
        package_name(suite.package)
    )
    .parse()
    .expect("this is TOML");
    for key in ["edition", "rust-version"] {
        if let Some(value) = old["package"].get(key) {
            table(&mut new, "package").insert(key.into(), value.clone());
        }
    }
    for key in [
        "features",
        "dependencies",
        "dev-dependencies",
        "target",
        "lints",
    ] {
        if let Some(value) = old.get(key) {
            new.insert(key.into(), value.clone());
        }
    }

    let features = table(&mut new, "features");
    for (name, list) in features.iter_mut() {
        if let Some(list) = list.as_array_mut() {
            list.push(format!("{}/{name}", suite.package).into());
        }
    }
    let mut default: Vec<String> = suite.features.iter().map(|&it| it.to_owned()).collect();
    if is_unstable {
        for feature in suite.unstable_features {
            default.push((*feature).to_owned());
            // One that only an optional dependency makes stands in no list above.
            default.push(format!("{}/{feature}", suite.package));
        }
    }
    features.insert("default".into(), default.into());

    let library: Table = "version = \"*\"\ndefault-features = false"
        .parse()
        .expect("this is TOML");
    table(&mut new, "dependencies").insert(suite.package.into(), library.into());
    for kind in ["dependencies", "dev-dependencies"] {
        pin(table(&mut new, kind), tokio);
    }

    let mut targets = Vec::new();
    for target in released.targets() {
        let mut target = target.clone();
        let path = target
            .get("path")
            .and_then(Value::as_str)
            .ok_or("a test target has no path")?;
        let path = released.directory.join(path).to_string_lossy().into_owned();
        target.insert("path".into(), path.into());
        targets.push(target);
    }
    new.insert("test".into(), targets.into());
    Ok(new)
}

/// Has the runtime below the shim built with its feature `sim`.
fn simulate(manifest: &mut Table, root: &Path) {
    let path = root.join("crates").join("yamanote");
    let mut runtime: Table = "features = [\"sim\"]".parse().expect("this is TOML");
    runtime.insert("path".into(), path.to_string_lossy().into_owned().into());
    table(manifest, "dependencies").insert("yamanote".into(), runtime.into());
}

/// Makes the versions of the packages under test exact.
fn pin(dependencies: &mut Table, tokio: &str) {
    for suite in &SUITES {
        let version = if suite.package == "tokio" {
            tokio
        } else {
            suite.version
        };
        if let Some(dependency) = dependencies
            .get_mut(suite.package)
            .and_then(Value::as_table_mut)
        {
            dependency.insert("version".into(), format!("={version}").into());
        }
    }
}

/// A program that links the shim and Yamanote. If it compiles, they are the same; what it prints
/// says which driver a runtime built through the shim has, and that it did something.
fn write_probe(
    directory: &Path,
    tokio: &str,
    root: &Path,
    is_simulated: bool,
) -> Result<(), String> {
    let features = if is_simulated { "\"sim\"" } else { "" };
    let yamanote = root.join("crates").join("yamanote");
    let manifest = format!(
        "[package]\nname = \"{PROBE}\"\nversion = \"0.0.0\"\nedition = \"2021\"\npublish = false\n\
         [[bin]]\nname = \"{PROBE}\"\npath = \"main.rs\"\n\
         [dependencies]\ntokio = {{ version = \"={tokio}\", features = [\"full\", \"test-util\"] }}\n\
         libc = \"0.2\"\nyamanote = {{ path = {:?}, features = [{features}] }}\n",
        yamanote.to_string_lossy()
    );
    write(&directory.join("Cargo.toml"), &manifest)?;
    write(&directory.join("main.rs"), include_str!("probe.rs.in"))
}

/// The lock file must name one tokio, and it must be the one meant.
pub fn check_lock(workspace: &Workspace) -> Result<(), String> {
    let path = workspace.directory.join("Cargo.lock");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lock: Table = text
        .parse()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let found: Vec<String> = lock["package"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|package| package["name"].as_str() == Some("tokio"))
        .map(
            |package| match package.get("source").and_then(Value::as_str) {
                Some(source) => format!("{} from {source}", package["version"]),
                None => format!("{} from a path", package["version"]),
            },
        )
        .collect();
    let is_meant = match workspace.subject {
        Subject::Tokio => found[..]
            .iter()
            .all(|tokio| tokio.starts_with(&format!("\"{}\" from registry+", tokio_version()))),
        Subject::Shim => found.iter().all(|tokio| tokio.ends_with("from a path")),
    };
    match found.len() == 1 && is_meant {
        true => Ok(()),
        false => Err(format!(
            "{}: the tests of subject `{}` would link tokio {}",
            path.display(),
            workspace.subject.name(),
            found.join(" and ")
        )),
    }
}
