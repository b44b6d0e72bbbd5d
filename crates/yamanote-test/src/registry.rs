//! The real Tokio, for tests that need one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SUBJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../race/subjects/tokio");

/// The source of the release that is raced against, which Cargo fetches, with all it depends on, if
/// that was not done before; or why it cannot be had.
pub fn registry_tokio() -> Result<PathBuf, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(fetch).clone()
}

fn fetch() -> Result<PathBuf, String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["fetch", "--locked"]).current_dir(SUBJECT);
    let output = cargo.output().map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let mut cargo = Command::new("cargo");
    cargo
        .args(["pkgid", "--locked", "--offline", "tokio"])
        .current_dir(SUBJECT);
    let output = cargo.output().map_err(|error| format!("cargo: {error}"))?;
    // Such as `registry+https://github.com/rust-lang/crates.io-index#tokio@1.54.1`.
    let id = String::from_utf8_lossy(&output.stdout);
    let version = id.trim().rsplit('@').next().unwrap_or_default();
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| {
            let home = std::env::var_os("HOME")?;
            Some(Path::new(&home).join(".cargo"))
        });
    let registries = home.ok_or("no home directory")?.join("registry/src");
    let registries = std::fs::read_dir(&registries).map_err(|error| error.to_string())?;
    let mut sources = registries.flatten();
    let source = sources.find_map(|it| {
        let source = it.path().join(format!("tokio-{version}"));
        source.is_dir().then_some(source)
    });
    source.ok_or_else(|| format!("tokio {version} is not among the fetched sources"))
}
